"""The embedded servers are real, closed to strangers, and gone when we are."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from optimizers.errors import OptimizerError
from webapp.up import places
from webapp.up.child import Child
from webapp.up.embedded import embedded
from webapp.up.postgres import Postgres
from webapp.up.valkey import config


@pytest.fixture
def data(tmp_path_factory) -> Path:
    """A short folder that the account of the servers can reach; pytest's own are closed to others."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="espalier-up-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_data_survives_a_restart_and_strangers_stay_out(data):
    with embedded(data, subprocess.DEVNULL) as (database, broker):
        with psycopg.connect(database) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
            assert connection.execute("SHOW listen_addresses").fetchone()[0] == ""
            assert connection.execute("SHOW server_encoding").fetchone()[0] == "UTF8"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host=str(places.run_dir(data)), user="espalier", password="guess", dbname="espalier")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=str(places.run_dir(data) / "valkey.sock")).ping()
        store = redis.Redis(unix_socket_path=str(places.run_dir(data) / "valkey.sock"), password=places.password(data, "valkey"))
        assert store.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        store.set("kept", "7")
        assert broker.startswith("redis+socket://")
    with embedded(data, subprocess.DEVNULL) as (database, _):
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        store = redis.Redis(unix_socket_path=str(places.run_dir(data) / "valkey.sock"), password=places.password(data, "valkey"))
        assert store.get("kept") == b"7"


def test_secrets_are_readable_by_their_owner_alone(data):
    places.secret_key(data)
    assert (data / "django.secret").stat().st_mode & 0o077 == 0
    assert places.secret_key(data) == places.secret_key(data)


def test_another_major_version_is_refused_with_the_command(data):
    server = Postgres(data)
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(OptimizerError) as caught:
        server.prepare()
    assert caught.value.refusal.code == "postgres-major"
    assert "pg_dump" in caught.value.refusal.mend


def test_valkey_keeps_its_password_out_of_the_arguments(data):
    secret = places.password(data, "valkey")
    assert secret in config(data, data / "s", secret)
    with embedded(data, subprocess.DEVNULL):
        arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()] if sys.platform == "linux" else []
        assert not any(secret.encode() in line for line in arguments)


SCRIPT = """
import subprocess, sys, time
from webapp.up.child import Child
child = Child("sleeper", [{python!r}, "-c", "import time; time.sleep(60)"], how={how!r})
child.start()
time.sleep(0.5)
print(child.process.pid, flush=True)
time.sleep(60)
"""


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["kernel", "pipe"])
def test_a_child_dies_with_a_killed_parent(how):
    """Both leashes: the kernel's, and the pipe that other systems use."""
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT.format(python=sys.executable, how=how)], stdout=subprocess.PIPE,
                              cwd=Path(__file__).parents[3], env=os.environ | {"PYTHONPATH": "."})
    pid = int(parent.stdout.readline())
    family = [pid, *children_of(pid)]
    assert len(family) == (2 if how == "pipe" else 1)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 10
    while any(map(alive, family)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, family))


def test_stop_kills_a_group_that_ignores_the_request():
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = Child("stubborn", [sys.executable, "-c", stubborn], grace_s=0.3)
    child.start(subprocess.PIPE)
    assert child.process.stdout.readline() == b"deaf\n"
    assert child.stop() == -9


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the servers another account")
def test_binaries_behind_a_closed_door_are_copied_where_the_account_can_run_them(data, tmp_path):
    """A virtual environment under /root: the wheel's folder cannot be entered by `nobody`."""
    import shutil

    from webapp.up.account import account, lend
    from webapp.up.postgres import reachable, wheel_binaries

    real = wheel_binaries()
    package, closed = real.parents[1], tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    lend(data, account(), data / "run")
    found = reachable(closed / package.name / real.parent.name / "bin", data, account())
    assert found.is_relative_to(data)
    assert account().can_run(found / "initdb")
