"""The cage, by trying to break out of it: on every rung that this machine offers."""

import doctest
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs import sandbox
from jobs.cage import ladder
from jobs.cage.rungs import Bounds, Rung, python

linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock, seccomp and bwrap are Linux's")
BOUNDS = Bounds(memory_bytes=2 * 1024**3, cpu_seconds=20, file_bytes=1024**2)
STANDING = [rung for rung in ladder.candidates() if ladder.stands(rung, ladder.probe(rung))]
WALLED = [rung for rung in STANDING if rung.holds]
each = pytest.mark.parametrize("rung", STANDING, ids=lambda rung: f"{rung.name}-{rung.uid}")
each_walled = pytest.mark.parametrize("rung", WALLED or [pytest.param(None, marks=pytest.mark.skip("no walled rung here"))],
                                      ids=lambda rung: rung and f"{rung.name}-{rung.uid}")


@pytest.fixture
def folder(tmp_path):
    for name in ("in", "out", "checkpoint", "scratch"):
        (tmp_path / name).mkdir()
    sandbox.lay_code(tmp_path)
    return tmp_path


def run(rung, script, folder, bounds=BOUNDS, seconds=20):
    """(lines said, how it ended)"""
    said, until = [], time.monotonic() + seconds
    if rung.uid:
        from jobs.workspace import hand_over

        hand_over(folder, rung.uid)
    with sandbox.Child([python(), "-P", "-c", script, str(folder)], folder, bounds, rung) as child:
        while child.end is None and time.monotonic() < until:
            said += child.lines(0.1)
    return [line.decode() for line in said], child.end


def test_the_ladder_answers_with_the_best_rung_that_stands():
    rung, told = ladder.climb()
    assert rung == STANDING[0]
    assert told


@each_walled
def test_nothing_gets_out(rung):
    answers = ladder.probe(rung)
    out = {name for name in ladder.FORBIDDEN[rung.name] if not answers[name].startswith("refused")}
    assert not out
    assert answers["write inside"] == "possible"


@each_walled
def test_the_data_folder_and_both_servers_are_out_of_reach(rung, folder, servers, settings):
    from webapp.up.places import run_dir

    sockets = [str(run_dir(settings.DATA_DIR) / name) for name in (".s.PGSQL.5432", "valkey.sock")]
    secret = str(settings.DATA_DIR / "django.secret")
    assert all(map(os.path.exists, [*sockets, secret]))
    for path in sockets:        # from outside they answer
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(path)
    script = f"""
import socket
for path in {sockets!r}:
    try:
        socket.socket(socket.AF_UNIX).connect(path); print("connected", flush=True)
    except OSError: print("no", flush=True)
try: print(open({secret!r}).read(), flush=True)
except OSError: print("no", flush=True)
"""
    said, end = run(rung, script, folder)
    assert said == ["no", "no", "no"]
    assert end.code == 0


@each
def test_the_environment_is_empty_and_descriptors_are_closed(rung, folder, monkeypatch):
    monkeypatch.setenv("ESPALIER_SECRET_KEY", "do-not-tell")
    script = "import os,json; print(json.dumps([dict(os.environ), sorted(map(int, os.listdir('/proc/self/fd')))]), flush=True)"
    said, _ = run(rung, script, folder)
    names, open_files = json.loads(said[0])
    assert "do-not-tell" not in str(names)
    assert {"PATH", "HOME", "LANG"} <= names.keys()
    assert len(open_files) <= 4         # three, and the listing itself


@each
def test_the_memory_limit_is_felt_and_the_peak_is_told(rung, folder):
    script = "import time; x = bytearray(b'1') * (200 << 20); print('fits', flush=True); time.sleep(0.6); y = bytearray(3 << 30)"
    said, end = run(rung, script, folder)
    assert said == ["fits"]
    assert end.code == 1
    assert "MemoryError" in end.stderr
    assert 200 << 20 < end.peak_bytes < 600 << 20


@linux
@each
def test_a_fork_bomb_is_put_down(rung, folder):
    script = ("import os, time\nfor _ in range(3000):\n    if os.fork() == 0:\n        time.sleep(30)\n"
              "print('all', flush=True)\ntime.sleep(30)")
    began = time.monotonic()
    said, end = run(rung, script, folder, seconds=15)
    assert time.monotonic() - began < 15
    assert said == [] or end.code != 0
    assert sandbox.CROWD in end.stderr or "BlockingIOError" in end.stderr      # where the kernel counts for us it says so first


