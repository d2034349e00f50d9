"""The last write about an attempt: succeeded, failed, cancelled, released or given another try. Each is one fenced transaction."""

import logging
import secrets
from typing import Any

from django.db.models.functions import Now

from jobs import hints
from jobs.claim import Lease, fenced
from jobs.models import Asset, Attempt, Job
from jobs.wake import send_wake
from optimizers import events
from optimizers.errors import Refusal

log = logging.getLogger(__name__)
SPOILED = ("lost", "crashed")       # outcomes of attempts that count against max_attempts; a released one does not


def error_dump(failed: events.Failed) -> dict[str, Any]:
    """What a page may show. Of our own faults only an id to quote; the trace goes to the log under the same id."""
    table: dict[str, Any] = {"stage": failed.stage, "node": failed.node, "fault": failed.fault,
                             "refusal": failed.refusal.model_dump(mode="json")}
    if failed.fault == "ours":
        table["id"] = secrets.token_hex(4)
        log.error("fault %s in stage %s: %s\n%s", table["id"], failed.stage, failed.refusal, failed.trace)
        table["refusal"] = Refusal(wrong="Something went wrong on our side.", where=failed.stage, code="ours",
                                   mend=f"Quote {table['id']} to the people who run this server.").model_dump(mode="json")
    return table


def failure(wrong: str, mend: str, code: str, stage: str = "run") -> events.Failed:
    """A failure that the parent saw: the child could not say it itself."""
    return events.Failed(stage=stage, refusal=Refusal(wrong=wrong, mend=mend, code=code))


def finish(lease: Lease, state: Job.State, *, done: events.Done | None = None, failed: events.Failed | None = None,
           card: Any = None, peak_bytes: int | None = None, detail: str = "") -> None:
    """Write the end of a job, and what it means for the asset it inspected. Raises LeaseLost."""
    with fenced(lease) as job:
        job.result = done.model_dump(mode="json") if done else job.result
        job.error = error_dump(failed) if failed else None
        if state == Job.State.SUCCEEDED:
            job.progress, job.eta_seconds = 1.0, 0.0
        close(job, state)
        if job.kind == Job.Kind.INSPECT:
            settle(job, card)
        Attempt.objects.filter(id=lease.attempt_id).update(ended_at=Now(), outcome=state, peak_bytes=peak_bytes, detail=detail[-20000:])


def close(job: Job, state: Job.State) -> None:
    """Inside a transaction that holds the job's row: nobody has it any more, and checkpoints have served."""
    job.state, job.lease_token, job.lease_until, job.finished_at = state, None, None, Now()
    job.save()
    job.checkpoints.all().delete()
    hints.publish(job)


def settle(job: Job, card: Any) -> None:
    """Ready with its card, or rejected with the reason."""
    assert job.asset_id, "an inspection is of something"
    asset = Asset.objects.filter(id=job.asset_id)
    if job.state == Job.State.SUCCEEDED:
        asset.update(state=Asset.State.READY, card=card, refusal=None)
        return
    refusal = (job.error or {}).get("refusal") or {"wrong": "The inspection was cancelled.", "where": "", "mend": "Upload the file again.",
                                                   "code": "cancelled"}
    asset.update(state=Asset.State.REJECTED, refusal=refusal)


def give_back(lease: Lease, outcome: str, *, peak_bytes: int | None = None, detail: str = "") -> None:
    """Back to the queue with what it has: a worker that leaves ("released"), or a child that crashed once ("crashed")."""
    with fenced(lease) as job:
        requeue(job)
        Attempt.objects.filter(id=lease.attempt_id).update(ended_at=Now(), outcome=outcome, peak_bytes=peak_bytes, detail=detail[-20000:])
    send_wake()


def requeue(job: Job) -> None:
    job.state, job.lease_token, job.lease_until = Job.State.QUEUED, None, None
    job.save(update_fields=["state", "lease_token", "lease_until"])
    hints.publish(job)


def spoiled(job: Job) -> int:
    """How many attempts at this job ended with its worker or its child gone."""
    return job.attempts.filter(outcome__in=SPOILED).count()
