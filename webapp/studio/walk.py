"""The plan of a job: its steps as a list and as one bar."""

from dataclasses import dataclass
from typing import Any

from optimizers.events import Step
from webapp.studio import words

UNKNOWN_SECONDS = 10.0      # the width of a step nobody has estimated


@dataclass(frozen=True)
class StepRow:
    key: str
    title: str
    state: str
    note: str
    took: str


@dataclass(frozen=True)
class BarPiece:
    """One piece of the progress bar; x, width and done in [0, 1]."""

    x: float
    width: float
    done: float
    state: str
    title: str


def plan(dumps: list[dict[str, Any]]) -> list[Step]:
    return [Step.model_validate(row) for row in dumps]


def step_rows(steps: list[Step]) -> list[StepRow]:
    return [StepRow(s.key, s.title, s.state, s.note, took(s)) for s in steps]


def took(step: Step) -> str:
    """What it took, or what it may take: "38 s", "≈ 7 min"."""
    if step.state in ("done", "failed") and step.seconds is not None:
        return words.duration(step.seconds)
    if step.state == "skipped":
        return "skipped"
    if step.expected_seconds is None:
        return ""
    return f"≈ {rounded(step.expected_seconds)}"


def rounded(seconds: float) -> str:
    """
    >>> rounded(8.2), rounded(95)
    ('8\u202fs', '2\u202fmin')
    """
    return f"{max(1, round(seconds))}{words.THIN}s" if seconds < 55 else f"{max(1, round(seconds / 60))}{words.THIN}min"


def step_bar(steps: list[Step], gap: float = 0.004) -> list[BarPiece]:
    """Pieces as wide as their time: the real one when done, the expected one before."""
    times = [(s.seconds if s.state in ("done", "failed") else s.expected_seconds) or UNKNOWN_SECONDS for s in steps if s.state != "skipped"]
    shown = [s for s in steps if s.state != "skipped"]
    least = sum(times) * 0.012
    times = [max(t, least) for t in times]
    room, x, pieces = 1 - gap * max(0, len(shown) - 1), 0.0, []
    for step, seconds in zip(shown, times, strict=True):
        width = room * seconds / sum(times)
        done = {"done": 1.0, "failed": 1.0, "waiting": 0.0}.get(step.state)
        if done is None:
            done = min(0.95, (step.seconds or 0) / (step.expected_seconds or UNKNOWN_SECONDS))
        pieces.append(BarPiece(round(x, 5), round(width, 5), round(width * done, 5), step.state, step.title))
        x += width + gap
    return pieces
