"""/jobs: ask for a fit, watch it, stop it, run it again. /artifacts: take away what it made."""

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from jobs.cancel import cancel
from jobs.models import Job
from jobs.submit import replay, submit_fit
from webapp.api import live, wishes
from webapp.api.auth import READ, RUN
from webapp.api.declared import refusals
from webapp.api.once import once
from webapp.api.pages import MOST, page
from webapp.api.problems import missing
from webapp.api.schemas import JobLine, JobOut, NewJob, Page
from webapp.api.shown import job_line, job_out
from webapp.library.downloads import send
from webapp.teams import gate, tokens

router = Router(tags=["jobs"])
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
STREAM = {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}


@router.post("/jobs", response={201: JobOut} | refusals(404, 409, 413, 507), auth=RUN)
@once
def create_job(request: HttpRequest, wish: NewJob) -> Any:
    """Queue a fit. What cannot work is refused here, with a sentence."""
    asked = wishes.resolve(request.team, wish)
    job = submit_fit(request.team, request.user, model=asked.model, dataset=asked.dataset, device=asked.device, goal=asked.goal,
                     budget=wish.budget, recipe=asked.recipe, preprocessing=asked.preprocessing, seed=wish.seed,
                     title=clean_title(wish.title))
    return Status(201, job_out(find(request, job.pk)))


@router.get("/jobs", response={200: Page[JobLine]} | refusals(), auth=READ)
def jobs(request: HttpRequest, cursor: str | None = None, limit: int = Query(50, ge=1, le=MOST), state: State | None = None) -> Any:
    """Newest first."""
    rows = gate.jobs(request.team).defer("plan", "result", "recipe")
    found, after = page(rows.filter(state=state) if state else rows, cursor, limit)
    return {"items": [job_line(row) for row in found], "next": after}


@router.get("/jobs/{uuid:id}", response={200: JobOut} | refusals(404), auth=READ)
def job(request: HttpRequest, id: UUID) -> Any:
    """With all candidates found so far, each with its measurements and files."""
    return job_out(find(request, id))


@router.post("/jobs/{uuid:id}/cancel", response={200: JobOut} | refusals(404, 409), auth=RUN)
@once
def cancel_job(request: HttpRequest, id: UUID) -> Any:
    """Stop; what was found so far is kept. Harmless when the job is over."""
    cancel(find(request, id))
    return Status(200, job_out(find(request, id)))


@router.post("/jobs/{uuid:id}/replay", response={201: JobOut} | refusals(404, 409, 507), auth=RUN)
@once
def replay_job(request: HttpRequest, id: UUID) -> Any:
    """The same request once more, with the same seed."""
    return Status(201, job_out(find(request, replay(find(request, id), request.user).pk)))


@router.get("/jobs/{uuid:id}/events", response={200: None} | refusals(404), auth=READ, openapi_extra={"responses": {200: STREAM}})
def job_events(request: HttpRequest, id: UUID,
               after: int = Query(0, ge=0, lt=2**63, description="Events up to this id are left out.")) -> HttpResponse:
    """Server-sent events until the job is over: `state` with what a progress bar needs, `event` with each thing the job told
    (its id is the cursor; Last-Event-ID works too), `end` with the final state. A comment every 15 s keeps the line open."""
    found, token = find(request, id), request.auth
    return live.told(request, found.pk, after, allowed=lambda: tokens.still_good(token))


@router.get("/artifacts/{uuid:id}", response={200: None, 206: None, 304: None, 416: None} | refusals(404), auth=READ,
            url_name="artifact", openapi_extra={"responses": {200: {"description": "The bytes."} | BYTES,
                                                              206: {"description": "Part of them."} | BYTES}})
def artifact(request: HttpRequest, id: UUID) -> HttpResponse:
    """The bytes of a file; Range works, ETag is the sha256."""
    found = gate.artifacts(request.team).select_related("blob").filter(pk=id).first()
    if found is None:
        raise missing("artifact", "id")
    return send(request, found.blob, found.name)


@router.api_operation(["HEAD"], "/artifacts/{uuid:id}", response={200: None, 304: None, 416: None} | refusals(404), auth=READ)
def artifact_size(request: HttpRequest, id: UUID) -> HttpResponse:
    """Its length and ETag."""
    return artifact(request, id)


def find(request: HttpRequest, id: UUID) -> Job:
    row = gate.jobs(request.team).select_related("model", "dataset").filter(pk=id).first()
    if row is None:
        raise missing("job", "id")
    return row


def clean_title(title: str | None) -> str | None:
    from webapp.library.names import clean

    return clean(title, "body.title", 200) if title and title.strip() else None
