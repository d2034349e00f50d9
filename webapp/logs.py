"""What the server writes down: one line a request with an id, JSON unless somebody watches; never a key."""

import logging
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

log = structlog.get_logger("request")
SECRETS = re.compile(r"(esp_)[A-Za-z0-9_-]{6,}|(/(?:join|d)/)[^/\s\"'?]{6,}|((?:[Bb]earer|sessionid|csrftoken)[ =])[^\s;\"']+")
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def mask(text: str) -> str:
    """The text without tokens, invitation and download links, session cookies.

    >>> mask("GET /d/WyJhcnRpZmFjdCJd:1v:xyz by Bearer esp_0123456789abcdef")
    'GET /d/*** by Bearer ***'
    """
    return SECRETS.sub(lambda found: "".join(group or "" for group in found.groups()) + "***", text)


def without_keys(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """A structlog processor; the last one before the line is written."""
    return {name: mask(value) if isinstance(value, str) else value for name, value in event.items()}


SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]


def configure(debug: bool) -> dict[str, Any]:
    """Django's LOGGING; structlog's own loggers and everybody else's write the same lines."""
    structlog.configure(processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
                        logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
                        cache_logger_on_first_use=True)
    last = structlog.dev.ConsoleRenderer(colors=False) if debug or sys.stderr.isatty() else structlog.processors.JSONRenderer()
    formatter = {"()": structlog.stdlib.ProcessorFormatter, "foreign_pre_chain": SHARED,
                 "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, without_keys, last]}
    quiet = {"handlers": [], "level": "WARNING", "propagate": True}
    return {"version": 1, "disable_existing_loggers": False, "formatters": {"lines": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {"django": {"handlers": [], "level": "INFO", "propagate": True}, "django.request": quiet, "django.server": quiet,
                        "uvicorn": {"handlers": [], "level": "INFO", "propagate": True}, "uvicorn.error": {"propagate": True},
                        "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False}, "httpx": quiet}}


@sync_and_async_middleware
def request_log(get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]) -> Callable[[HttpRequest], Any]:
    """Give each request an id (its own, or the proxy's), write one line about it, and answer with the id in X-Request-ID."""
    if iscoroutinefunction(get_response):
        async def middleware(request: HttpRequest) -> HttpResponse:
            begun = begin(request)
            return finish(request, await get_response(request), begun)
    else:
        def middleware(request: HttpRequest) -> HttpResponse:
            begun = begin(request)
            return finish(request, get_response(request), begun)
    return middleware


def begin(request: HttpRequest) -> float:
    given = request.headers.get("X-Request-ID", "")
    request.id = given if ID.fullmatch(given) else uuid.uuid4().hex        # type: ignore[attr-defined]
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request.id)
    return time.perf_counter()


def finish(request: HttpRequest, response: HttpResponse, begun: float) -> HttpResponse:
    response.headers["X-Request-ID"] = request.id
    quick = request.path.startswith(("/static/", "/healthz", "/readyz"))
    level = logging.ERROR if response.status_code >= 500 else logging.DEBUG if quick else logging.INFO
    log.log(level, "request", method=request.method, path=request.path[:300], status=response.status_code,
            ms=round((time.perf_counter() - begun) * 1000, 1))
    return response
