"""Cancelling: at once in the queue, by a flag while running, harmless afterwards."""

import pytest

from jobs.cancel import cancel
from jobs.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_queued_job_stops_at_once(make_job):
    job = cancel(make_job())
    assert (job.state, job.cancel_requested) == ("cancelled", True)
    assert job.finished_at is not None
    assert claim("w") is None


def test_a_running_job_is_asked(make_job):
    job = make_job()
    claim("w")
    job = cancel(job)
    assert (job.state, job.cancel_requested) == ("running", True)


def test_a_finished_job_stays_as_it_is(make_job):
    job = make_job()
    job.state = "succeeded"
    job.save()
    job = cancel(job)
    assert (job.state, job.cancel_requested) == ("succeeded", False)


def test_an_upload_whose_inspection_is_cancelled_is_rejected(make_job, make_asset):
    asset = make_asset()
    cancel(make_job(kind="inspect", asset=asset))
    asset.refresh_from_db()
    assert (asset.state, asset.refusal["code"]) == ("rejected", "cancelled")
