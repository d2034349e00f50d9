"""The child's words into Postgres. Each line is a stranger's: measured, validated, counted; files are opened without following links."""

import logging
import time
from collections import deque
from pathlib import Path
from typing import Any

from jobs import hints, store
from jobs.artifacts import UnfitFile, read_file
from jobs.claim import Lease, fenced
from jobs.limits import limit
from jobs.models import Artifact, Blob, Candidate, Checkpoint, Event, Job
from jobs.words import event_row, finite, parse
from optimizers import events

log = logging.getLogger(__name__)
PAUSE = 0.2                     # seconds between two writes of progress, log and curves
PNG = "data:image/png;base64,"
CHECKPOINTS = 100               # files of one job
BYTES = 64 * 1024**2            # stored of one attempt's log and curves


class Relay:
    """Hears the lines of one attempt. `done`, `failed`, `card` are its last words, for `finish`; `dropped` counts what was not believed."""

    def __init__(self, lease: Lease, job: Job, folder: Path) -> None:
        self.lease, self.folder, self.kind = lease, folder, job.kind
        self.metric = job.goal.get("metric", "top1")
        self.done: events.Done | None = None
        self.failed: events.Failed | None = None
        self.inspected: events.Inspected | None = None
        self.inbox: deque[tuple[events.Base, int]] = deque()
        self.heard_at = time.monotonic()
        self.dropped = self.stored = self.bytes = self.candidates = 0
        self.tokens, self.filled_at = limit("events_per_second") * 5, time.monotonic()
        self.rows: list[Event] = []
        self.changes: dict[str, Any] = {}           # columns of the job's row that wait to be written
        self.flushed_at = 0.0
        self.changed: set[str] = set()              # checkpoints that were said to be new
        self.stored_at: dict[str, float] = {}       # when each was last stored

    # -- hearing

    def listen(self, lines: list[bytes]) -> None:
        """Take some lines in; touches no database."""
        for line in lines:
            event = parse(line)
            if event is None:
                self.dropped += 1
                continue
            self.heard_at = time.monotonic()
            self.inbox.append((event, len(line)))

    def tell(self) -> None:
        """Write what was heard. Raises LeaseLost when the job is no longer ours; after a database error it can be called again."""
        while self.inbox:
            self.hear(*self.inbox[0])
            self.inbox.popleft()
        if time.monotonic() - self.flushed_at >= PAUSE:
            self.flush()
            self.store_checkpoints()

    def hear(self, event: events.Base, size: int) -> None:
        match event:
            case events.Progress():
                self.changes |= {"progress": event.fraction, "step": event.step, "note": event.note,
                                 "eta_seconds": finite(event.eta_seconds)}
            case events.Plan():
                self.changes["plan"] = [step.model_dump(mode="json") for step in event.steps]
            case events.Log() | events.Curve():
                if self.room_for(size):
                    self.rows.append(Event(job_id=self.lease.job_id, type=event.type, data=event_row(event)))
            case events.Kept():
                self.keep(event)
            case events.Checkpoint():
                self.changed.add(event.path)
                if len(self.changed | self.stored_at.keys()) > CHECKPOINTS:
                    self.changed.discard(event.path)
                    self.dropped += 1
            case events.Inspected():
                self.inspected = event
            case events.Failed():
                self.failed = self.failed or event
            case events.Done():
                self.done = event

    def room_for(self, size: int) -> bool:
        """Whether one more log line or curve point is stored; a bucket that refills bounds the rate."""
        now = time.monotonic()
        rate = limit("events_per_second")
        self.tokens = min(rate * 5, self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.tokens < 1 or self.stored >= limit("events") or self.bytes + size > BYTES:
            self.dropped += 1
            return False
        self.tokens, self.stored, self.bytes = self.tokens - 1, self.stored + 1, self.bytes + size
        return True

    # -- writing

    def flush(self) -> None:
        """Everything that waits, in one fenced transaction."""
        if not (self.rows or self.changes):
            return
        with fenced(self.lease) as job:
            Event.objects.bulk_create(self.rows)
            if self.changes:
                Job.objects.filter(id=job.id).update(**self.changes)
            hints.publish(job)
        self.rows, self.changes, self.flushed_at = [], {}, time.monotonic()

    def keep(self, event: events.Kept) -> None:
        """A candidate and its files: the bytes first, then every row in one transaction, so that no page ever sees half of one."""
        if self.candidates >= limit("candidates"):
            self.dropped += 1
            return
        found = event.candidate
        blobs: list[tuple[Any, Blob]] = []
        try:
            for file in found.files:
                blobs.append((file, store.put(read_file(self.folder / "out", file.path, limit("artifact_bytes")))))
                if (blobs[-1][1].sha256, blobs[-1][1].size) != (file.sha256, file.bytes):
                    raise UnfitFile(f"{file.path} is not what its candidate says it is")
        except UnfitFile as error:
            self.dropped += 1
            log.warning("job %s: candidate %s refused: %s", self.lease.job_id, found.key, error)
            for _, blob in blobs:
                store.delete(blob)
            return
        self.flush()
        with fenced(self.lease) as job:
            row = candidate_row(job, found, self.metric)
            for file, blob in blobs:
                Artifact.objects.create(job=job, candidate=row, role=file.role, name=file.name, media_type=file.media_type[:80], blob=blob)
            Event.objects.create(job=job, type="candidate", data={"key": found.key, "title": found.title[:200], "fits": found.fits})
            hints.publish(job)
        self.candidates += 1

    def store_checkpoints(self, all_of_them: bool = False) -> None:
        """Those that were said to have changed, each at most every ten seconds but for the last time."""
        now = time.monotonic()
        for path in sorted(self.changed):
            if all_of_them or now - self.stored_at.get(path, -1e9) >= limit("checkpoint_seconds"):
                self.changed.discard(path)
                self.stored_at[path] = now
                self.store_checkpoint(path)

    def store_checkpoint(self, path: str) -> None:
        folder, _, name = path.partition("/")
        try:
            if folder != "checkpoint" or "/" in name or len(path) > 200:
                raise UnfitFile(f"{path!r} is not in checkpoint/")
            blob = store.put(read_file(self.folder / "checkpoint", name, limit("checkpoint_bytes")))
        except UnfitFile as error:
            self.dropped += 1
            log.warning("job %s: checkpoint refused: %s", self.lease.job_id, error)
            return
        with fenced(self.lease) as job:
            Checkpoint.objects.update_or_create(job=job, path=path, defaults={"blob": blob})

    def say(self, text: str, level: str = "warning") -> None:
        """A line of our own in the job's log."""
        data = {"level": level, "topic": "worker", "text": text, "at": time.time()}
        self.rows.append(Event(job_id=self.lease.job_id, type="log", data=data))

    def close(self) -> None:
        """The last words are in: write the rest, and say what was not believed."""
        self.tell()
        if self.dropped:
            self.say(f"{self.dropped} messages of the job were left out: malformed, too large, or too many.")
            self.dropped = 0
        self.flush()
        self.store_checkpoints(all_of_them=True)

    def card(self, role: str) -> dict[str, Any] | None:
        """What inspection found, if it is about the kind of thing that was asked."""
        found = getattr(self.inspected, role, None)
        if role == "dataset" and found and found.kind in ("images", "array"):       # a page puts these into <img>
            found = found.model_copy(update={"preview": tuple(text for text in found.preview if text.startswith(PNG))})
        return found.model_dump(mode="json") if found else None


def candidate_row(job: Job, found: Any, metric: str) -> Candidate:
    """The row of a candidate, new or in the place of an earlier one with the same key (whose files go)."""
    data = found.model_dump(mode="json")
    value = lambda name: finite(found.measurements[name].value) if name in found.measurements else None
    row, created = Candidate.objects.update_or_create(job=job, key=found.key, defaults={
        "title": found.title[:200], "baseline": found.baseline, "fits": found.fits, "quality": value(metric), "size_kib": value("size_kib"),
        "data": data})
    if not created:
        row.artifacts.all().delete()
    return row
