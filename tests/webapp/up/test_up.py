"""`manage.py up`, really run: it serves, mends what falls, and leaves nothing behind, however it ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from webapp.up import places

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"), pytest.mark.timeout(240)]


class Up:
    """One `manage.py up` on a folder and a port of its own."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.log = data, free_port(), data / "up.log"
        self.process: subprocess.Popen | None = None

    def start(self, *arguments: str, **env: str) -> "Up":
        clean = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port), "--slots", "1", *arguments], cwd=ROOT,
            env=clean | {"ESPALIER_DATA": str(self.data), "PYTHONUNBUFFERED": "1"} | env, stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT, start_new_session=True)
        return self

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
            return reply.read().decode()

    def ready(self, seconds: float = 90) -> "Up":
        assert until(lambda: "is ready at" in self.text() or self.process.poll() is not None, seconds), self.text()
        assert self.process.poll() is None, self.text()
        return self

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def family(self) -> dict[int, str]:
        """Every living process whose arguments or environment name our folder, apart from ourselves."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                if str(self.data).encode() in words and (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def one(self, words: str) -> int:
        return next(pid for pid, line in self.family().items() if words in line)

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture
def up():
    data = Path(tempfile.mkdtemp(prefix="espalier-up-"))
    house = Up(data)
    yield house
    for pid in house.family():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not house.family(), 5)
    shutil.rmtree(data, ignore_errors=True)


def test_the_first_boot_serves_a_page_and_ctrl_c_leaves_nothing(up):
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)         # of other people's work: then only the order of events is tested
    begin = time.monotonic()
    up.start().ready()
    assert "Espalier" in up.get("/accounts/login/")
    boot = time.monotonic() - begin
    print(f"first boot to first page: {boot:.1f} s")
    assert boot < (90 if busy else 15)
    assert '"ready": true' in up.get("/readyz")
    running = {word for line in up.family().values() for word in re.findall(r"\w+", line)}
    assert {"beat", "worker", "uvicorn", "postgres", "valkey"} <= running
    second = subprocess.run([sys.executable, "manage.py", "up", "--port", str(free_port())], cwd=ROOT, capture_output=True, text=True,
                            env=os.environ | {"ESPALIER_DATA": str(up.data), "DATABASE_URL": "", "REDIS_URL": ""})
    assert second.returncode == 1
    assert "already runs on this data folder" in second.stderr
    assert up.end(signal.SIGINT) == 0, up.text()
    assert up.family() == {}
    assert "Everything has stopped" in up.text()


def test_a_taken_port_is_refused_before_anything_starts(up):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        up.start()
        assert up.process.wait(30) == 1
    assert "cannot be listened on" in up.text()
    assert not (up.data / "postgres").exists()


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nothing_and_the_next_boot_is_clean(up):
    up.start().ready()
    up.end(signal.SIGKILL)
    assert until(lambda: not up.family(), 30), up.family()
    up.start().ready()
    assert up.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("words", ["uvicorn", "celery worker", "beat", "valkey-server", "postgres -D"])
def test_a_fallen_child_is_started_again(up, words):
    words = words.replace("celery worker", "jobs.celery worker")
    up.start().ready()
    pid = up.one(words)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: any(words in line and other != pid for other, line in up.family().items()), 20), up.text()
    assert until(lambda: quiet(lambda: '"ready": true' in up.get("/readyz")), 20), up.text()
    assert "starting it again in 1 s" in up.text()
    assert up.end() == 0
    assert up.family() == {}


@pytest.mark.slow
def test_external_services_are_used_when_named(up, servers):
    """With DATABASE_URL and REDIS_URL nothing of ours is started."""
    from django.conf import settings

    with psycopg.connect(os.environ.get("DATABASE_URL") or places.database_url(settings.DATA_DIR), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS elsewhere WITH (FORCE)")
        connection.execute("CREATE DATABASE elsewhere")
    database = (os.environ.get("DATABASE_URL") or places.database_url(settings.DATA_DIR)).replace("/espalier?", "/elsewhere?")
    up.start(DATABASE_URL=database, REDIS_URL=settings.REDIS_URL).ready()
    assert not (up.data / "postgres").exists()
    assert '"ready": true' in up.get("/readyz")
    assert up.end() == 0


def until(true, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def quiet(ask) -> bool:
    try:
        return ask()
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
