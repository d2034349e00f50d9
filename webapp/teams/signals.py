"""Whoever signs up gets a team of their own, or joins the one whose invitation they came with."""

from typing import Any

from allauth.account.signals import user_signed_up
from django.dispatch import receiver
from django.http import HttpRequest

from optimizers.errors import OptimizerError
from webapp.teams import members
from webapp.teams.models import User
from webapp.teams.views import JOINING


@receiver(user_signed_up)
def settle(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    if secret := request.session.pop(JOINING, ""):
        try:
            request.session["team"] = members.join(secret, user).team.slug
            return
        except OptimizerError:      # used or expired in the meantime; they still have an account
            pass
    members.personal_team(user)
