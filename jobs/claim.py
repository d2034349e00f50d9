"""Borrow a job: one row, one lease, one token that fences every later write."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from jobs import hints
from jobs.limits import limit
from jobs.models import Attempt, Job

CHOOSE = """
    SELECT j.id FROM jobs_job j
    LEFT JOIN (SELECT team_id, count(*) AS n FROM jobs_job WHERE state = 'running' GROUP BY team_id) busy ON busy.team_id = j.team_id
    WHERE j.state = 'queued' AND j.capability = ANY(%s) AND j.kind = ANY(%s)
    ORDER BY j.kind = 'inspect' DESC, coalesce(busy.n, 0), j.created_at, j.id
    LIMIT 1 FOR UPDATE OF j SKIP LOCKED
"""


class LeaseLost(Exception):
    """Somebody else has the job by now, or it is over: stop the child and write nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to write about one job, until the lease lapses."""

    job_id: uuid.UUID
    token: uuid.UUID
    attempt_id: int
    number: int


def claim(worker: str, capabilities: Sequence[str] = ("cpu",), kinds: Sequence[str] = ("inspect", "fit")) -> Lease | None:
    """Take the next job this worker can do: inspections first (they are short), then the team with the fewest running, then the oldest.

    Returns None when there is none. Two workers never get the same row (FOR UPDATE SKIP LOCKED).
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CHOOSE, [list(capabilities), list(kinds)])
            row = cursor.fetchone()
        if row is None:
            return None
        token = uuid.uuid4()
        Job.objects.filter(id=row[0]).update(state=Job.State.RUNNING, attempt=F("attempt") + 1, lease_token=token,
                                             lease_until=later(), started_at=Coalesce("started_at", Now()))
        job = Job.objects.get(id=row[0])
        attempt = Attempt.objects.create(job=job, number=job.attempt, worker=worker)
        hints.publish(job)
    return Lease(job.id, token, attempt.id, attempt.number)


def renew(lease: Lease) -> bool:
    """Hold on for another lease; False when it has lapsed or was taken away."""
    return mine(lease).update(lease_until=later()) == 1


@contextmanager
def fenced(lease: Lease) -> Iterator[Job]:
    """A transaction with the job's row locked and ours; raises LeaseLost otherwise. Every write about a running job goes through here."""
    with transaction.atomic():
        job = mine(lease).select_for_update(no_key=True).first()
        if job is None:
            raise LeaseLost(f"job {lease.job_id}, attempt {lease.number}")
        yield job


def mine(lease: Lease):
    """The job's row, if this lease still holds by the clock of the database."""
    return Job.objects.filter(id=lease.job_id, lease_token=lease.token, state=Job.State.RUNNING, lease_until__gt=Now())


def later():
    """The end of a lease that starts now, by the clock of the database: hosts may disagree about the time."""
    return Now() + timedelta(seconds=limit("lease_seconds"))
