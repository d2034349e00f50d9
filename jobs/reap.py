"""Leases that lapsed: back to the queue, or failed when it happened too often. Also heals wake-ups that never came."""

import logging

from django.db import transaction
from django.db.models.functions import Now

from jobs.finish import close, error_dump, requeue, settle, spoiled
from jobs.models import Attempt, Job
from jobs.wake import send_wake
from optimizers import events
from optimizers.errors import Refusal

log = logging.getLogger(__name__)
WAKES = 8


def reap() -> int:
    """Look at every running job whose lease lapsed; returns how many there were. Safe to run anywhere, any number of times."""
    count = 0
    while reap_one():
        count += 1
    for _ in range(min(WAKES, Job.objects.filter(state=Job.State.QUEUED).count())):
        send_wake()
    return count


def reap_one() -> bool:
    with transaction.atomic():
        job = Job.objects.select_for_update(skip_locked=True, no_key=True).filter(
            state=Job.State.RUNNING, lease_until__lt=Now()).order_by("lease_until").first()
        if job is None:
            return False
        Attempt.objects.filter(job=job, number=job.attempt, ended_at=None).update(ended_at=Now(), outcome="lost")
        log.warning("job %s: attempt %d lost its worker", job.id, job.attempt)
        if job.cancel_requested:
            close(job, Job.State.CANCELLED)
        elif spoiled(job) >= job.max_attempts:
            job.error = error_dump(lost_too_often(job))
            close(job, Job.State.FAILED)
        else:
            requeue(job)
        if job.kind == Job.Kind.INSPECT and job.state != Job.State.QUEUED:
            settle(job, None)
    return True


def lost_too_often(job: Job) -> events.Failed:
    return events.Failed(stage="worker", fault="ours", refusal=Refusal(
        wrong=f"{job.max_attempts} workers were lost while they did this job.", code="workers-lost"))
