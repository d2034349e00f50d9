"""A whole attempt with a real child in the real cage; the child is a few lines of the test's."""

import threading
import time

import pytest

from jobs import store
from jobs.attempt import see_through
from jobs.cancel import cancel
from jobs.claim import claim
from jobs.models import Artifact, Attempt, Candidate, Checkpoint, Event, Job
from jobs.workspace import remove_stale

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings):
    settings.JOBS = {"poll_seconds": 0.1, "beat_seconds": 0.5, "stop_seconds": 2}


def attempt(job, **options):
    see_through(claim("w"), **options)
    job.refresh_from_db()
    return job


def test_a_job_that_goes_well(make_job, make_asset, run_script, settings):
    run_script("""
task = json.load(open(f"{folder}/task.json"))
assert open(f"{folder}/{task['model']}", "rb").read() == b"the model"
say("plan", steps=[{"key": "a", "title": "Measure"}])
say("progress", fraction=0.5, step="a", note="half", eta_seconds=3)
say("log", text="hello", topic="measure")
say("curve", name="loss", x=1, y=0.5)
candidate("base", baseline=True)
say("done", recommended="base", front=["base"], verdict="It fits.")
""")
    model = make_asset(b"the model", filename="Net.ONNX", state="ready", card=CARD)
    job = attempt(make_job(model=model, device=DEVICE, goal={"metric": "top1"}, budget={"minutes": 1}))
    assert (job.state, job.error, job.progress, job.step, job.note) == ("succeeded", None, 1.0, "a", "half")
    assert job.result["verdict"] == "It fits."
    assert job.plan[0]["title"] == "Measure"
    assert job.lease_token is None
    assert list(Event.objects.order_by("id").values_list("type", flat=True)) == ["log", "curve", "candidate"]
    kept = Candidate.objects.get()
    assert (kept.baseline, kept.size_kib) == (True, 7 / 1024)
    assert b"".join(store.read(kept.artifacts.get().blob)) == b"weights"
    tried = Attempt.objects.get()
    assert (tried.outcome, tried.cage in ("bwrap", "landlock", "rlimits")) == ("succeeded", True)
    assert tried.ended_at is not None
    assert tried.versions["torch"]
    assert not list((settings.DATA_DIR / "work").iterdir())


def test_the_users_mistake_is_told_in_their_words(make_job, run_script):
    run_script("""
say("error", stage="open", node="conv1", refusal={"wrong": "The file is cut off.", "mend": "Upload it again."}, trace="secret trace")
sys.exit(2)""")
    job = attempt(make_job())
    assert (job.state, job.error["fault"], job.error["refusal"]["wrong"]) == ("failed", "user", "The file is cut off.")
    assert "trace" not in job.error


@pytest.mark.parametrize("script", ["sys.exit(1)", "sys.exit(0)", "raise ValueError('secret trace')",
                                    "say('error', stage='x', fault='ours', refusal={'wrong': 'secret'}, trace='secret')\nsys.exit(1)"])
def test_our_own_fault_shows_an_id_and_no_trace(make_job, run_script, script):
    run_script(script)
    job = attempt(make_job())
    assert (job.state, job.error["fault"]) == ("failed", "ours")
    assert job.error["id"] in job.error["refusal"]["mend"]
    assert "secret" not in str(job.error)


@pytest.mark.parametrize(("script", "code"), [
    ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
    ("x = bytearray(1 << 44)", "out-of-memory"),
    ("say('error', stage='x', fault='ours', refusal={'wrong': '?'}, trace='... MemoryError'); sys.exit(1)", "out-of-memory"),
])
def test_a_crash_is_tried_once_more_and_then_told(make_job, run_script, script, code):
    run_script(script)
    job = make_job()
    assert attempt(job).state == "queued"
    assert attempt(job).state == "failed"
    assert job.error["refusal"]["code"] == code
    assert list(job.attempts.values_list("outcome", flat=True)) == ["crashed", "failed"]
    if code == "out-of-memory":
        assert "ran out of memory (limit 8 GB)" in job.error["refusal"]["wrong"]


