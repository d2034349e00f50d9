"""People and keys: invitations once, owners never none, tokens end when membership does."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from optimizers.errors import OptimizerError
from tests.webapp.cast import PASSWORD, Api, person
from webapp.teams import members, tokens
from webapp.teams.models import Invitation, Membership, Role, Scope, Team, Token, User


def role(team, user):
    return Membership.objects.filter(team=team, user=user).values_list("role", flat=True).first()


def sign_up(client, email="dora@example.org", **fields):
    return client.post(reverse("account_signup"), {"email": email, "password1": "orchard wall pear tree"} | fields)


def test_whoever_signs_up_owns_a_team(db):
    client = Client()
    assert sign_up(client).status_code == 302
    user = User.objects.get(email="dora@example.org")
    assert role(Team.objects.get(), user) == Role.OWNER
    assert user.password.startswith("argon2")
    assert client.get("/").url == reverse("dashboard", args=[Team.objects.get().slug])


def test_with_an_invitation_one_joins_instead(cast):
    secret = members.invite(cast.team, cast.alice, Role.VIEWER)[1]
    client = Client()
    assert client.get(reverse("join", args=[secret])).status_code == 200
    sign_up(client)
    dora = User.objects.get(email="dora@example.org")
    assert role(cast.team, dora) == Role.VIEWER
    assert Team.objects.count() == 2
    assert members.open_invitation(secret) is None


def test_a_link_works_once_and_for_a_week(cast):
    secret = members.invite(cast.team, cast.alice)[1]
    client = Client()
    client.force_login(cast.carol)
    assert client.post(reverse("join", args=[secret])).url == reverse("dashboard", args=[cast.team.slug])
    assert role(cast.team, cast.carol) == Role.EDITOR
    client.force_login(person("Dora"))
    assert client.post(reverse("join", args=[secret])).status_code == 404
    late = members.invite(cast.team, cast.alice)[1]
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(reverse("join", args=[late])).status_code == 404


def test_a_member_spends_no_invitation(cast):
    secret = members.invite(cast.team, cast.alice, Role.VIEWER)[1]
    assert members.join(secret, cast.alice).role == Role.OWNER
    assert members.open_invitation(secret)


def test_the_secret_is_not_kept(cast):
    invitation, secret = members.invite(cast.team, cast.alice)
    token, key = Token.issue(cast.team, cast.alice, "ci")
    assert secret not in str(vars(invitation))
    assert key not in str(vars(token))
    assert key.startswith("esp_")
    assert len(key) > 40


def test_the_last_owner_stays(cast):
    for undo in (lambda: members.remove(cast.team, cast.alice.pk), lambda: members.change_role(cast.team, cast.alice.pk, Role.VIEWER)):
        with pytest.raises(OptimizerError, match="last one"):
            undo()
    assert role(cast.team, cast.alice) == Role.OWNER
    members.change_role(cast.team, cast.bob.pk, Role.OWNER)
    members.remove(cast.team, cast.alice.pk)
    assert role(cast.team, cast.alice) is None


def test_who_is_removed_is_out_at_once(cast):
    _, key = Token.issue(cast.team, cast.bob, "ci")
    page = Client()
    page.force_login(cast.bob)
    assert Api(key).get("/jobs").status_code == 200
    members.remove(cast.team, cast.bob.pk)
    assert Api(key).get("/jobs").status_code == 401
    assert page.get(reverse("team", args=[cast.team.slug])).status_code == 404
    assert Token.objects.get().revoked_at


def test_a_smaller_role_makes_a_smaller_token(cast):
    _, key = Token.issue(cast.team, cast.bob, "ci", Scope.RUN)
    members.change_role(cast.team, cast.bob.pk, Role.VIEWER)
    assert Api(key).get("/jobs").status_code == 200
    assert Api(key).post("/jobs", {}).status_code == 403


@pytest.mark.parametrize(("who", "fields"), [("vera", {"scope": Scope.RUN}), ("bob", {"scope": Scope.ADMIN}), ("bob", {"scope": "god"}),
                                             ("bob", {"days": 0}), ("bob", {"days": 366}), ("bob", {"name": " "}), ("carol", {})])
def test_tokens_nobody_may_have(cast, who, fields):
    with pytest.raises(OptimizerError):
        tokens.issue(cast.team, getattr(cast, who), **{"name": "ci"} | fields)
    assert not Token.objects.exists()


def test_a_token_ends_by_time_by_hand_and_with_its_user(cast):
    token, key = Token.issue(cast.team, cast.bob, "ci", days=1)
    assert tokens.holder(key) == token
    assert tokens.holder(key).last_used_at
    assert tokens.holder(key + "x") is None
    cast.bob.is_active = False
    cast.bob.save()
    assert tokens.holder(key) is None
    cast.bob.is_active = True
    cast.bob.save()
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=2))
    assert tokens.holder(key) is None


def test_members_end_their_own_tokens_owners_anybodys(cast):
    token = Token.issue(cast.team, cast.alice, "ci")[0]
    tokens.revoke(cast.team, token.pk, cast.bob, Role.EDITOR)
    assert not Token.objects.get().revoked_at
    tokens.revoke(cast.other, token.pk, cast.carol, Role.OWNER)
    assert not Token.objects.get().revoked_at
    tokens.revoke(cast.team, token.pk, cast.alice, Role.OWNER)
    assert Token.objects.get().revoked_at


def test_a_fresh_secret_shows_once(cast):
    client = Client()
    client.force_login(cast.bob)
    team = reverse("team", args=[cast.team.slug])
    assert client.post(reverse("token-issue", args=[cast.team.slug]), {"name": "ci", "scope": "run", "days": "30"}).url == team
    first, second = client.get(team), client.get(team)
    secret = first.context["fresh"]["secret"]
    assert secret in first.content.decode()
    assert secret not in second.content.decode()
    assert tokens.holder(secret).user == cast.bob


def test_invitations_and_roles_by_the_page(cast):
    client = Client()
    client.force_login(cast.alice)
    client.post(reverse("team-invite", args=[cast.team.slug]), {"role": "viewer"})
    link = client.get(reverse("team", args=[cast.team.slug])).context["fresh"]["secret"]
    assert "/join/" in link
    client.post(reverse("team-withdraw", args=[cast.team.slug, Invitation.objects.get().pk]))
    assert not Invitation.objects.exists()
    client.post(reverse("team-role", args=[cast.team.slug, cast.vera.pk]), {"role": "editor"})
    assert role(cast.team, cast.vera) == Role.EDITOR
    client.post(reverse("team-role", args=[cast.team.slug, cast.vera.pk]), {"role": "god"})
    client.post(reverse("team-role", args=[cast.team.slug, cast.carol.pk]), {"role": "owner"})
    assert role(cast.team, cast.vera) == Role.EDITOR
    assert role(cast.team, cast.carol) is None
    client.post(reverse("team-rename", args=[cast.team.slug]), {"name": "Espaliers"})
    assert Team.objects.get(pk=cast.team.pk).name == "Espaliers"


def test_sign_in_is_slowed_down(cast):
    client = Client()
    answers = [client.post(reverse("account_login"), {"login": "bob@example.org", "password": "wrong"}) for _ in range(6)]
    assert b"Too many" in answers[-1].content or answers[-1].status_code == 429
    right = client.post(reverse("account_login"), {"login": "bob@example.org", "password": PASSWORD})
    assert not get_user(client).is_authenticated, right.status_code
    assert client.post(reverse("account_login"), {"login": "alice@example.org", "password": PASSWORD}).status_code == 302


def test_wrong_password_and_unknown_person_sound_alike(cast):
    texts = [Client().post(reverse("account_login"), {"login": who, "password": "wrong wrong"}).context["form"].errors.as_text()
             for who in ("bob@example.org", "nobody@example.org")]
    assert texts[0] == texts[1]


def test_too_many_calls_wait(api, settings):
    settings.API_RATE = 3
    answers = [api.get("/techniques") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
