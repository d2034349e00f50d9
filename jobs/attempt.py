"""One attempt at one job, from the claimed row to its last write."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connection

from jobs import sandbox
from jobs.cage.rungs import Bounds, Rung
from jobs.claim import Lease, LeaseLost
from jobs.finish import failure, finish
from jobs.heartbeat import Heartbeat
from jobs.limits import limit, memory_limit
from jobs.models import Attempt, Job
from jobs.relay import Relay
from jobs.verdict import conclude
from jobs.workspace import suffix, workspace
from optimizers import events
from optimizers.errors import Refusal

log = logging.getLogger(__name__)
TICK = 0.25


def see_through(lease: Lease, threads: int = 1, leaving: Callable[[], bool] = lambda: False) -> None:
    """Run the job's child to its end and write what came of it. Never raises for anything the child did."""
    job = Job.objects.select_related("asset__blob", "model__blob", "dataset__blob").get(id=lease.job_id)
    rung = sandbox.rung()
    Attempt.objects.filter(id=lease.attempt_id).update(cage=rung.name, versions=versions())
    try:
        if refused := needs_a_wall(job, rung):
            finish(lease, Job.State.FAILED, failed=refused)
            return
        with Heartbeat(lease) as pulse, workspace(lease, job, threads, rung.uid) as folder:
            relay = Relay(lease, job, folder)
            with sandbox.Child(sandbox.craft(folder), folder, bounds_of(job, threads), rung) as child:
                why = Watch(child, relay, pulse, wall_seconds(job), leaving).run()
            if why == "lost":
                raise LeaseLost
            patiently(pulse, relay.close)
            patiently(pulse, lambda: conclude(lease, job, relay, child, why))
    except LeaseLost:
        log.warning("job %s: attempt %d lost its lease", lease.job_id, lease.number)
    except Exception as error:
        log.exception("job %s: the worker stumbled", lease.job_id)
        connection.close()
        finish(lease, Job.State.FAILED, failed=events.Failed(stage="worker", fault="ours", trace=traceback.format_exc()[-20000:],
                                                             refusal=Refusal(wrong=type(error).__name__, code="ours")))


def patiently(pulse: Heartbeat, write: Callable[[], None]) -> None:
    """Write through a restart of Postgres, for as long as the lease can hold. Every write is fenced, so twice is harmless."""
    pause = 0.1
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if pulse.lost:
                raise LeaseLost from error
            log.warning("database: %s; trying again", error)
            connection.close()
            time.sleep(pause)
            pause = min(2.0, pause * 2)


@dataclass
class Watch:
    """Hears a child until it is gone, and tells why it was stopped ("" when it ended by itself)."""

    child: sandbox.Child
    relay: Relay
    pulse: Heartbeat
    wall: float
    leaving: Callable[[], bool]
    why: str = ""

    def run(self) -> str:
        started, kill_at, weigh_at = time.monotonic(), float("inf"), time.monotonic() + 5
        self.scratch_full = False
        while self.child.end is None:
            lines = self.child.lines(TICK)
            self.relay.listen(lines)
            try:
                patiently(self.pulse, self.relay.tell)
            except LeaseLost:
                self.pulse.lost = True
            now = time.monotonic()
            if now >= weigh_at:
                self.scratch_full, weigh_at = sandbox.used_bytes(self.relay.folder) > limit("scratch_bytes"), now + 5
            if self.pulse.lost:
                self.child.kill()
                return "lost"
            if not self.why and (why := self.reason(now - started, now - self.relay.heard_at)):
                self.why, kill_at = why, now + limit("stop_seconds")
                self.child.ask_to_stop()
            if now >= kill_at:
                self.child.kill()
        return self.why

    def reason(self, running: float, quiet: float) -> str:
        """Why the child must stop now, if it must."""
        if self.pulse.cancelled:
            return "cancelled"
        if self.leaving():
            return "leaving"
        if running > self.wall:
            return "wall"
        if quiet > limit("quiet_seconds"):
            return "quiet"
        return "scratch" if self.scratch_full else ""


def bounds_of(job: Job, threads: int) -> Bounds:
    inspecting = job.kind == Job.Kind.INSPECT
    cuda = job.capability == "gpu" and not inspecting
    return Bounds(memory_bytes=min(int(limit("inspect_bytes")), memory_limit()) if inspecting else memory_limit(),
                  cpu_seconds=int(wall_seconds(job) * (threads + 1)) + 60, file_bytes=int(limit("scratch_bytes")),
                  threads=threads, cuda=cuda)


def wall_seconds(job: Job) -> float:
    if job.kind == Job.Kind.INSPECT:
        return limit("inspect_seconds")
    minutes = job.budget.get("minutes")
    return minutes * 60 + limit("fit_slack_seconds") if minutes else limit("fit_seconds")


def needs_a_wall(job: Job, rung: Rung):
    """Refuse to open code where nothing would hold it."""
    model = job.model or (job.asset if job.asset and job.asset.kind == "model" else None)
    if rung.holds or model is None or suffix(model.filename) != ".pt2":
        return None
    return failure("A .pt2 file is code, and this server has no cage that would hold it.",
                   "Export the model to ONNX and upload that, or ask the administrator to install bubblewrap.", "no-cage", "open")


def versions() -> dict[str, str]:
    """What the child will run with, read from the installed packages' records: nothing heavy is imported here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "onnx", "onnxruntime", "numpy", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