def test_a_hanging_child_is_stopped(make_job, run_script, settings):
    settings.JOBS |= {"quiet_seconds": 1}
    run_script("candidate('kept')\ntime.sleep(60)")
    job = attempt(make_job())
    assert (job.state, job.error["refusal"]["code"]) == ("failed", "no-progress")
    assert Candidate.objects.get().key == "kept"


def test_the_wall_limit(make_job, run_script, settings):
    settings.JOBS |= {"fit_seconds": 1}
    run_script("while True: say('progress', fraction=0.1); time.sleep(0.1)")
    job = attempt(make_job())
    assert (job.state, job.error["refusal"]["code"]) == ("failed", "too-slow")


def test_a_child_that_hides_behind_closed_pipes_is_still_watched(make_job, run_script, settings):
    settings.JOBS |= {"fit_seconds": 1, "stop_seconds": 0.5}
    run_script("signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(1); os.close(2); time.sleep(60)")
    assert attempt(make_job()).error["refusal"]["code"] == "too-slow"


def test_cancelling_keeps_what_was_found(make_job, run_script):
    run_script("""
candidate("first")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
say("log", text="ready")
signal.sigwait([signal.SIGTERM])
candidate("last"); say("done", front=["first"])""")
    job = make_job()
    threading.Thread(target=cancel_when_ready, args=[job]).start()
    attempt(job)
    assert (job.state, job.error) == ("cancelled", None)
    assert job.result["front"] == ["first"]
    assert set(Candidate.objects.values_list("key", flat=True)) == {"first", "last"}


def cancel_when_ready(job):
    from django.db import connection

    until = time.monotonic() + 10
    while not Event.objects.filter(job=job, type="log").exists() and time.monotonic() < until:
        time.sleep(0.05)
    cancel(job)
    connection.close()


def test_a_leaving_worker_gives_the_job_back_and_the_next_one_resumes(make_job, run_script):
    run_script("""
from pathlib import Path
state = Path(folder, "checkpoint/net.state")
if state.exists():
    assert state.read_bytes() == b"epoch 3"
    assert json.load(open(f"{folder}/task.json"))["done"] == ["first"]
    candidate("second"); say("done"); sys.exit(0)
candidate("first")
state.write_bytes(b"epoch 2"); say("checkpoint", path="checkpoint/net.state")
def stop(*_):
    state.write_bytes(b"epoch 3"); say("checkpoint", path="checkpoint/net.state"); say("done"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
time.sleep(60)""")
    job = make_job()
    leaving_at = time.monotonic() + 1.5
    assert attempt(job, leaving=lambda: time.monotonic() > leaving_at).state == "queued"
    assert b"".join(store.read(Checkpoint.objects.get().blob)) == b"epoch 3"
    assert attempt(job).state == "succeeded"
    assert list(Candidate.objects.order_by("created_at").values_list("key", flat=True)) == ["first", "second"]
    assert list(job.attempts.order_by("number").values_list("outcome", flat=True)) == ["released", "succeeded"]
    assert not Checkpoint.objects.exists()


def test_a_worker_that_lost_its_lease_stops_the_child_and_writes_nothing(make_job, run_script):
    run_script("say('log', text='ready')\nfor i in range(600): say('log', text=str(i)); time.sleep(0.1)")
    job = make_job()

    def steal():
        from django.db import connection

        while not Event.objects.exists():
            time.sleep(0.05)
        Job.objects.filter(id=job.id).update(state="queued", lease_token=None)
        connection.close()

    threading.Thread(target=steal).start()
    started = time.monotonic()
    attempt(job)
    assert time.monotonic() - started < 10
    assert (job.state, job.result, job.error) == ("queued", None, None)