@linux
@each
def test_memory_is_counted_together(rung, folder):
    script = ("import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        hold = os.urandom(1 << 20) * 60\n"
              "        time.sleep(30)\ntime.sleep(30)")
    _, end = run(rung, script, folder, Bounds(memory_bytes=300 << 20, cpu_seconds=20, file_bytes=1 << 20), seconds=15)
    assert end.signal == signal.SIGKILL
    assert "MemoryError" in end.stderr


@each
def test_a_file_larger_than_the_limit_is_cut(rung, folder):
    _, end = run(rung, "import sys; open(sys.argv[1] + '/out/f', 'wb').write(b'x' * (2 << 20))", folder)
    assert "File too large" in end.stderr
    assert (folder / "out/f").stat().st_size <= 1 << 20


@each
def test_asked_to_stop_it_may_say_goodbye(rung, folder):
    script = ("import os,signal,sys,time\ndef bye(*_):\n os.write(1, b'bye\\n'); os._exit(0)\n"       # print is not reentrant
              "signal.signal(signal.SIGTERM, bye); print('ready', flush=True)\ntime.sleep(30)")
    with sandbox.Child([python(), "-P", "-c", script, str(folder)], folder, BOUNDS, rung) as child:
        said = []
        while not said:
            said += child.lines(5)
        child.ask_to_stop()
        while child.end is None:
            said += child.lines(5)
    assert (said, child.end.stderr) == ([b"ready", b"bye"], "")
    assert child.end.code == 0


@each
def test_killed_as_a_group(rung, folder):
    script = ("import os,time,signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
              "for _ in range(2): os.fork()\nprint('here', flush=True)\ntime.sleep(60)")
    marker = str(folder)
    with sandbox.Child([python(), "-P", "-c", script, marker], folder, BOUNDS, rung) as child:
        said = []
        while len(said) < 4:
            said += child.lines(5)
        assert len(processes_with(marker)) >= 4
        child.kill()
        while child.end is None:
            child.lines(1)
    assert child.end.signal == signal.SIGKILL
    wait_for(lambda: not processes_with(marker))


@linux
@each
def test_the_child_dies_with_its_worker(rung, folder):
    """SIGKILL the parent: within five seconds nothing of the child is left."""
    parent = f"""
import os, sys, time
sys.path.insert(0, {os.getcwd()!r})
import django; from django.conf import settings; settings.configure()
from jobs import sandbox
from jobs.cage.rungs import Bounds, Rung, python
from pathlib import Path
folder = Path({str(folder)!r})
child = sandbox.Child([python(), "-P", "-c", "print('up', flush=True); import time; time.sleep(60)", str(folder)], folder,
                      Bounds(2 << 30, 20, 1 << 20), Rung({rung.name!r}, {rung.uid!r}))
while not child.lines(5): pass
print("up", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.kill()
    wait_for(lambda: not processes_with(f"{folder}"))


@each
def test_a_flood_on_one_line_is_not_kept(rung, folder):
    script = "print('x' * (3 << 20), flush=True); print('after', flush=True)"
    with sandbox.Child([python(), "-P", "-c", script, str(folder)], folder, BOUNDS, rung) as child:
        said = []
        while child.end is None:
            said += child.lines(0.1)
    assert (said, child.dropped) == ([b"after"], 1)


@each
def test_how_it_ended(rung, folder):
    assert run(rung, "import sys; sys.exit(2)", folder)[1].code == 2
    assert run(rung, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", folder)[1].signal == signal.SIGSEGV


@each
@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_the_compiler_runs_inside_and_what_it_made_is_loaded(rung, folder):
    script = ("from optimizers.export.library import Session, compiled; import numpy as np\n"
              "text = 'void model_predict_rows(const float *x, int n, float *out) { for (int i = 0; i < n; i++) out[i] = 2 * x[i]; }'\n"
              "print(Session(compiled(text, 1, 1)).run([], {'input': np.float32([[1], [4]])})[0].ravel().tolist())")
    said, end = run(rung, script, folder, seconds=60)
    assert said == ["[2.0, 8.0]"], end


def test_rlimits_alone_hold_nothing_and_say_so():
    assert not Rung("rlimits").holds
    assert ladder.FORBIDDEN["rlimits"] == ()


@linux
@pytest.mark.parametrize("name", ["jobs.cage.seccomp", "jobs.words", "jobs.limits", "jobs.workspace", "jobs.chunks"])
def test_doctests(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


def processes_with(word):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_text()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if word in line and state != "Z" and int(pid) != os.getpid():
            found.append(pid)
    return found


def wait_for(truth, seconds=5):
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.05)
