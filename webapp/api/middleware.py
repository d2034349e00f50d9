"""Under /api/ every error is problem+json, whoever made it: the router's 405, a middleware's 400, the static text of a parser."""

from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from webapp.api.problems import MEDIA_TYPE, problem

SENTENCES = {
    400: ("The request makes no sense to the server.", "Check the method, the headers and the body."),
    404: ("There is nothing at this address.", "The list of addresses is at /api/v1/docs."),
    405: ("This address does not take that method.", "The header Allow names those it takes."),
}


@sync_and_async_middleware
def problems_only(get_response: Any) -> Any:
    if iscoroutinefunction(get_response):
        async def middleware(request: HttpRequest) -> HttpResponse:
            return as_problem(request, await get_response(request))
    else:
        def middleware(request: HttpRequest) -> HttpResponse:
            return as_problem(request, get_response(request))
    return middleware


def as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if response.status_code < 400 or not request.path.startswith("/api/") or response.get("Content-Type", "").startswith(MEDIA_TYPE):
        return response
    if request.method == "HEAD" or response.status_code == 416:
        return response
    wrong, mend = SENTENCES.get(response.status_code, ("The request failed.", ""))
    kept = {name: response[name] for name in ("Allow", "Retry-After") if response.has_header(name)}
    return problem(response.status_code, wrong, where=request.path[:200], hint=mend, headers=kept)
