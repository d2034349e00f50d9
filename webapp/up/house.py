"""The whole house as one tree of processes: start in order, restart what falls, stop in order, leave nothing behind."""

import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from optimizers.errors import OptimizerError
from webapp.up import postgres, valkey
from webapp.up.child import Child, wait_until
from webapp.up.plan import Plan
from webapp.up.voices import relay, say

WEB_S = 60
BACKOFF_S = (1, 2, 4, 8, 15, 30)
CALM_S = 60             # a child that lived this long has earned a fresh start


class House:
    """run() returns the exit status when somebody asked us to stop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stopping = threading.Event()
        self.children: list[Child] = []
        self.falls: dict[str, int] = {}
        self.started: dict[str, float] = {}
        self.due: dict[str, float] = {}

    def run(self) -> int:
        lock = hold(self.plan.data)
        free(self.plan.host, self.plan.port)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        begin = time.monotonic()
        if os.geteuid() == 0:
            say("up", "Running as root: the database and the broker run as 'nobody', the rest as root. A plain account is better.")
        try:
            self.open(begin)
            self.watch()
            return 0
        finally:
            self.close()
            lock.close()

    def open(self, begin: float) -> None:
        """Servers, tables, then the three of ours; a wish to stop is heard between the steps."""
        for step in (self.servers, self.tables, self.ours):
            if self.stopping.is_set():
                return
            step()
        if not self.stopping.is_set():
            say("up", f"Espalier is ready at {self.plan.url} ({time.monotonic() - begin:.1f} s). Ctrl-C stops it.")

    def servers(self) -> None:
        for kind in (postgres.Postgres, valkey.Valkey):
            if kind.name in self.plan.embedded:
                server = kind(self.plan.data)
                server.prepare()
                child = server.child()
                self.start(child)
                if not wait_until(server.ready, child.process, postgres.START_S):
                    raise RuntimeError(f"{kind.name} did not come up; its own words are above")
                server.settle()

    def tables(self) -> None:
        """Migrate under a lock of the database: two machines may start at once."""
        from django.core.management import call_command
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [0x65737061])
            try:
                call_command("migrate", interactive=False, verbosity=0)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [0x65737061])
        connection.close()
        getattr(connection, "close_pool", lambda: None)()

    def ours(self) -> None:
        """Web first, alone, so that the first page comes soon; then those who work."""
        web, *others = self.plan.children()
        self.start(web)
        if not wait_until(lambda: self.stopping.is_set() or answers(self.plan.url + "healthz"), web.process, WEB_S):
            raise RuntimeError("the web server did not come up; its own words are above")
        for child in others:
            self.start(child)

    def start(self, child: Child) -> None:
        child.start(subprocess.PIPE)
        assert child.process.stdout is not None
        relay(child.name, child.process.stdout)
        self.started[child.name] = time.monotonic()
        if child not in self.children:
            self.children.append(child)

    def watch(self) -> None:
        while not self.stopping.wait(0.2):
            for child in self.children:
                if not child.running:
                    self.mend(child)

    def mend(self, child: Child) -> None:
        """A fallen child: say so once, wait a growing while, start it again."""
        now = time.monotonic()
        if child.name not in self.due:
            if now - self.started[child.name] > CALM_S:
                self.falls[child.name] = 0
            fallen = self.falls.get(child.name, 0)
            pause = BACKOFF_S[min(fallen, len(BACKOFF_S) - 1)]
            self.falls[child.name], self.due[child.name] = fallen + 1, now + pause
            say("up", f"{child.name} ended with status {child.process.returncode}; starting it again in {pause} s")
        elif now >= self.due[child.name]:
            del self.due[child.name]
            self.start(child)

    def close(self) -> None:
        """Last started, first stopped: beat, worker, web, valkey, postgres. A second Ctrl-C shortens the patience."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.hurry)
        for child in reversed(self.children):
            child.stop()
        say("up", "Everything has stopped.")

    def hurry(self, *_: object) -> None:
        """Kill what holds no data; the two servers still end in their own way."""
        for child in self.children:
            if child.name not in {"postgres", "valkey"} and child.running:
                child.kill_group()


def hold(data: Path) -> IO:
    """A lock that ends with the process, however it ends. Raises OptimizerError when another house holds the folder."""
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OptimizerError("Espalier already runs on this data folder.", str(data),
                             "Stop the other one, or choose another folder with ESPALIER_DATA.", "already-up") from None
    return lock


def free(host: str, port: int) -> None:
    """Refuse a taken port before anything starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OptimizerError(f"The address cannot be listened on: {error.strerror}.", f"{host}:{port}",
                                 "Choose another with --host and --port.", "port-taken") from None


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except urllib.error.HTTPError:
        return True                     # it speaks; what it says is not our matter here
    except OSError:
        return False
