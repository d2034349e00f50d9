"""A lease that lapsed goes back to the queue, until it has happened too often."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs.cancel import cancel
from jobs.claim import claim
from jobs.finish import give_back
from jobs.models import Job
from jobs.reap import reap

pytestmark = pytest.mark.django_db(transaction=True)


def lose(lease):
    Job.objects.filter(id=lease.job_id).update(lease_until=Now() - timedelta(seconds=1))


def test_a_live_lease_is_left_alone(make_job):
    make_job()
    claim("w")
    assert reap() == 0
    assert Job.objects.get().state == "running"


def test_three_lost_workers_and_no_more(make_job):
    job = make_job()
    for number in (1, 2, 3):
        lease = claim("w")
        assert lease.number == number
        lose(lease)
        assert reap() == 1
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error["fault"] == "ours"
    assert job.error["id"] in job.error["refusal"]["mend"]
    assert list(job.attempts.values_list("outcome", flat=True)) == ["lost"] * 3


def test_a_released_attempt_does_not_count(make_job):
    job = make_job()
    for _ in range(5):
        give_back(claim("w"), "released")
    lose(claim("w"))
    reap()
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("queued", 6)


def test_a_lost_job_that_was_cancelled_is_cancelled(make_job):
    job = make_job()
    lease = claim("w")
    cancel(job)
    lose(lease)
    reap()
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_an_upload_whose_inspection_is_lost_for_good_is_rejected(make_job, make_asset):
    asset = make_asset()
    make_job(kind="inspect", asset=asset, max_attempts=1)
    lose(claim("w"))
    reap()
    asset.refresh_from_db()
    assert asset.state == "rejected"
    assert asset.refusal["code"] == "ours"
