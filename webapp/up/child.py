"""One child process on a leash: started, watched, stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from webapp.up.account import Account

LEASH = Path(__file__).with_name("leash.py")
HOW = "kernel" if sys.platform == "linux" else "pipe"


class Child:
    """A program that dies with us.  stop_signal: what asks it to end;  grace_s: how long it may take before SIGKILL to its whole group."""

    def __init__(self, name: str, argv: list[str], *, who: Account | None = None, stop_signal: int = signal.SIGTERM,
                 grace_s: float = 15, cwd: Path | str = "/", env: dict[str, str] | None = None, how: str = HOW) -> None:
        self.name, self.argv, self.who, self.stop_signal, self.grace_s = name, argv, who or Account(), stop_signal, grace_s
        self.cwd, self.env, self.how = cwd, env, how
        self.started: subprocess.Popen | None = None

    def start(self, output: int | IO | None = None) -> None:
        """Start it in a session of its own: Ctrl-C in a terminal then reaches only us, and we stop the children in order."""
        numbers = (os.getpid(), self.who.uid, self.who.gid, int(self.stop_signal))
        self.started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LEASH), self.how, *map(str, numbers), "--", *self.argv],
            start_new_session=True, cwd=self.cwd, env=self.env, stdout=output,
            stdin=subprocess.DEVNULL if self.how == "kernel" else subprocess.PIPE,
            stderr=subprocess.STDOUT if output is not None else None,
        )

    @property
    def process(self) -> subprocess.Popen:
        assert self.started is not None, f"{self.name} was never started"
        return self.started

    @property
    def running(self) -> bool:
        return self.started is not None and self.started.poll() is None

    def ask_to_stop(self) -> None:
        if self.running:
            self.process.send_signal(self.stop_signal)

    def stop(self) -> int | None:
        """Ask, wait up to grace_s, then kill the group. Returns the exit status."""
        if self.started is None:
            return None
        self.ask_to_stop()
        try:
            self.process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            pass
        self.kill_group()
        return self.process.wait()

    def kill_group(self) -> None:
        """Whatever is left of its session's group, the program itself or children it forgot."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def wait_until(ready, process: subprocess.Popen, seconds: float) -> bool:
    """Poll `ready()` until it is true, the process ended, or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if ready():
            return True
        time.sleep(0.03)
    return False
