"""A worker's own row and its quiet rounds: say it is here, reap, and notice when it has gone deaf."""

import logging
import os
import signal
import threading
import time

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from jobs.cage.ladder import climb
from jobs.limits import limit, machine_memory
from jobs.models import Job, Worker
from jobs.reap import reap
from jobs.sandbox import work_root
from jobs.work import LEAVING, NAME, SLOTS, capabilities
from jobs.workspace import remove_stale

log = logging.getLogger(__name__)


def arrive() -> None:
    """The worker is ready: probe the cage, say so, take up what lies about, and start the rounds."""
    remove_stale()
    threading.Thread(target=rounds, name="rounds", daemon=True).start()
    threading.Thread(target=compile_craft, name="compile", daemon=True).start()


def register() -> None:
    rung, told = climb(work_root())
    Worker.objects.update_or_create(name=NAME, defaults={
        "capabilities": capabilities(), "cage": rung.name, "cage_detail": told, "cores": os.cpu_count() or 1,
        "memory_bytes": machine_memory(), "seen_at": Now()})


def depart() -> None:
    try:
        Worker.objects.filter(name=NAME).delete()
        connection.close()
    except (DatabaseError, InterfaceError):
        log.warning("the worker's row stays; it will look old in a minute")


def rounds() -> None:
    """Every 15 s until the end. Postgres may be away for a while: the next round tries again."""
    while True:
        try:
            register()
            reap()
            if deaf(time.monotonic() - SLOTS.woken_at):
                log.error("queued jobs, a free slot and no wake-up for %.0f s: this worker is deaf and starts anew", limit("deaf_seconds"))
                os.kill(os.getpid(), signal.SIGTERM)
        except (DatabaseError, InterfaceError) as error:
            log.warning("rounds: %s", error)
        connection.close()
        if LEAVING.wait(limit("reap_seconds")):
            return


def deaf(silence: float) -> bool:
    """Whether wake-ups should have come and did not (Celery sometimes stops consuming after Redis comes back)."""
    if silence < limit("deaf_seconds") or not Job.objects.filter(state=Job.State.QUEUED, capability__in=capabilities(),
                                                                 kind__in=SLOTS.kinds()).exists():
        return False
    return sum(SLOTS.running.values()) < SLOTS.count


def compile_craft() -> None:
    """Byte code of the craft, once: the children may not write any, and would compile it anew each time."""
    import compileall

    from jobs.cage.rungs import CODE

    compileall.compile_dir(CODE, quiet=2)
