"""What people see when something goes wrong. No database is asked: it may be the thing that is away."""

import uuid
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist, loader

from webapp.api.problems import problem

log = structlog.get_logger()


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return answer(request, 400, "The request makes no sense to the server.", "Go back and try again.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    said = str(exception or "")
    return answer(request, 403, said if said.startswith("This needs") else "You may not do this here.",
                  "Ask an owner of the team for a larger role.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return answer(request, 404, "There is nothing at this address, or it belongs to another team.", "Check the address.")


def broken(request: HttpRequest) -> HttpResponse:
    """Our own fault: an id to quote, which the log holds too."""
    fault = uuid.uuid4().hex[:12]
    log.error("request failed", fault=fault, path=request.path, exc_info=True)
    return answer(request, 500, f"Something broke on our side. Quote {fault} when you report it.", "Try again in a minute.", fault)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, 403, "The form was too old, or came from another site.", "Load the page again and send it once more.")


def answer(request: HttpRequest, status: int, wrong: str, mend: str, fault: str = "") -> HttpResponse:
    """The page, or problem+json for programs; the plainest of texts when even the template is broken."""
    if request.path.startswith("/api/"):
        return problem(status, wrong, hint=mend, where=request.path[:200])
    names = [f"{status}.html", "fault.html"]
    context: dict[str, Any] = {"status": status, "wrong": wrong, "mend": mend, "fault": fault}
    try:
        return HttpResponse(loader.select_template(names).render(context, None), status=status)
    except TemplateDoesNotExist:
        return HttpResponse(f"{wrong} {mend}", status=status, content_type="text/plain")
