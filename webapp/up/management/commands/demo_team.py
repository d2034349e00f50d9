"""`manage.py demo_team`: a team and a person to try the house with; prints how to log in, and a fresh token, as JSON."""

import json

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from webapp.teams.models import Membership, Role, Scope, Team, Token, User
from webapp.up.places import password

EMAIL, TEAM, TOKEN = "demo@espalier.example", "demo", "demo"


class Command(BaseCommand):
    help = "Make the demo team when it is missing; print its login and a fresh token (the one before is revoked)."

    @transaction.atomic
    def handle(self, **options: object) -> None:
        secret = password(settings.DATA_DIR, "demo", size=9)
        user = User.objects.filter(email=EMAIL).first() or User.objects.create_user(EMAIL, secret, name="Demo")
        if not user.check_password(secret):
            user.set_password(secret)
            user.save()
        team, _made = Team.objects.get_or_create(slug=TEAM, defaults={"name": "Demo"})
        Membership.objects.get_or_create(team=team, user=user, defaults={"role": Role.OWNER})
        Token.objects.filter(team=team, user=user, name=TOKEN, revoked_at=None).update(revoked_at=timezone.now())
        _row, token = Token.issue(team, user, TOKEN, Scope.RUN, days=7)
        self.stdout.write(json.dumps({"email": EMAIL, "password": secret, "team": TEAM, "token": token}))
