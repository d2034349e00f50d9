"""A worker's share: how many slots it has, what it may claim now, and one job after another until nothing waits."""

import logging
import os
import socket
import threading
import time
from collections import Counter

from django.db import connection

from jobs.attempt import see_through
from jobs.claim import Lease, claim
from jobs.models import Job, Worker

log = logging.getLogger(__name__)
LEAVING = threading.Event()     # set by SIGTERM: children stop and keep what they have, leases go back
NAME = f"{socket.gethostname()}-{os.getpid()}"


class Slots:
    """What this process runs. With two slots or more, one is always free for an inspection: an upload never waits for a long fit."""

    def __init__(self) -> None:
        self.count, self.running, self.lock = 1, Counter[str](), threading.Lock()
        self.woken_at = time.monotonic()

    def kinds(self) -> list[str]:
        fits = max(1, self.count - 1)
        kinds = [str(Job.Kind.INSPECT)]
        return kinds + ([str(Job.Kind.FIT)] if self.running[Job.Kind.FIT] < fits else [])

    def take(self) -> tuple[Lease, str] | None:
        """Claim one job of a kind that has a slot."""
        with self.lock:
            if sum(self.running.values()) >= self.count:
                return None
            lease = claim(NAME, capabilities(), self.kinds())
            if lease is None:
                return None
            kind = Job.objects.values_list("kind", flat=True).get(id=lease.job_id)
            self.running[kind] += 1
            return lease, kind

    def free(self, kind: str) -> None:
        with self.lock:
            self.running[kind] -= 1

    def threads(self, kind: str) -> int:
        """Cores for one child: an inspection gets one, the fits share the machine."""
        return 1 if kind == Job.Kind.INSPECT else max(1, (os.cpu_count() or 1) // max(1, self.count - 1))


SLOTS = Slots()


def work() -> int:
    """Claim and see through, until nothing waits that this worker can do. Returns how many jobs it was."""
    done, SLOTS.woken_at = 0, time.monotonic()
    while not LEAVING.is_set() and (taken := SLOTS.take()):
        lease, kind = taken
        Worker.objects.filter(name=NAME).update(busy_with=lease.job_id)
        try:
            see_through(lease, SLOTS.threads(kind), LEAVING.is_set)
        except Exception:
            log.exception("job %s: the worker stumbled; its lease will lapse and the job goes back to the queue", lease.job_id)
        finally:
            SLOTS.free(kind)
            Worker.objects.filter(name=NAME).update(busy_with=None)
        done += 1
    connection.close()
    return done


def capabilities() -> list[str]:
    """What this machine can do: cpu, and gpu where an NVIDIA device is in sight."""
    return ["cpu"] + (["gpu"] if os.path.exists("/dev/nvidiactl") else [])
