"""What the house is made of: the commands of web, worker and beat, in the order in which they start."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from webapp.up.child import Child

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plan:
    """data: folder of services and secrets.  slots: jobs at once.  embedded: which of "postgres", "valkey" are ours to run."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    slots: int = 2
    embedded: tuple[str, ...] = ("postgres", "valkey")

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host
        return f"http://{host}:{self.port}/"

    def children(self) -> list[Child]:
        env = os.environ | {"ESPALIER_DATA": str(self.data), "DJANGO_SETTINGS_MODULE": "webapp.settings", "PYTHONUNBUFFERED": "1"}
        env.setdefault("PYTHONWARNINGS", "ignore:You're running the worker")       # said once, in our own words, by up
        return [Child(name, [sys.executable, "-m", *argv], cwd=ROOT, env=env, grace_s=grace) for name, argv, grace in (
            ("web", self.web(), 8),
            ("worker", self.worker(), 40),
            ("beat", self.beat(), 8),
        )]

    def web(self) -> list[str]:
        """Event streams stay open for hours: after three seconds of grace they are cut."""
        return ["uvicorn", "webapp.asgi:application", "--host", self.host, "--port", str(self.port), "--lifespan", "off",
                "--timeout-graceful-shutdown", "3", "--log-level", "warning", "--no-server-header"]

    def worker(self) -> list[str]:
        return ["celery", "-q", "-A", "jobs.celery", "worker", "-c", str(self.slots), "-l", "warning",
                "--without-gossip", "--without-mingle"]

    def beat(self) -> list[str]:
        """Its schedule file is a cache of what settings say, so it may vanish with the folder."""
        return ["celery", "-q", "-A", "jobs.celery", "beat", "-l", "warning", "-s", str(self.data / "beat-schedule"), "--pidfile="]
