"""What the shell around every page needs: whose page it is, what is running, who works here, how full the store is."""

from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, Count, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from jobs.models import Artifact, Asset, Job, Worker
from webapp.teams.brief import remembered
from webapp.teams.models import Team

WORKER_SILENCE = timedelta(seconds=60)
THEMES = ("auto", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    """`shell`: looked up only when a template asks for it, so that fault pages and fragments cost nothing."""
    return {"shell": SimpleLazyObject(partial(_shell, request)), "theme": theme(request)}


def theme(request: HttpRequest) -> str:
    wanted = request.COOKIES.get("theme", "auto")
    return wanted if wanted in THEMES else "auto"


def _shell(request: HttpRequest) -> dict[str, Any]:
    """user, theme, teams, team, role, running, queued, workers, cage, storage {used, quota, share}."""
    user, team = getattr(request, "user", None), getattr(request, "team", None)
    signed_in = bool(user and user.is_authenticated)
    found: dict[str, Any] = {"user": user if signed_in else None, "theme": theme(request), "teams": [], "team": team,
                             "role": getattr(request, "role", None), "running": 0, "queued": 0, "workers": [], "cage": "", "storage": None}
    if signed_in:
        found["teams"] = list(Team.objects.filter(memberships__user=user).order_by("name"))
    if team is not None:
        if request.session.get("team") != team.slug:
            request.session["team"] = team.slug
        found |= remembered(f"shell:{team.pk}", 4, partial(_figures, team))
        found["cage"] = next((worker["cage"] for worker in found["workers"] if worker["cage"]), "")
    return found


def _figures(team: Team) -> dict[str, Any]:
    counts = Job.objects.filter(team=team, kind=Job.Kind.FIT, state__in=[Job.State.QUEUED, Job.State.RUNNING]).aggregate(
        running=Count("pk", filter=Q(state=Job.State.RUNNING)), queued=Count("pk", filter=Q(state=Job.State.QUEUED)))
    workers = Worker.objects.filter(seen_at__gt=timezone.now() - WORKER_SILENCE).order_by("name")
    used = storage_used(team)
    return counts | {"workers": list(workers.values("name", "cage", "capabilities", "cores", "memory_bytes", "busy_with")),
                     "storage": {"used": used, "quota": team.quota_bytes, "share": min(1.0, used / max(1, team.quota_bytes))}}


def storage_used(team: Team) -> int:
    """Bytes of the team's library, its artifacts and its uploads in flight, each file counted whole."""
    from webapp.library.models import Upload

    total = Coalesce(Sum("blob__size"), 0, output_field=BigIntegerField())
    flying = Coalesce(Sum("size"), 0, output_field=BigIntegerField())
    return (Asset.objects.filter(team=team).aggregate(n=total)["n"] + Artifact.objects.filter(job__team=team).aggregate(n=total)["n"]
            + Upload.objects.filter(team=team, asset=None).aggregate(n=flying)["n"])
