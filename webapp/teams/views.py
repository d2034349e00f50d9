"""The team page and what its buttons do; home, and the door for those with an invitation."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from optimizers.errors import OptimizerError
from webapp.teams import members, tokens
from webapp.teams.gate import public, sign_in, signed_in, team_view
from webapp.teams.models import Invitation, Membership, Role, Scope, Team, Token

FRESH = "fresh_secret"          # session key: a secret that the next team page shows, once
JOINING = "joining"             # session key: the invitation somebody came with


@require_GET
@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """To the dashboard of the team that was looked at last; whoever has none gets a team of their own."""
    theirs = Team.objects.filter(memberships__user=request.user).order_by("memberships__created_at")
    team = theirs.filter(slug=request.session.get("team", "")).first() or theirs.first() or members.personal_team(request.user)
    return redirect("dashboard", team=team.slug)


@never_cache
@require_GET
@team_view(Role.VIEWER)
def team_page(request: HttpRequest, team: Team) -> HttpResponse:
    """Members, invitations, tokens. `fresh`: {"kind": "token" | "invitation", "secret", "name"}, here only this once."""
    owner = request.role == Role.OWNER
    mine = {} if owner else {"user": request.user}
    return render(request, "teams/team.html", {
        "members": Membership.objects.filter(team=team).select_related("user").order_by("created_at"),
        "invitations": Invitation.objects.filter(team=team, used_at=None, expires_at__gt=timezone.now())
                                         .select_related("created_by").order_by("expires_at") if owner else [],
        "tokens": Token.objects.filter(team=team, revoked_at=None, **mine).select_related("user").order_by("-created_at"),
        "roles": Role.choices,
        "scopes": [(scope.value, scope.label) for scope in Scope if request.role.covers(tokens.NEEDS[scope])],
        "is_owner": owner,
        "now": timezone.now(),
        "fresh": request.session.pop(FRESH, None),
    })


def action(role: Role) -> Callable:
    """A POST of the team page: do it, say what happened or what was wrong, and go back."""

    def gated(do: Callable) -> Callable:
        def view(request: HttpRequest, team: Team, **kwargs: object) -> HttpResponse:
            try:
                if said := do(request, team, **kwargs):
                    messages.success(request, said)
            except OptimizerError as error:
                messages.error(request, str(error.refusal))
            still_in = Membership.objects.filter(team=team, user=request.user).exists()
            return redirect("team", team=team.slug) if still_in else redirect("home")

        view.__name__, view.__doc__ = do.__name__, do.__doc__
        return require_POST(team_view(role)(view))

    return gated


@action(Role.OWNER)
def rename(request: HttpRequest, team: Team) -> str:
    members.rename(team, request.POST.get("name", ""))
    return f"The team is called {team.name} now."


@action(Role.OWNER)
def invite(request: HttpRequest, team: Team) -> None:
    """Field: role. The link shows once on the page."""
    invitation, secret = members.invite(team, request.user, request.POST.get("role", Role.EDITOR))
    link = request.build_absolute_uri(reverse("join", args=[secret]))
    request.session[FRESH] = {"kind": "invitation", "secret": link, "name": invitation.get_role_display()}


@action(Role.OWNER)
def withdraw(request: HttpRequest, team: Team, invitation: int) -> str:
    members.withdraw(team, invitation)
    return "The invitation is withdrawn."


@action(Role.OWNER)
def change_role(request: HttpRequest, team: Team, user: int) -> str:
    """Field: role."""
    membership = members.change_role(team, user, request.POST.get("role", ""))
    return f"{membership.user} is {membership.role} now."


@action(Role.OWNER)
def remove(request: HttpRequest, team: Team, user: int) -> str:
    members.remove(team, user)
    return "Removed, and their tokens with them."


@action(Role.VIEWER)
def leave(request: HttpRequest, team: Team) -> str:
    members.remove(team, request.user.pk)
    return f"You have left {team.name}."


@action(Role.VIEWER)
def issue_token(request: HttpRequest, team: Team) -> None:
    """Fields: name, scope, days. The secret shows once on the page."""
    days = request.POST.get("days", "90")
    token, secret = tokens.issue(team, request.user, request.POST.get("name", ""), request.POST.get("scope", Scope.RUN),
                                 int(days) if days.isascii() and days.isdigit() and len(days) < 6 else 0)
    request.session[FRESH] = {"kind": "token", "secret": secret, "name": token.name}


@action(Role.VIEWER)
def revoke_token(request: HttpRequest, team: Team, token: object) -> str:
    tokens.revoke(team, token, request.user, request.role)
    return "The token is revoked."


@require_POST
@signed_in
def new_team(request: HttpRequest) -> HttpResponse:
    """Field: name."""
    name = members.one_line(request.POST.get("name", ""))
    if not 1 <= len(name) <= 80:
        messages.error(request, "A team's name has 1 to 80 characters.")
        return redirect("home")
    return redirect("dashboard", team=members.make_team(request.user, name).slug)


@require_http_methods(["GET", "POST"])
@public
def join(request: HttpRequest, token: str) -> HttpResponse:
    """The door: says which team invites, lets a signed-in person in by POST, and remembers the link for the others' sign-up."""
    invitation = members.open_invitation(token)
    if invitation is None:
        return render(request, "teams/join.html", {"invitation": None}, status=404)
    if request.method == "POST":
        if not request.user.is_authenticated:
            return sign_in(request)
        try:
            membership = members.join(token, request.user)
        except OptimizerError as error:
            messages.error(request, str(error.refusal))
            return redirect("home")
        return redirect("dashboard", team=membership.team.slug)
    if not request.user.is_authenticated:
        request.session[JOINING] = token
    return render(request, "teams/join.html", {"invitation": invitation, "here": request.get_full_path()})
