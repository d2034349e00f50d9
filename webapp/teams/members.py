"""The verbs about people: make a team, invite, join, change a role, leave. Pages and scripts call these alike."""

import secrets
import unicodedata
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from optimizers.errors import OptimizerError
from webapp.teams.models import Invitation, Membership, Role, Team, Token, User, digest

INVITATION_DAYS = 7


@transaction.atomic
def make_team(owner: User, name: str) -> Team:
    """A new team with one owner; its address comes from the name, with a number where that is taken."""
    team = Team.objects.create(name=name[:80], slug=free_slug(name))
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    return team


def personal_team(user: User) -> Team:
    """The team everyone gets at sign-up, and gets again after leaving the last one."""
    return make_team(user, f"{user}'s team")


def free_slug(name: str) -> str:
    """The name in lower case with dashes; "-2", "-3" after it when somebody has it.

    The random tail after a few tries keeps two sign-ups at once from meeting for long.
    """
    stem = slugify(name)[:48] or "team"
    for tail in ("", "-2", "-3", "-4"):
        if not Team.objects.filter(slug=stem + tail).exists():
            return stem + tail
    return f"{stem}-{secrets.token_hex(3)}"


def invite(team: Team, by: User, role: str = Role.EDITOR) -> tuple[Invitation, str]:
    """An invitation and its secret, shown once; whoever opens the link first becomes a member."""
    known_role(role)
    secret = secrets.token_urlsafe(24)
    return Invitation.objects.create(team=team, role=role, sha256=digest(secret), created_by=by,
                                     expires_at=timezone.now() + timedelta(days=INVITATION_DAYS)), secret


def open_invitation(secret: str) -> Invitation | None:
    """The invitation of a link while it is good: not used, not expired."""
    return Invitation.objects.select_related("team").filter(
        sha256=digest(secret), used_at=None, expires_at__gt=timezone.now()).first()


@transaction.atomic
def join(secret: str, user: User) -> Membership:
    """Use the link: one membership, once. Whoever is in the team already keeps the larger role and spends nothing."""
    found = open_invitation(secret)
    if found is None:
        raise OptimizerError("This invitation has been used or has expired.", "the link", "Ask an owner of the team for a new one.",
                             "invitation-gone")
    here = Membership.objects.filter(team=found.team, user=user).first()
    if here is not None:
        return here
    if not Invitation.objects.filter(pk=found.pk, used_at=None).update(used_at=timezone.now()):    # two clicks at once: one wins
        raise OptimizerError("This invitation has just been used.", "the link", "Ask an owner of the team for a new one.",
                             "invitation-gone")
    return Membership.objects.create(team=found.team, user=user, role=found.role)


def withdraw(team: Team, invitation_id: int) -> None:
    Invitation.objects.filter(team=team, pk=invitation_id, used_at=None).delete()


@transaction.atomic
def change_role(team: Team, user_id: int, role: str) -> Membership:
    """Give a member another role. A team always keeps an owner. Tokens keep no more than the new role allows, by themselves."""
    known_role(role)
    owners = _lock_owners(team)
    membership = _membership(team, user_id)
    if membership.role == Role.OWNER and role != Role.OWNER and owners == 1:
        raise last_owner()
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove(team: Team, user_id: int) -> None:
    """Take somebody out, or leave. Their tokens for this team end with it."""
    owners = _lock_owners(team)
    membership = _membership(team, user_id)
    if membership.role == Role.OWNER and owners == 1:
        raise last_owner()
    Token.objects.filter(team=team, user_id=user_id, revoked_at=None).update(revoked_at=timezone.now())
    membership.delete()


def rename(team: Team, name: str) -> None:
    name = one_line(name)
    if not 1 <= len(name) <= 80:
        raise OptimizerError(f"A team's name has 1 to 80 characters, this one has {len(name)}.", "name", "Choose a shorter one.", "name")
    team.name = name
    team.save(update_fields=["name"])


def one_line(name: str) -> str:
    """The name in one line, without what nobody sees: NUL, which Postgres refuses, other controls, marks that turn the direction.

    >>> one_line("a\\0b  c\\u202e")
    'ab c'
    """
    return "".join(letter for letter in " ".join(name.split()) if unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))


def known_role(role: str) -> None:
    if role not in Role.values:
        raise OptimizerError(f"There is no role '{str(role)[:20]}'.", "role", f"Choose one of {', '.join(Role.values)}.", "role")


def last_owner() -> OptimizerError:
    return OptimizerError("A team needs an owner, and this is the last one.", "role", "Make somebody else an owner first.", "last-owner")


def _lock_owners(team: Team) -> int:
    """How many owners there are; the team's row is locked, so that two owners cannot leave at once."""
    Team.objects.select_for_update().get(pk=team.pk)
    return Membership.objects.filter(team=team, role=Role.OWNER).count()


def _membership(team: Team, user_id: int) -> Membership:
    found = Membership.objects.filter(team=team, user_id=user_id).first()
    if found is None:
        raise OptimizerError("This person is not in the team.", "member", "Load the page again.", "no-member")
    return found
