"""The one gate. A page says who may see it, and every query starts from a team that was let through here.

Strangers get 404 for every id of every kind; a member whose role is too small gets 403; nobody signed in is sent to the sign-in page.
`webapp.checks` fails the start when a URL does not say who may open it.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import resolve_url

from jobs.models import Artifact, Asset, Candidate, Event, Job
from webapp.devices.models import TeamDevice
from webapp.library.models import Upload
from webapp.teams.models import Membership, Role, Team

View = Callable[..., Any]


def member(request: HttpRequest, team_slug: str, role: Role = Role.VIEWER) -> Membership:
    """The caller's membership. Raises Http404 for strangers (and for nobody), PermissionDenied for too small a role."""
    if not request.user.is_authenticated:
        raise Http404("No such team.")
    found = Membership.objects.select_related("team").filter(team__slug=team_slug, user=request.user).first()
    if found is None:
        raise Http404("No such team.")
    if not Role(found.role).covers(role):
        raise PermissionDenied(f"This needs the role {role}; you are {found.role}.")
    return found


def team_view(role: Role = Role.VIEWER, *, post: Role | None = None) -> Callable[[View], View]:
    """Open a page to a team's members: view(request, team, ...), where `team` comes from the slug in the URL.

    post: the role that anything but GET, HEAD and OPTIONS needs, when it is a larger one. Sets request.team and request.role.
    Works for async views too.
    """

    def gated(view: View) -> View:
        if iscoroutinefunction(view):
            @wraps(view)
            async def inner(request: HttpRequest, *args: Any, team: str, **kwargs: Any) -> HttpResponse:
                let_in = await sync_to_async(_let_in)(request, team, needed(request))
                return let_in if isinstance(let_in, HttpResponse) else await view(request, let_in, *args, **kwargs)
        else:
            @wraps(view)
            def inner(request: HttpRequest, *args: Any, team: str, **kwargs: Any) -> HttpResponse:
                let_in = _let_in(request, team, needed(request))
                return let_in if isinstance(let_in, HttpResponse) else view(request, let_in, *args, **kwargs)
        return declared(inner, f"team:{role}" + (f"/{post}" if post else ""))

    def needed(request: HttpRequest) -> Role:
        return role if post is None or request.method in ("GET", "HEAD", "OPTIONS") else post

    return gated


def signed_in(view: View) -> View:
    """Open a page to everyone who is signed in; what it shows is its own matter."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.user.is_authenticated else sign_in(request)

    return declared(inner, "signed-in")


def public(view: View) -> View:
    """Open a page to the world."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    return declared(inner, "public")


def declared(view: View, who: str) -> View:
    """Write on a view who may open it; the start-up check reads this."""
    view.gate = who         # type: ignore[attr-defined]
    return view


def sign_in(request: HttpRequest) -> HttpResponse:
    """Off to the sign-in page and back; htmx gets a header, because it would put the page into a fragment."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401, headers={"HX-Redirect": resolve_url("account_login")})
    return redirect_to_login(request.get_full_path(), resolve_url("account_login"))


def _let_in(request: HttpRequest, slug: str, role: Role) -> Team | HttpResponse:
    if not request.user.is_authenticated:
        return sign_in(request)
    membership = member(request, slug, role)
    request.team, request.role = membership.team, Role(membership.role)     # type: ignore[attr-defined]
    return membership.team


# What a team owns. Every page and every endpoint starts its queries here, so that no id of another team is ever found.

def jobs(team: Team) -> QuerySet[Job]:
    """The jobs people asked for; inspections are part of their asset and are not listed."""
    return Job.objects.filter(team=team, kind=Job.Kind.FIT)


def every_job(team: Team) -> QuerySet[Job]:
    """Inspections too."""
    return Job.objects.filter(team=team)


def assets(team: Team, kind: str | None = None) -> QuerySet[Asset]:
    found = Asset.objects.filter(team=team)
    return found.filter(kind=kind) if kind else found


def candidates(team: Team) -> QuerySet[Candidate]:
    return Candidate.objects.filter(job__team=team)


def artifacts(team: Team) -> QuerySet[Artifact]:
    return Artifact.objects.filter(job__team=team)


def events(team: Team) -> QuerySet[Event]:
    return Event.objects.filter(job__team=team)


def devices(team: Team) -> QuerySet[TeamDevice]:
    return TeamDevice.objects.filter(team=team)


def uploads(team: Team) -> QuerySet[Upload]:
    return Upload.objects.filter(team=team)
