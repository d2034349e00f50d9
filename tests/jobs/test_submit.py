"""Queueing: numbers without races, refusals with sentences, and no need of Redis."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from jobs.models import Job
from jobs.submit import queue, replay, submit_fit, submit_inspection
from optimizers.device import catalogue
from optimizers.errors import OptimizerError

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = {"kind": "onnx", "family": "network", "title": "ONNX network", "task": "classification", "classes": 10, "parameters": 1000,
         "macs": 10000, "activation_bytes": 4096, "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 1, 8, 8]}],
         "outputs": [{"name": "y", "dtype": "float32", "shape": [None, 10]}]}
DATASET = {"kind": "array", "title": "Array", "rows": 1000, "splits": {"train": 700, "validation": 100, "test": 200},
           "classes": [str(i) for i in range(10)], "class_counts": [100] * 10, "row_shape": [1, 8, 8]}


@pytest.fixture
def library(make_asset):
    return {"model": make_asset(state="ready", card=MODEL), "dataset": make_asset(kind="dataset", state="ready", card=DATASET),
            "device": next(device for device in catalogue().values() if device.kind == "laptop"), "goal": {}, "budget": {"minutes": 1}}


def test_numbers_have_no_gap_and_no_double(team):
    def some(_):
        try:
            return [queue(team_id=team.id, kind="fit", title="t").number for _ in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        numbers = [number for part in pool.map(some, range(6)) for number in part]
    assert sorted(numbers) == list(range(1, 31))


def test_inspections_count_apart(make_asset, make_job):
    assert make_job().number == 1
    assert submit_inspection(make_asset()).number == 1
    assert make_job().number == 2


def test_a_fit_remembers_all_it_was_asked(team, library):
    job = submit_fit(team, None, **library, seed=7)
    job.refresh_from_db()
    assert (job.state, job.kind, job.seed, job.recipe) == ("queued", "fit", 7, None)
    assert job.device["name"] == library["device"].name
    assert job.budget["minutes"] == 1
    again = replay(job, None)
    assert (again.number, again.replay_of_id, again.seed, again.goal, again.device) == (2, job.id, 7, job.goal, job.device)


def test_another_teams_model_is_not_there(team, other_team, library, make_asset):
    library["model"] = make_asset(team=other_team, state="ready", card=MODEL)
    with pytest.raises(OptimizerError) as caught:
        submit_fit(team, None, **library)
    assert caught.value.refusal.code == "not-found"


@pytest.mark.parametrize(("state", "word"), [("inspecting", "Wait"), ("rejected", "another")])
def test_an_asset_that_is_not_ready(team, library, make_asset, state, word):
    library["dataset"] = make_asset(kind="dataset", state=state, card=DATASET)
    with pytest.raises(OptimizerError) as caught:
        submit_fit(team, None, **library)
    assert caught.value.refusal.code == "not-ready"
    assert word in caught.value.refusal.mend
    assert not Job.objects.exists()


def test_a_dataset_in_the_place_of_a_model(team, library):
    library["model"] = library["dataset"]
    with pytest.raises(OptimizerError) as caught:
        submit_fit(team, None, **library)
    assert caught.value.refusal.code == "not-found"


def test_classes_that_differ_are_refused_before_any_work(team, library, make_asset):
    library["dataset"] = make_asset(kind="dataset", state="ready", card=DATASET | {"classes": ["a", "b"], "class_counts": [500, 500]})
    with pytest.raises(OptimizerError):
        submit_fit(team, None, **library)
    assert not Job.objects.exists()


def test_a_recipe_nobody_knows(team, library):
    with pytest.raises(OptimizerError) as caught:
        submit_fit(team, None, **library, recipe={"steps": [{"technique": "prune-chanels"}]})
    assert "prune-channels" in caught.value.refusal.mend


def test_submitting_while_redis_is_away(team, make_asset, settings, monkeypatch, tmp_path):
    """The row is committed, and the page does not wait."""
    from jobs import hints
    from jobs.celery import app

    settings.REDIS_URL = f"redis+socket://{tmp_path}/nobody.sock"
    monkeypatch.setattr(hints, "MOUTH", hints.Mouth())
    before = app.conf.broker_url
    app.conf.broker_url = settings.REDIS_URL
    app.__dict__.pop("amqp", None)
    app.pool.force_close_all() if app._pool else None
    app._pool = None
    try:
        started = time.monotonic()
        for _ in range(3):
            submit_inspection(make_asset())
        assert time.monotonic() - started < 3
        assert Job.objects.filter(state="queued").count() == 3
    finally:
        app.conf.broker_url = before
        app.__dict__.pop("amqp", None)
        app._pool = None
