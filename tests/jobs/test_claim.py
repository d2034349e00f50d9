"""One row, one borrower; a borrower that lost its lease writes nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs.claim import LeaseLost, claim, fenced, renew
from jobs.models import Attempt, Job

pytestmark = pytest.mark.django_db(transaction=True)


def lapse(lease):
    Job.objects.filter(id=lease.job_id).update(lease_until=Now() - timedelta(seconds=1))


def test_a_claimed_job_runs_under_a_lease(make_job):
    job = make_job()
    lease = claim("here")
    job.refresh_from_db()
    assert (lease.job_id, lease.number) == (job.id, 1)
    assert (job.state, job.attempt, job.lease_token) == ("running", 1, lease.token)
    assert job.started_at is not None
    assert Attempt.objects.get().worker == "here"
    assert claim("there") is None


def test_eight_claimers_never_share_a_job(make_job):
    jobs = {make_job().id for _ in range(20)}

    def take_all(name):
        mine = []
        while lease := claim(name):
            mine.append(lease.job_id)
        connection.close()
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [job for part in pool.map(take_all, "abcdefgh") for job in part]
    assert len(taken) == 20
    assert set(taken) == jobs


def test_inspections_go_first_then_teams_with_less_running_then_age(make_job, make_asset, other_team):
    flood = [make_job() for _ in range(3)]
    alone = make_job(team_id=other_team.id)
    look = make_job(kind="inspect", asset=make_asset())
    assert claim("w").job_id == look.id
    assert claim("w").job_id == alone.id
    assert claim("w").job_id == flood[0].id


def test_kinds_and_capabilities_bound_what_is_taken(make_job):
    make_job(capability="gpu")
    assert claim("w", ["cpu"]) is None
    assert claim("w", ["cpu", "gpu"], kinds=["inspect"]) is None
    assert claim("w", ["cpu", "gpu"]) is not None


def test_fencing(make_job):
    make_job()
    stale = claim("first")
    with fenced(stale) as job:
        assert job.id == stale.job_id
    lapse(stale)
    with pytest.raises(LeaseLost), fenced(stale):
        raise AssertionError("a lapsed lease must not write")
    assert renew(stale) is False
    Job.objects.update(state="queued", lease_token=None)
    fresh = claim("second")
    assert (fresh.number, renew(fresh), renew(stale)) == (2, True, False)
    with pytest.raises(LeaseLost), fenced(stale):
        pass
