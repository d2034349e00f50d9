"""The plan as its watchers see it: one line a recipe, told anew whenever a line changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optimizers import events
from optimizers.errors import OptimizerError

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.search.planner import Planned

BASELINE_SECONDS = 5.0
PROBE = "sensitivity"       # key of the step that looks at every layer


class Board:
    """Steps by key, in order; sets the context's slice of the whole as steps run."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.steps: dict[str, events.Step] = {}
        self.reached = 0.0

    def lay(self, baseline: str | None, rows: list[tuple[str, Planned]], probe: tuple[int, float] | None = None) -> None:
        """Show the plan. baseline: key of the uploaded network, which is measured first.

        probe: before which row every layer is looked at, and how many seconds that takes.
        """
        if baseline:
            self.steps[baseline] = events.Step(key=baseline, title="Measure the original", expected_seconds=BASELINE_SECONDS)
        for number, (key, row) in enumerate([*rows, ("", None)]):
            if probe is not None and probe[0] == number:
                self.steps[PROBE] = events.Step(key=PROBE, title="Look at every layer", expected_seconds=probe[1])
            if row is not None:
                self.steps[key] = events.Step(key=key, title=row.recipe.title()[:200], expected_seconds=row.seconds)
        self.tell()

    def add(self, key: str, row: Planned) -> None:
        """One more line, for which there was time after all."""
        self.steps[key] = events.Step(key=key, title=row.recipe.title()[:200], expected_seconds=row.seconds)

    @contextmanager
    def step(self, key: str, title: str) -> Iterator[None]:
        """Run one step: running, then done, failed or (when stopped) skipped."""
        self.ctx.candidate = self.ctx.step = key
        base, span = self.slice(key)
        self.ctx.base = max(base, self.reached)             # a step that was added later must not turn the bar back
        self.ctx.span = max(0.0, base + span - self.ctx.base)
        start = time.monotonic()
        self.set(key, "running")
        try:
            self.ctx.report(0.0, title)
            yield
        except OptimizerError as error:
            self.set(key, "failed", seconds=time.monotonic() - start, note=error.refusal.wrong[:2000])
            raise
        except BaseException as error:
            stopped = type(error).__name__ == "Stopped"
            self.set(key, "skipped" if stopped else "failed", seconds=time.monotonic() - start,
                     note="Stopped in the middle." if stopped else "It broke down; the log says how.")
            raise
        self.reached = max(self.reached, min(1.0, base + span))
        self.set(key, "done", seconds=time.monotonic() - start)

    def slice(self, key: str) -> tuple[float, float]:
        """Where this step lies in the whole, 0 to 1, by expected seconds."""
        weights = {name: max(step.expected_seconds or 1.0, 1.0) for name, step in self.steps.items()}
        total, before = sum(weights.values()), 0.0
        for name, weight in weights.items():
            if name == key:
                return before / total, weight / total
            before += weight
        return before / total, 0.0

    def set(self, key: str, state: str, **changes: Any) -> None:
        self.steps[key] = self.steps[key].model_copy(update={"state": state, **changes})
        self.tell()

    @property
    def waiting(self) -> int:
        """How many steps have not had their turn."""
        return sum(step.state == "waiting" for step in self.steps.values())

    def skip_rest(self, note: str) -> None:
        """Everything that never had its turn."""
        for key, step in self.steps.items():
            if step.state == "waiting":
                self.steps[key] = step.model_copy(update={"state": "skipped", "note": note})
        self.tell()

    def tell(self) -> None:
        self.ctx.emit(events.Plan(steps=tuple(self.steps.values())))
