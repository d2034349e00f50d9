"""What must hold before the server starts; every finding carries a hint."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver

LOCAL = {"localhost", "127.0.0.1", "[::1]", "::1", "testserver"}
WEAK = {"changeme", "change-me", "secret", "insecure", "django-insecure"}


@register()
def every_url_is_gated(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """No view without a word on who may open it (webapp/teams/gate.py); the API's own gate is its `auth`."""
    return [Error(f"{route} does not say who may open it.", id="espalier.E001",
                  hint="Put @team_view(role), @signed_in or @public of webapp.teams.gate on the view.")
            for route, view in routes() if not hasattr(view, "gate") and not route.startswith("api/v1/")]


@register()
def secrets_are_secret(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    key = settings.SECRET_KEY
    if len(key) < 32 or any(key.lower().startswith(word) for word in WEAK):
        return [Error("The secret key is short or a default.", id="espalier.E002",
                      hint="Unset ESPALIER_SECRET_KEY (one is made and kept in the data folder), or set 50 random characters.")]
    return []


@register()
def debug_stays_at_home(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    outside = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL]
    if settings.DEBUG and outside:
        return [Error(f"Debug is on while the server answers to {outside[0]}.", id="espalier.E003",
                      hint="Unset ESPALIER_DEBUG: its fault pages show settings and source.")]
    if outside and not settings.HTTPS:
        return [Warning(f"The server answers to {outside[0]} without ESPALIER_HTTPS.", id="espalier.W001",
                        hint="Put a proxy with TLS before it and set ESPALIER_HTTPS=1: cookies and tokens travel in the clear otherwise.")]
    return []


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every (route, view) of the URL table, depth first."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback
