"""Keys to the API: issue, revoke, and who a secret belongs to."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from optimizers.errors import OptimizerError
from webapp.teams.members import one_line
from webapp.teams.models import Membership, Role, Scope, Team, Token, User, digest

NEEDS = {Scope.READ: Role.VIEWER, Scope.RUN: Role.EDITOR, Scope.ADMIN: Role.OWNER}     # the role behind each scope
CLOCK_SLACK = timedelta(seconds=60)
LONGEST = 365


def issue(team: Team, user: User, name: str, scope: str = Scope.RUN, days: int = 90) -> tuple[Token, str]:
    """A new token and its secret, shown once. Nobody may issue more than their own role allows."""
    name = one_line(str(name))
    if not 1 <= len(name) <= 80:
        raise OptimizerError(f"A token's name has 1 to 80 characters, this one has {len(name)}.", "name",
                             "Name it after what will use it.", "name")
    if scope not in Scope.values:
        raise OptimizerError(f"There is no scope '{str(scope)[:20]}'.", "scope", f"Choose one of {', '.join(Scope.values)}.", "scope")
    if not 1 <= days <= LONGEST:
        raise OptimizerError(f"{days} days is outside 1 to {LONGEST}.", "days", "The default is 90.", "days")
    membership = Membership.objects.filter(team=team, user=user).first()
    if membership is None or not Role(membership.role).covers(NEEDS[Scope(scope)]):
        raise OptimizerError(f"A token of scope {scope} needs the role {NEEDS[Scope(scope)]}.", "scope", "Choose a smaller scope.",
                             "scope-too-large")
    return Token.issue(team, user, name, scope, days)


def revoke(team: Team, token_id: UUID | str, by: User, role: Role) -> None:
    """End a token at once. Members end their own, owners anybody's."""
    mine = {} if role == Role.OWNER else {"user": by}
    Token.objects.filter(team=team, pk=token_id, revoked_at=None, **mine).update(revoked_at=timezone.now())


def holder(secret: str) -> Token | None:
    """The token of a secret while it is good: known, not revoked, not expired, its user active and still a member."""
    if not secret.startswith(Token.PREFIX) or len(secret) > 200:
        return None
    now = timezone.now()
    token = Token.objects.select_related("team", "user").filter(
        sha256=digest(secret), revoked_at=None, expires_at__gt=now - CLOCK_SLACK, user__is_active=True).first()
    if token is None or not Membership.objects.filter(team=token.team, user=token.user).exists():
        return None
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):       # not a write for every call
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def allows(token: Token, scope: Scope) -> bool:
    """Both the token's scope and its user's role of today cover what is asked."""
    order = list(Scope)
    if order.index(Scope(token.scope)) < order.index(scope):
        return False
    role = Membership.objects.filter(team=token.team, user=token.user).values_list("role", flat=True).first()
    return role is not None and Role(role).covers(NEEDS[scope])


def still_good(token: Token) -> bool:
    """Asked again while a stream is open: revoked tokens and removed members hear nothing more."""
    return (Token.objects.filter(pk=token.pk, revoked_at=None, expires_at__gt=timezone.now()).exists()
            and Membership.objects.filter(team=token.team_id, user=token.user_id).exists())
