"""The craft: train, compress and measure models. No Django, no Celery, no network, no clock or global of its own."""

__version__ = "0.1.0"
