"""problem+json (RFC 9457): every error of the API has one shape, and carries the three sentences people get on the pages."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from optimizers.errors import OptimizerError, Refusal
from optimizers.values import Value

MEDIA_TYPE = "application/problem+json"
CODES = {400: "bad-request", 401: "not-signed-in", 403: "not-allowed", 404: "not-found", 405: "method-not-allowed", 409: "conflict",
         412: "precondition-failed", 413: "too-large", 415: "unsupported-media-type", 416: "range-not-satisfiable", 422: "refused",
         429: "too-many-requests", 500: "our-fault", 503: "unavailable", 507: "no-space"}
STATUSES = {    # what a refusal's code means in HTTP; 422 for all others
    "not-found": 404, "not-ready": 409, "conflict": 409, "quota": 413, "too-large": 413, "unsupported-format": 415, "wrong-kind": 415,
    "too-many-uploads": 429, "store-full": 507,
}


class Problem(Value):
    """detail: what was wrong.  where: field, file, node.  hint: how to mend it.  code: stable, for programs."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    where: str = ""
    hint: str = ""
    code: str


class Fault(Exception):
    """Raised by an endpoint to answer with a problem."""

    def __init__(self, status: int, detail: str, *, where: str = "", hint: str = "", code: str = "",
                 headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, where=where, hint=hint,
                               code=code or CODES.get(status, "error"))
        super().__init__(detail)

    @classmethod
    def of(cls, refusal: Refusal) -> "Fault":
        return cls(STATUSES.get(refusal.code, 422), refusal.wrong, where=refusal.where, hint=refusal.mend, code=refusal.code)

    def response(self) -> HttpResponse:
        return JsonResponse(self.problem.model_dump(), status=self.status, content_type=MEDIA_TYPE, headers=self.headers)


def problem(status: int, detail: str, *, where: str = "", hint: str = "", code: str = "",
            headers: dict[str, str] | None = None) -> HttpResponse:
    return Fault(status, detail, where=where, hint=hint, code=code, headers=headers).response()


def missing(what: str, where: str = "") -> Fault:
    """The one answer for an id that does not exist and for one that belongs to somebody else."""
    return Fault(404, f"There is no such {what} in this team.", where=where, hint="List what there is, and check the id.")


def from_error(request: HttpRequest, error: OptimizerError) -> HttpResponse:
    return Fault.of(error.refusal).response()


def from_fault(request: HttpRequest, fault: Fault) -> HttpResponse:
    return fault.response()


def from_validation(request: HttpRequest, error: Any) -> HttpResponse:
    """422 with the first thing that is wrong, by its place in the request: "body.goal.max_drop"."""
    first = error.errors[0] if error.errors else {"loc": (), "msg": "The request is not valid."}
    place = [str(part) for part in first.get("loc", ())]
    if len(place) > 1 and place[0] == "body":       # ninja names the body's parameter, which nobody outside has seen
        place.pop(1)
    more = len(error.errors) - 1
    said = str(first.get("msg", "The request is not valid."))
    given = first.get("input")
    got = f"; got {str(given)[:60]}" if isinstance(given, str | int | float | bool) else ""
    return problem(422, f"{said}{got}.", where=".".join(place)[:200], code="invalid",
                   hint=f"{more} more of this kind follow." if more else "The schema is at /api/v1/docs.")
