"""What a worker's child does: read FOLDER/task.json, work, and say one JSON line an event on the stdout it was started with."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from optimizers import events
from optimizers.context import Context
from optimizers.errors import OptimizerError, Refusal, Stopped

if TYPE_CHECKING:
    from optimizers.task import Task

DONE, OURS, THEIRS = 0, 1, 2
RESERVE = 0.05          # share of the minutes kept back from training, for quantizing and measuring what was trained


def main(folder: Path) -> int:
    """Exit status: 0 done or stopped, 2 the user's mistake, 1 ours; both after an `error` event. SIGTERM asks for a stop."""
    speaker = Speaker(own_stdout())
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: asked.append(number))
    speaker.say(events.Log(text="Started.", topic="run"))
    try:
        task = read(folder)
        work(task, folder, speaker, lambda: bool(asked))
        return DONE
    except Stopped:
        return DONE
    except OptimizerError as error:
        speaker.say(events.Failed(stage=speaker.stage, fault="user", refusal=error.refusal))
        return THEIRS
    except Exception as error:
        trace = traceback.format_exc()
        print(trace, file=sys.stderr)
        refusal = Refusal(wrong=f"{type(error).__name__} in our own code.", mend="Start it again, or tell us with the id.", code="ours")
        speaker.say(events.Failed(stage=speaker.stage, fault="ours", refusal=refusal, trace=trace[-20000:]))
        return OURS


class Speaker:
    """Numbers and times each event and writes it as one line; remembers the stage for an error that may come."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.count, self.stage = out, 0, "start"

    def say(self, event: events.Base) -> None:
        self.count += 1
        if isinstance(event, events.Progress) and event.step:
            self.stage = event.step
        self.out.write(event.model_copy(update={"seq": self.count, "at": time.time()}).model_dump_json() + "\n")
        self.out.flush()


def own_stdout() -> TextIO:
    """The stdout we were given, for events alone; whatever libraries print goes to stderr from now on."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def read(folder: Path) -> Task:
    from pydantic import ValidationError

    from optimizers.task import Task

    try:
        return Task.model_validate(json.loads((folder / "task.json").read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise OptimizerError(f"The folder holds no task that can be read: {str(error).splitlines()[0][:200]}", "task.json",
                             "A task is written by the worker; see optimizers/task.py.", "task") from None


def work(task: Task, folder: Path, speaker: Speaker, stopping) -> None:
    """Inspect, or fit."""
    if task.kind == "inspect":
        from optimizers.cards import ModelCard
        from optimizers.inspect import inspect

        speaker.stage = "inspect"
        card = inspect(task, folder, context(task, folder, speaker.say, stopping).report)
        is_model = isinstance(card, ModelCard)
        speaker.say(events.Inspected(model=card if is_model else None, dataset=None if is_model else card))
        return
    from optimizers.run import run

    run(task, folder, context(task, folder, speaker.say, stopping))


def context(task: Task, folder: Path, say, stopping) -> Context:
    seconds = task.budget.minutes * 60 * (1 - RESERVE) if task.budget.minutes and task.recipe is None else None
    return Context(folder, seed=task.seed, threads=task.threads, emit=say, stopping=stopping, device=task.device, metric=task.goal.metric,
                   deadline=None if seconds is None else time.monotonic() + seconds)