def test_inspection_makes_an_upload_ready_or_rejects_it(make_job, make_asset, run_script):
    run_script("""
task = json.load(open(f"{folder}/task.json"))
if open(f"{folder}/{task['model']}", "rb").read() == b"bad":
    say("error", stage="open", refusal={"wrong": "Not a model.", "code": "not-a-model"}); sys.exit(2)
say("inspected", model={"kind": "onnx", "family": "network", "title": "ONNX network, opset 20"})""")
    good, bad = make_asset(b"good"), make_asset(b"bad")
    for asset in (good, bad):
        attempt(make_job(kind="inspect", asset=asset))
        asset.refresh_from_db()
    assert (good.state, good.card["title"], good.refusal) == ("ready", "ONNX network, opset 20", None)
    assert (bad.state, bad.card, bad.refusal["code"]) == ("rejected", None, "not-a-model")


def test_an_inspection_that_talks_of_another_kind_is_not_believed(make_job, make_asset, run_script):
    run_script("say('inspected', dataset={'kind': 'table', 'title': 'Table'})")
    asset = make_asset()
    attempt(make_job(kind="inspect", asset=asset))
    asset.refresh_from_db()
    assert (asset.state, asset.refusal["code"]) == ("rejected", "ours")


def test_code_is_not_opened_where_no_wall_stands(make_job, make_asset, run_script, monkeypatch):
    from jobs import sandbox
    from jobs.cage.rungs import Rung

    monkeypatch.setattr(sandbox, "rung", lambda: Rung("rlimits"))
    run_script("say('inspected', model={'kind': 'torch-export', 'family': 'network', 'title': 't'})")
    asset = make_asset(filename="net.pt2")
    attempt(make_job(kind="inspect", asset=asset))
    asset.refresh_from_db()
    assert (asset.state, asset.refusal["code"]) == ("rejected", "no-cage")


def test_folders_of_dead_workers_are_removed(settings):
    for pid in (1, 2**22 + 1):
        (settings.DATA_DIR / "work" / f"{pid}-x-1").mkdir(parents=True)
    assert remove_stale() == 1
    (settings.DATA_DIR / "work" / "1-x-1").rmdir()


def test_a_hostile_folder_is_removed_all_the_same(make_job, run_script, settings):
    run_script("os.makedirs(f'{folder}/out/a/b'); os.chmod(f'{folder}/out/a/b', 0); os.chmod(f'{folder}/out/a', 0)\n"
               "os.symlink('/etc', f'{folder}/out/etc'); os.mkfifo(f'{folder}/out/pipe'); say('done')")
    assert attempt(make_job()).state == "succeeded"
    assert not list((settings.DATA_DIR / "work").iterdir())
    assert not Artifact.objects.exists()


CARD = {"kind": "onnx", "family": "network", "title": "t"}
FACT = {"value": 100, "unit": "MHz", "source": "test"}
DEVICE = {"name": "d", "title": "D", "core": "c", "kind": "board", "isa": "aarch64", "clock_mhz": FACT,
          "ram_kib": {"value": 1000, "unit": "KiB", "source": "test"}, "dtypes": ["float32"], "runtimes": ["onnxruntime"]}


def test_a_database_that_drops_every_connection_costs_nothing(make_job, run_script):
    """Three times in a row, while the child talks: every line arrives, once and in order."""
    run_script("for i in range(30): say('log', text=str(i)); time.sleep(0.1)\ncandidate('kept'); say('done')")
    job = make_job()
    over = threading.Event()

    def drop():
        from django.db import connection

        while not Event.objects.exists():
            time.sleep(0.05)
        for _ in range(3):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                               "WHERE datname = current_database() AND pid <> pg_backend_pid()")
            over.wait(0.5)
        connection.close()

    thread = threading.Thread(target=drop)
    thread.start()
    lease = claim("w")
    see_through(lease)
    thread.join()
    job.refresh_from_db()
    assert (job.state, job.error) == ("succeeded", None)
    assert [event.data["text"] for event in Event.objects.filter(type="log").order_by("id")] == [str(i) for i in range(30)]
