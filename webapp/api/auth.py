"""Who is calling, for which team, and how often. A Bearer request ignores cookies altogether."""

import time
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from ninja.security import APIKeyCookie, HttpBearer

from webapp.api.problems import Fault
from webapp.teams import tokens
from webapp.teams.models import Membership, Role, Scope, Token

HINT = "Send the header 'Authorization: Bearer esp_...'; tokens are made on the team page."


class Key(HttpBearer):
    """A token whose scope, and whose user's role of today, cover what the endpoint needs. Sets request.team and request.user."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def authenticate(self, request: HttpRequest, token: str) -> Token | None:
        found = tokens.holder(token.strip())
        if found is None:
            raise Fault(401, "The token is unknown, revoked or expired.", where="Authorization", hint=HINT,
                        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        count(f"token:{found.pk}", settings.API_RATE)
        if not tokens.allows(found, self.scope):
            raise Fault(403, f"This needs a token of scope {self.scope} and the role behind it; this one has {found.scope}.",
                        where="Authorization", hint="Ask an owner of the team for a larger role, or make a larger token.", code="scope")
        request.team, request.user = found.team, found.user     # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(token=str(found.pk), team=str(found.team_id))
        return found


class Visitor(APIKeyCookie):
    """A signed-in person in a browser, for uploads: session cookie, header X-CSRFToken, and header Espalier-Team with the team's slug."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, role: Role) -> None:
        self.role = role
        super().__init__(csrf=False)        # ninja's check would read the body as a form; ours reads the header only

    def __call__(self, request: HttpRequest) -> Membership | None:
        if "Authorization" in request.headers or not request.user.is_authenticated:
            return None
        if request.method not in ("GET", "HEAD", "OPTIONS") and not header_matches(request):
            raise Fault(403, "The request does not prove that it comes from our own page.", where="X-CSRFToken",
                        hint="Load the page again.", code="csrf")
        slug = request.headers.get("Espalier-Team", "")
        found = Membership.objects.select_related("team").filter(team__slug=slug[:60], user=request.user).first()
        if found is None:
            raise Fault(404, "There is no such team.", where="Espalier-Team", hint="Name one of your teams by its slug.")
        if not Role(found.role).covers(self.role):
            raise Fault(403, f"This needs the role {self.role}; you are {found.role}.", hint="Ask an owner of the team for a larger role.")
        count(f"user:{request.user.pk}", 5 * settings.API_RATE)     # a 5 GB upload is 640 pieces
        request.team = found.team       # type: ignore[attr-defined]
        return found

    def authenticate(self, request: HttpRequest, key: str | None) -> None:
        raise AssertionError("never asked: __call__ answers")


def header_matches(request: HttpRequest) -> bool:
    """CSRF by header alone, so that a body of gigabytes is never parsed in search of a form field."""
    if not request.headers.get("X-CSRFToken"):
        return False
    method, request.method = request.method, "PATCH"        # Django looks into request.POST for the method POST only
    try:
        check = CsrfViewMiddleware(lambda request: None)    # type: ignore[arg-type, return-value]
        check.process_request(request)
        return check.process_view(request, None, (), {}) is None
    finally:
        request.method = method


def count(who: str, limit: int) -> None:
    """At most `limit` requests a minute; raises 429 with the seconds to wait. While Redis is away each process counts for itself."""
    now = time.time()
    key = f"rate:{who}:{int(now // 60)}"
    if cache.add(key, 1, 90):
        return
    try:
        used = cache.incr(key)
    except ValueError:      # the counter went between the two calls
        return
    if used > limit:
        wait = 60 - int(now % 60)
        raise Fault(429, f"More than {limit} requests in a minute.", hint=f"Wait {wait} s.", headers={"Retry-After": str(wait)})


READ, RUN, ADMIN = Key(Scope.READ), Key(Scope.RUN), Key(Scope.ADMIN)
UPLOADER: list[Any] = [RUN, Visitor(Role.EDITOR)]
