"""Rows of one job for the pages: candidates, artifacts, log, curves. Every query starts at the team's gate."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.shortcuts import get_object_or_404
from django.utils import timezone

from jobs import store
from jobs.models import Artifact, Attempt, Event, Job, Worker
from optimizers.candidate import Candidate
from optimizers.device import Device
from optimizers.goal import Goal
from webapp.studio.present import parse
from webapp.teams import gate
from webapp.teams.models import Team

LOG_LINES = 300
README_BYTES = 64 * 1024
SILENCE = timedelta(seconds=60)      # a worker that said nothing for so long has left


@dataclass
class Found:
    """A job with what was found, newest measured last; files: artifacts by candidate key, those of the whole job under ""."""

    job: Job
    goal: Goal
    device: Device | None
    candidates: list[Candidate]
    files: dict[str, list[Artifact]] = field(default_factory=dict)


def job_of(team: Team, pk: Any) -> Job:
    """Http404 for every job that is not one of the team's fits."""
    return get_object_or_404(gate.jobs(team).select_related("model", "dataset", "created_by", "replay_of"), pk=pk)


def found(job: Job) -> Found:
    rows = job.candidates.order_by("created_at", "key").values_list("data", flat=True)
    device = Device.model_validate(job.device) if job.device else None
    return Found(job, Goal.model_validate(job.goal), device, parse(rows), files_of(job))


ROLES = {"bundle": 0, "model": 1, "transfer": 2, "decoder": 3, "recipe": 4, "report": 5, "readme": 6, "source": 7}


def files_of(job: Job) -> dict[str, list[Artifact]]:
    rows = job.artifacts.select_related("blob").annotate(of=F("candidate__key")).order_by("name")
    files: dict[str, list[Artifact]] = {}
    for row in sorted(rows, key=lambda row: ROLES.get(row.role, 9)):
        files.setdefault(row.of or "", []).append(row)
    return files


def log(job: Job, lines: int | None = LOG_LINES) -> list[dict[str, Any]]:
    """The last lines, oldest first, each {at, level, topic, text}."""
    rows = Event.objects.filter(job=job, type="log").order_by("-id")
    rows = rows[:lines] if lines else rows
    return [{"when": row.at, **row.data} for row in reversed(rows)]


def curve_points(job: Job) -> list[dict[str, Any]]:
    return list(Event.objects.filter(job=job, type="curve").order_by("id").values_list("data", flat=True))


def attempt_of(job: Job) -> tuple[Attempt | None, Worker | None]:
    attempt = job.attempts.order_by("-number").first()
    return attempt, Worker.objects.filter(name=attempt.worker).first() if attempt else None


def readme(files: list[Artifact]) -> str:
    """The text of a candidate's "how to run it" page; empty when there is none, or when it is no small text."""
    page = next((file for file in files if file.role == "readme" and file.blob.size < README_BYTES), None)
    return b"".join(store.read(page.blob)).decode("utf-8", "replace") if page else ""


def workers() -> int:
    return Worker.objects.filter(seen_at__gt=timezone.now() - SILENCE).count()
