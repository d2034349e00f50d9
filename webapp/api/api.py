"""The REST face, /api/v1: routers, the answers to what goes wrong, and a schema that says so."""

import uuid
from typing import Any

import structlog
from django.core.exceptions import RequestAborted, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from optimizers.errors import OptimizerError
from webapp.api import catalogue, jobs, library, uploads
from webapp.api.auth import HINT
from webapp.api.docs import Reference
from webapp.api.problems import MEDIA_TYPE, Fault, from_error, from_fault, from_validation, problem

log = structlog.get_logger()


class Face(NinjaAPI):
    """ninja, with problem+json in the schema where it is in the answers."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(*args, **kwargs)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, response in operation.get("responses", {}).items():
                    content = response.get("content", {})
                    if int(status) >= 400 and "application/json" in content:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return schema


api = Face(title="Espalier", version="1", docs=Reference(), docs_url="/docs", openapi_url="/openapi.json", urls_namespace="api-1",
           description="Train, compress and measure models until they fit the device they must live on. Every number carries its "
                       "unit, its origin and an interval; every error says what was wrong, where, and how to mend it.")
for router in (library.router, uploads.router, catalogue.router, jobs.router):
    api.add_router("", router)

api.add_exception_handler(OptimizerError, from_error)
api.add_exception_handler(Fault, from_fault)
api.add_exception_handler(ValidationError, from_validation)


@api.exception_handler(AuthenticationError)
def nobody(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(401, "The request does not say who is calling.", where="Authorization", hint=HINT,
                   headers={"WWW-Authenticate": "Bearer"})


@api.exception_handler(Http404)
def nothing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, "There is nothing of this kind with this id in the team.", where=request.path[:200])


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """ninja says 400 for a body that is no JSON, and wraps what happened while reading it."""
    if isinstance(error.__context__, RequestDataTooBig):
        return too_big(request, error.__context__)
    status = 422 if error.status_code == 400 else error.status_code
    return problem(status, str(error), where="body", hint="The schema is at /api/v1/docs.", code="not-json" if status == 422 else "")


@api.exception_handler(RequestDataTooBig)
def too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "The body is larger than this endpoint takes.", where="body", hint="Files go to /models, /datasets or /uploads.")


@api.exception_handler(MultiPartParserError)
@api.exception_handler(SuspiciousOperation)
def nonsense(request: HttpRequest, error: Exception) -> HttpResponse:
    log.info("unreadable body", error=f"{type(error).__name__}: {error}")
    return problem(422, "The body cannot be read.", where="body", hint="Check the boundary, the encoding and the length.")


@api.exception_handler(RequestAborted)
def gone(request: HttpRequest, error: RequestAborted) -> HttpResponse:
    return problem(400, "The connection was cut.", where="body", hint="Send it again.")


@api.exception_handler(Exception)
def our_fault(request: HttpRequest, error: Exception) -> HttpResponse:
    """An id to quote; the trace goes to the log."""
    fault = uuid.uuid4().hex[:12]
    log.error("request failed", fault=fault, path=request.path, exc_info=error)
    return problem(500, f"Something broke on our side. Quote {fault} when you report it.", where=fault, hint="Try again in a minute.")
