"""Two lamps: healthz says this process answers, readyz says that what it needs does. And the letter box of the browsers."""

import structlog
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from webapp.teams.gate import public

log = structlog.get_logger()


@require_safe
@public
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


@require_safe
@public
def readyz(request: HttpRequest) -> JsonResponse:
    """503 while the database is away or behind; Redis away is told, and no reason to stop: pages and uploads work without it."""
    answers = {"database": _database(), "redis": _redis()}
    ready = answers["database"] == "ok"
    return JsonResponse({"ready": ready} | answers, status=200 if ready else 503)


def _database() -> str:
    from django.db.migrations.executor import MigrationExecutor

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Exception as error:      # whatever is wrong with it, it is not ready
        return type(error).__name__
    return "migrations wait" if behind else "ok"


def _redis() -> str:
    return "ok" if cache.get_or_set("readyz", 1, 5) == 1 else "away"


@csrf_exempt
@require_POST
@public
def csp_report(request: HttpRequest) -> HttpResponse:
    """A browser blocked something a page of ours asked for: that is a fault of ours, or somebody's injection. Goes to the log."""
    log.warning("csp", report=request.read(4096).decode("utf-8", "replace"))
    return HttpResponse(status=204)
