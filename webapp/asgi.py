"""The door for uvicorn: Django, with request bodies read as they arrive instead of collected in a temporary file first."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

import django

django.setup(set_prefix=False)

from webapp.bodies import StreamingHandler  # noqa: E402

application = StreamingHandler()
