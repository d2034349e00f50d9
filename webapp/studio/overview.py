"""What the dashboard says, each part by one or two indexed queries: it must answer in milliseconds with ten thousand jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone

from jobs.models import Artifact, Asset, Candidate, Job
from webapp.teams import gate
from webapp.teams.models import Team, Token, User

LATEST = 500            # newest jobs the table of fits is read from
MODELS, DEVICES = 8, 6  # rows and columns of that table
LIGHT = ("id", "number", "title", "state", "created_at", "finished_at", "created_by_id", "created_by__name", "created_by__email",
         "model_id", "dataset_id", "device__title", "device__name", "device__core", "result__recommended", "result__verdict",
         "error__refusal__wrong")


@dataclass
class Cell:
    """One model on one device: the newest job's answer. state: fits, none, running, failed or untried."""

    state: str = "untried"
    job: Any = None
    size_kib: float | None = None
    points: float | None = None
    broke: str = ""


@dataclass
class Row:
    """One model (or dataset, where the job trained one from it) and its cells, in the order of the columns."""

    asset: Asset
    trained: bool
    cells: list[tuple[dict[str, str], Cell]] = field(default_factory=list)


def seen(team: Team, user: User | None) -> QuerySet[Job]:
    """The jobs of everyone, or of one person."""
    found = gate.jobs(team)
    return found.filter(created_by=user) if user else found


def now(jobs: QuerySet[Job]) -> list[Job]:
    """Running jobs, then queued ones in the order they will start."""
    active = jobs.filter(state__in=(Job.State.RUNNING, Job.State.QUEUED)).annotate(kept=Count("candidates"))
    found = list(active.select_related("created_by").defer("result", "error", "recipe").order_by("created_at")[:12])
    return sorted(found, key=lambda job: job.state != Job.State.RUNNING)


def recent(jobs: QuerySet[Job], most: int = 8) -> list[dict]:
    """The newest finished jobs with their recommended candidate and baseline, each as a dict."""
    rows = list(jobs.filter(state__in=Job.FINAL).order_by("-created_at").values(*LIGHT)[:most])
    kept = candidates_of(rows)
    for row in rows:
        row["best"] = kept.get((row["id"], row["result__recommended"]))
        row["before"] = kept.get((row["id"], "baseline"))
        row["answer"] = answer(row)
        row["who"] = row["created_by__name"] or (row["created_by__email"] or "").split("@")[0]
    return rows


def answer(row: dict) -> str:
    """fits, none, failed or cancelled: what a finished job's tag says."""
    if row["state"] != Job.State.SUCCEEDED:
        return row["state"]
    return "fits" if row["best"] and row["best"]["fits"] else "none"


def candidates_of(rows: list[dict]) -> dict[tuple, dict]:
    """(job, key) -> candidate, for each row's recommended one; the baseline stands under (job, "baseline")."""
    wanted = {(row["id"], row["result__recommended"]) for row in rows}
    found = Candidate.objects.filter(job__in=[row["id"] for row in rows]).values(
        "job_id", "key", "title", "baseline", "fits", "size_kib", "quality", "data__change", "data__broke")
    table = {}
    for one in found:
        if one["baseline"]:
            table[one["job_id"], "baseline"] = one
        if (one["job_id"], one["key"]) in wanted:
            table[one["job_id"], one["key"]] = one
    return table


def fits(team: Team, jobs: QuerySet[Job]) -> tuple[list[dict[str, str]], list[Row]]:
    """(devices, rows): the newest answer of each model on each device, among the latest jobs."""
    latest = jobs.exclude(state=Job.State.CANCELLED).order_by("-created_at")[:LATEST]
    first: dict[tuple, Any] = {}        # (model or dataset, device) -> the newest job's id
    for job, asset, device in latest.values_list("id", Coalesce("model_id", "dataset_id"), KT("device__name")):
        if asset and device:
            first.setdefault((asset, device), job)
    ids = list(dict.fromkeys(asset for asset, _ in first))[:MODELS]
    first = {(asset, device): job for (asset, device), job in first.items() if asset in ids}
    names = list(dict.fromkeys(device for _, device in first))[:DEVICES]
    found = {row["id"]: row for row in jobs.filter(id__in=[job for (_, device), job in first.items() if device in names]).values(*LIGHT)}
    shown = {key: found[job] for key, job in first.items() if job in found}
    titles = {row["device__name"]: row for row in found.values()}
    columns = [{"name": name, "title": titles[name]["device__title"], "core": titles[name]["device__core"]} for name in names]
    kept = candidates_of([row for row in shown.values() if row["result__recommended"]])
    assets = gate.assets(team).filter(id__in=ids).select_related("blob").defer("card", "refusal").in_bulk()
    rows = []
    for id in ids:
        if asset := assets.get(id):
            cells = [(device, cell(shown.get((id, device["name"])), kept)) for device in columns]
            rows.append(Row(asset, asset.kind == Asset.Kind.DATASET, cells))
    return columns, rows


def cell(row: dict | None, kept: dict) -> Cell:
    if row is None:
        return Cell()
    if row["state"] in (Job.State.RUNNING, Job.State.QUEUED):
        return Cell("running", row["id"])
    best = kept.get((row["id"], row["result__recommended"]))
    if row["state"] == Job.State.FAILED or best is None:
        return Cell("failed" if row["state"] == Job.State.FAILED else "none", row["id"])
    change = best["data__change"] or {}
    broke = (best["data__broke"] or [{}])[0].get("sentence", "")
    return Cell("fits" if best["fits"] else "none", row["id"], best["size_kib"], change.get("value"), broke)


def needs(team: Team, user: User, mine: bool, days: int = 14) -> list[dict]:
    """What waits for a person: refused uploads, failed jobs, the reader's own tokens that expire within a week."""
    since, soon = timezone.now() - timedelta(days=days), timezone.now() + timedelta(days=7)
    refused = gate.assets(team).filter(state=Asset.State.REJECTED, created_at__gte=since)
    failed = gate.jobs(team).filter(state=Job.State.FAILED, finished_at__gte=since)
    if mine:
        refused, failed = refused.filter(created_by=user), failed.filter(created_by=user)
    found = [{"kind": "refused", "asset": asset} for asset in refused.defer("card").order_by("-created_at")[:4]]
    found += [{"kind": "failed", "job": job} for job in failed.only("id", "number", "title", "error").order_by("-created_at")[:4]]
    tokens = Token.objects.filter(team=team, user=user, revoked_at=None, expires_at__lte=soon, expires_at__gt=timezone.now())
    return found + [{"kind": "token", "token": token} for token in tokens.order_by("expires_at")[:3]]


def storage(team: Team) -> dict[str, int]:
    """Bytes by kind; the shell around the page knows the whole and the quota."""
    kinds = dict(gate.assets(team).order_by().values_list("kind").annotate(bytes=Sum("blob__size")))
    artifacts = Artifact.objects.filter(job__team=team).aggregate(bytes=Sum("blob__size"))["bytes"] or 0
    return {"models": kinds.get("model") or 0, "datasets": kinds.get("dataset") or 0, "artifacts": artifacts}
