"""All that a technique may know of the outside: seed, progress, curves, checkpoints, whether to stop, and a folder to scribble in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers import events
from optimizers.errors import Stopped

if TYPE_CHECKING:
    from optimizers.device import Device
    from optimizers.models.network import Network
    from optimizers.technique import Technique

Emit = Callable[[events.Base], None]


class Context:
    """One run's link to whoever watches it. `emit` takes any event; `stopping` answers whether a stop was asked for.

    work: the run's folder; out/ and checkpoint/ lie in it.  deadline: seconds on the monotonic clock, or None.
    device, metric: what the result must run on and is judged by, where that is known.
    original: the network the recipe at hand started from: the uploaded one, or, without one, what its first step made. None until there
    is one, and where a technique is used without a run.
    """

    def __init__(self, work: Path, *, seed: int = 0, threads: int = 1, emit: Emit = lambda event: None,
                 stopping: Callable[[], bool] = lambda: False, deadline: float | None = None,
                 clock: Callable[[], float] = time.monotonic, device: Device | None = None, metric: str | None = None) -> None:
        self.work, self.seed, self.threads, self.deadline, self.clock = work, seed, threads, deadline, clock
        self.device, self.metric = device, metric
        self._emit, self._stopping = emit, stopping
        self.original: Network | None = None
        self.candidate = self.step = ""
        self.memory: dict[str, Any] = {}        # what this run worked out once and may want again
        self.training_share = 0.9               # of the time left, what one training may take; less when other recipes wait
        self.followed: Technique | None = None  # what the present step came to, where it was a search: the recipe names that
        self.epochs: int | None = None          # how many the last training had time for, where that was fewer than asked
        self.base, self.span = 0.0, 1.0         # the slice of the whole that the present step fills
        self.started = clock()

    def emit(self, event: events.Base) -> None:
        self._emit(event)

    def report(self, fraction: float, note: str = "") -> None:
        """Say how far the present step is, 0 to 1; also where a stop request takes effect (raises Stopped)."""
        whole = min(1.0, self.base + self.span * min(max(fraction, 0.0), 1.0))
        spent = self.clock() - self.started
        eta = spent * (1 - whole) / whole if whole > 0.02 else None
        if eta is not None and self.deadline is not None:
            eta = min(eta, max(0.0, self.deadline - self.clock()))
        self._emit(events.Progress(fraction=whole, step=self.step, note=note[:2000], eta_seconds=eta))
        if self._stopping():
            raise Stopped

    def log(self, text: str, topic: str = "", level: str = "info") -> None:
        self._emit(events.Log(text=text[:2000], topic=topic, level=level))  # type: ignore[arg-type]

    def curve(self, name: str, x: float, y: float) -> None:
        self._emit(events.Curve(candidate=self.candidate, name=name, x=x, y=y))

    def remaining(self) -> float | None:
        """Seconds until the deadline, never below 0; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock())

    @contextmanager
    def part(self, start: float, end: float, training_share: float = 1.0) -> Iterator[None]:
        """While it lasts, reports fill only this slice (0 to 1) of the step, and a training takes only this share of what it might."""
        base, span, share = self.base, self.span, self.training_share
        self.base, self.span, self.training_share = base + span * start, span * (end - start), share * training_share
        try:
            yield
        finally:
            self.base, self.span, self.training_share = base, span, share

    @property
    def scratch(self) -> Path:
        folder = self.work / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def checkpoint(self, key: str, save: Callable[[Path], None], **facts: Any) -> None:
        """Keep a state under `key` ([a-z0-9-]+): `save` writes one file; it replaces the older one whole or not at all."""
        folder = self.work / "checkpoint"
        folder.mkdir(parents=True, exist_ok=True)
        fresh, final = folder / f"{key}.new", folder / f"{key}.state"
        save(fresh)
        fresh.replace(final)
        note = folder / f"{key}.json"
        note.write_text(json.dumps(facts))
        for path in (final, note):
            self._emit(events.Checkpoint(path=f"checkpoint/{path.name}"))

    def resume(self, key: str) -> tuple[Path, dict[str, Any]] | None:
        """The state an earlier attempt left under `key` and its facts, or None."""
        state, note = self.work / "checkpoint" / f"{key}.state", self.work / "checkpoint" / f"{key}.json"
        if not (state.is_file() and note.is_file()):
            return None
        return state, json.loads(note.read_text())
