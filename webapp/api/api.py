"""The REST face, /api/v1."""

from ninja import NinjaAPI

api = NinjaAPI(title="Espalier", version="1", docs_url=None)
