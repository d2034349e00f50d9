"""Hints: heard by the job's and the team's listeners, over one connection, after commit; nobody minds when Redis is away."""

import asyncio
import time

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from jobs import hints

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_mouth(monkeypatch):
    monkeypatch.setattr(hints, "MOUTH", hints.Mouth())


def publish(job):
    with transaction.atomic():
        hints.publish(job)
    connection.close()


async def heard(topic, count, beat=5.0):
    found = []
    async for n in hints.subscribe(topic, beat=beat):
        found.append((n, time.monotonic()))
        if len(found) == count:
            return found


def test_job_and_team_hear_and_strangers_do_not(servers, make_job, other_team):
    job = make_job()

    async def run():
        listeners = [asyncio.create_task(heard(topic, 3)) for topic in (job.id, job.team_id)]      # 0, connected, published
        stranger = asyncio.create_task(heard(other_team.id, 3))
        await asyncio.sleep(0.5)
        await sync_to_async(publish)(job)
        result = await asyncio.wait_for(asyncio.gather(*listeners), 3)
        assert not stranger.done()
        assert len(hints.EARS[asyncio.get_running_loop()].waiting) == 1
        stranger.cancel()
        return result

    for found in asyncio.run(run()):
        assert [n for n, _ in found] == [0, 1, 2]


def test_a_rolled_back_change_is_not_told(servers, make_job, monkeypatch):
    said = []
    job = make_job()
    monkeypatch.setattr(hints.MOUTH, "say", said.append)
    with transaction.atomic():
        hints.publish(job)
        transaction.set_rollback(True)
    assert said == []
    publish(job)
    assert len(said) == 1


def test_the_beat_is_heard_without_redis(settings, tmp_path):
    settings.REDIS_URL = f"redis+socket://{tmp_path}/nobody.sock"
    assert [n for n, _ in asyncio.run(asyncio.wait_for(heard("x", 4, beat=0.1), 3))] == [0, 1, 2, 3]


def test_publishing_without_redis_costs_no_time(settings, tmp_path, make_job):
    job = make_job()
    settings.REDIS_URL = f"redis+socket://{tmp_path}/nobody.sock"
    hints.MOUTH.client = None
    started = time.monotonic()
    for _ in range(100):
        publish(job)
    assert time.monotonic() - started < 1
