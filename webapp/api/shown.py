"""Rows as answers: what of a row the outside may see."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from jobs.models import Artifact, Asset, Candidate, Job
from optimizers.cards import DatasetCard, ModelCard
from optimizers.errors import Refusal
from webapp.api import schemas


def asset_out(row: Asset) -> schemas.ModelOut | schemas.DatasetOut:
    is_model = row.kind == Asset.Kind.MODEL
    card = (ModelCard if is_model else DatasetCard).model_validate(row.card) if row.card else None
    shape = schemas.ModelOut if is_model else schemas.DatasetOut
    return shape(id=row.id, kind=row.kind, name=row.name, filename=row.filename, state=row.state, bytes=row.blob.size,
                 sha256=row.blob.sha256 or "", options=row.options, created_at=row.created_at, made_by=row.made_by_id, card=card,
                 refusal=Refusal.model_validate(row.refusal) if row.refusal else None, problems=list(card.problems) if card else [])


def error_out(error: dict[str, Any] | None) -> schemas.ErrorOut | None:
    """A stored events.Failed, without its trace."""
    if not error:
        return None
    refusal = error.get("refusal") or {}
    return schemas.ErrorOut(stage=error.get("stage", ""), node=error.get("node", ""), fault=error.get("fault", "ours"),
                            wrong=refusal.get("wrong", ""), where=refusal.get("where", ""), mend=refusal.get("mend", ""),
                            code=refusal.get("code", ""))


def job_state(row: Job) -> dict[str, Any]:
    """The part of a job that changes while it runs: what SSE tells. step: the plan's title of it, "" between two."""
    step = next((line["title"] for line in row.plan if line["key"] == row.step), "")
    return {"state": row.state, "progress": row.progress, "step": step, "note": row.note, "eta_s": row.eta_seconds,
            "error": error_out(row.error)}


def job_line(row: Job) -> schemas.JobLine:
    return schemas.JobLine(**job_state(row), id=row.id, number=row.number, title=row.title, device=(row.device or {}).get("name", ""),
                           goal=row.goal, created_at=row.created_at, started_at=row.started_at, finished_at=row.finished_at)


def job_out(row: Job) -> schemas.JobOut:
    """Three queries: candidates, their artifacts, and the row itself with model and dataset joined."""
    candidates = list(row.candidates.order_by("created_at", "key").prefetch_related("artifacts__blob"))
    result = row.result or {}
    return schemas.JobOut(
        **job_state(row), id=row.id, number=row.number, title=row.title, plan=row.plan, model=named(row.model), dataset=named(row.dataset),
        device=row.device, goal=row.goal, budget=row.budget, recipe=row.recipe, preprocessing=row.preprocessing, seed=row.seed,
        replay_of=row.replay_of_id,
        created_at=row.created_at, started_at=row.started_at, finished_at=row.finished_at,
        candidates=[candidate_out(candidate) for candidate in candidates],
        front=list(result["front"]) if result.get("front") else front_so_far(candidates),
        recommended=result.get("recommended"), verdict=result.get("verdict", ""))


def candidate_out(row: Candidate) -> schemas.CandidateOut:
    data = row.data
    return schemas.CandidateOut(
        id=row.id, key=row.key, title=row.title, recipe=data["recipe"], fits=row.fits, baseline=row.baseline, broke=data.get("broke", []),
        change=data.get("change"), validation=data.get("validation"), measurements=data["measurements"], steps=data.get("steps", []),
        fidelity=data.get("fidelity", []), sensitivity=data.get("sensitivity", []), study=data.get("study"),
        importance=data.get("importance", []), notes=data.get("notes", []), artifacts=[artifact_out(file) for file in row.artifacts.all()])


def artifact_out(row: Artifact) -> schemas.ArtifactOut:
    return schemas.ArtifactOut(id=row.id, name=row.name, role=row.role, bytes=row.blob.size, sha256=row.blob.sha256 or "",
                               media_type=row.media_type, url=reverse("api-1:artifact", args=[row.id]))


def front_so_far(candidates: Iterable[Candidate]) -> list[str]:
    """While the job runs: the fitting candidates that no other beats in both quality and size."""
    from optimizers.search.pareto import front

    fitting = [row for row in candidates if row.fits and row.quality is not None and row.size_kib is not None]
    return [row.key for row in front(fitting, lambda row: (-row.quality, row.size_kib))]


def named(row: Asset | None) -> schemas.Named | None:
    return schemas.Named(id=row.id, name=row.name) if row else None
