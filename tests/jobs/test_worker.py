"""A real Celery worker on the real queue: prompt, killed without warning, told to leave."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.models import Artifact, Asset, Candidate, Event, Job, Worker
from jobs.submit import queue, submit_inspection

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = [sys.executable, str(Path(__file__).with_name("scripted_worker.py"))]
REAL = [sys.executable, "-m", "celery", "-A", "jobs.celery", "worker", "-c", "2", "--loglevel", "WARNING"]
QUICK = {"ESPALIER_LEASE_SECONDS": "4", "ESPALIER_BEAT_SECONDS": "1", "ESPALIER_POLL_SECONDS": "0.2", "ESPALIER_REAP_SECONDS": "1",
         "ESPALIER_STOP_SECONDS": "5"}


@contextmanager
def worker(command, env, log):
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=env | QUICK, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(lambda: Worker.objects.filter(name__endswith=f"-{process.pid}").exists(), 30, log)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def wait_for(truth, seconds=20, log=None):
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, log.read_text()[-3000:] if log else "it did not come true"
        time.sleep(0.02)


def state(job):
    job.refresh_from_db()
    return job.state


def test_an_upload_is_inspected_by_the_real_craft(process_env, make_asset, tmp_path):
    rows = "\n".join(f"{i},{i % 7},{'yes' if i % 2 else 'no'}" for i in range(200))
    table = make_asset(f"a,b,label\n{rows}\n".encode(), kind="dataset", filename="small.csv")
    pickle = make_asset(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94.", filename="model.onnx")
    with worker(REAL, process_env, tmp_path / "log"):
        jobs = [submit_inspection(asset) for asset in (table, pickle)]
        wait_for(lambda: all(state(job) in Job.FINAL for job in jobs), 60, tmp_path / "log")
        assert Worker.objects.get().cage_detail
    table.refresh_from_db()
    pickle.refresh_from_db()
    assert (table.state, table.refusal) == ("ready", None)
    assert table.card["rows"] == 200
    assert pickle.state == "rejected"
    assert pickle.refusal["wrong"]
    assert pickle.refusal["code"] != "ours"


SLOW = """
from pathlib import Path
here = Path(folder, "checkpoint/net.state")
step = int(here.read_text()) if here.exists() else 0
done = json.load(open(f"{folder}/task.json"))["done"]
while step < 6:
    step += 1
    say("log", text=f"step {step}")
    if f"c{step}" not in done:
        candidate(f"c{step}")
    here.write_text(str(step)); say("checkpoint", path="checkpoint/net.state")
    time.sleep(0.5)
say("done", front=["c1"])
"""


@pytest.fixture
def script(tmp_path, prelude):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(prelude + text)
        return path
    return write


def test_from_submit_to_the_first_word_in_under_two_seconds(process_env, team, script, tmp_path):
    path = script("say('log', text='here')\nsay('done')")
    with worker([*SCRIPTED, str(path)], process_env, tmp_path / "log"):
        time.sleep(1)
        started = time.monotonic()
        job = queue(team_id=team.id, kind="fit", title="t")
        wait_for(lambda: Event.objects.filter(job=job).exists(), 10, tmp_path / "log")
        assert time.monotonic() - started < 2
        wait_for(lambda: state(job) == "succeeded")


@pytest.mark.slow
def test_kill_9_in_the_middle_and_the_job_finishes_once(process_env, team, script, tmp_path):
    command, log = [*SCRIPTED, str(script(SLOW))], tmp_path / "log"
    with worker(command, process_env, log) as first:
        job = queue(team_id=team.id, kind="fit", title="t")
        wait_for(lambda: Candidate.objects.count() >= 2, 20, log)
        first.kill()
        first.wait()
        wait_for(lambda: not children_of(job), 5)
    with worker(command, process_env, log):
        wait_for(lambda: state(job) in Job.FINAL, 40, log)
    assert job.state == "succeeded"
    assert list(job.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost", "succeeded"]
    assert sorted(job.candidates.values_list("key", flat=True)) == [f"c{i}" for i in range(1, 7)]
    assert Artifact.objects.count() == 6


@pytest.mark.slow
def test_told_to_leave_the_worker_gives_its_job_back(process_env, team, script, tmp_path):
    path = script("import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsay('log', text='here')\ntime.sleep(60)")
    with worker([*SCRIPTED, str(path)], process_env, tmp_path / "log") as process:
        job = queue(team_id=team.id, kind="fit", title="t")
        wait_for(lambda: Event.objects.exists(), 10, tmp_path / "log")
        process.terminate()
        process.wait(15)
    assert state(job) == "queued"
    assert job.attempts.get().outcome == "released"
    assert not Worker.objects.exists()


@pytest.mark.slow
def test_a_long_fit_does_not_hold_up_an_upload(process_env, team, make_asset, script, tmp_path):
    path = script("""
if json.load(open(f"{folder}/task.json"))["kind"] == "fit":
    time.sleep(60)
say("inspected", model={"kind": "onnx", "family": "network", "title": "t"})""")
    with worker([*SCRIPTED, str(path)], process_env, tmp_path / "log"):
        fits = [queue(team_id=team.id, kind="fit", title="t") for _ in range(3)]
        wait_for(lambda: "running" in map(state, fits), 10, tmp_path / "log")
        asset = make_asset()
        submit_inspection(asset)
        wait_for(lambda: Asset.objects.get(id=asset.id).state == "ready", 10, tmp_path / "log")
        assert sorted(map(state, fits)) == ["queued", "queued", "running"]


def children_of(job):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [pid] if str(job.id) in Path(f"/proc/{pid}/cmdline").read_text() else []
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_the_real_craft_trains_in_the_cage_and_its_candidate_comes_home(team, make_asset):
    """Digits, dataset only, the whole road: inspection, plan, training, measuring, keeping; torch and ONNX Runtime inside the walls."""
    import hashlib
    import io

    import numpy as np
    from sklearn.datasets import load_digits

    from jobs import store
    from jobs.attempt import see_through
    from jobs.claim import claim
    from jobs.submit import submit_fit
    from optimizers.device import catalogue

    digits = load_digits()
    file = io.BytesIO()
    np.savez(file, x=(digits.images * 15).astype(np.uint8), y=digits.target)
    dataset = make_asset(file.getvalue(), kind="dataset", filename="digits.npz")
    submit_inspection(dataset)
    see_through(claim("w"))
    dataset.refresh_from_db()
    assert (dataset.state, dataset.refusal) == ("ready", None)
    job = submit_fit(team, None, model=None, dataset=dataset, device=catalogue()["laptop-x86"], goal={"max_drop": None},
                     budget={"minutes": 0.5, "candidates": 2})
    see_through(claim("w"), threads=2)
    job.refresh_from_db()
    assert (job.state, job.error) == ("succeeded", None)
    assert job.result["front"]
    attempt = job.attempts.get()
    assert attempt.peak_bytes > 100 * 1024**2
    for artifact in job.artifacts.all():
        assert hashlib.sha256(b"".join(store.read(artifact.blob))).hexdigest() == artifact.blob.sha256
    print(attempt.cage, attempt.peak_bytes / 2**20, job.result["verdict"], list(job.candidates.values_list("title", "quality", "size_kib")))
