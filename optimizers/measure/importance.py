"""Permutation importance: what the metric loses when one column's cells are shuffled among rows. Breiman 2001, doi:10.1023/A:1010933404324.

Two columns that say the same stand in for one another, so each alone may seem to matter little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from optimizers.candidate import Importance
from optimizers.measure.columns import Column
from optimizers.measure.probabilities import sampled
from optimizers.measure.quality import decide, score

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset

ROWS = 2000             # of validation at most
LEAST_ROWS = 100
TURNS, LEAST_TURNS = 10, 3
KEPT = 30               # columns told of, dearest first

Predict = Callable[[np.ndarray], np.ndarray]


def importance(predict: Predict, columns: Sequence[Column], data: Dataset, metric: str, seconds: float,
               seed: int = 0) -> tuple[tuple[Importance, ...], tuple[str, ...]]:
    """(a row for each of the KEPT dearest columns, notes). All features of a category are shuffled together.

    The interval is that of the mean over shufflings (Student's t), on the same rows: it does not tell of other rows.
    Turns, then rows, shrink until it ends in about so many seconds; where too few are left nothing is told, and the note says so.
    """
    rows = sampled(len(data.validation), ROWS, seed)
    x, y = np.asarray(data.validation.x[rows]), np.asarray(data.validation.y[rows])
    quality = lambda at: 100 * score(metric, y, decide(predict(at), data.task))
    start = time.monotonic()
    whole = quality(x)
    turns, count = afforded(len(x), len(columns), time.monotonic() - start, seconds)
    if count < min(LEAST_ROWS, len(x)) or not np.isfinite(whole):
        return (), (f"Which of {len(columns):,} columns matter was not measured: the time for it, {seconds:.1f} s, is too short.",)
    if count < len(x):
        x, y = x[:count], y[:count]
        whole = quality(x)
    losses = shuffled(quality, whole, columns, x, turns, start + 2 * seconds, seed)
    told = sorted((told_of(column, values) for column, values in zip(columns, losses, strict=True)), key=lambda row: -row.loss)
    note = f"What matters: {len(losses[0])} shufflings of each of {len(columns):,} columns over {len(x):,} validation rows."
    return tuple(told[:KEPT]), (note,)


def afforded(rows: int, columns: int, took: float, seconds: float) -> tuple[int, int]:
    """(turns, rows) that fit, when all rows once take `took`.

    >>> afforded(2000, 10, 0.01, 5.0), afforded(2000, 1000, 0.01, 5.0)
    ((10, 2000), (3, 333))
    """
    turns = int(seconds / max(1e-9, took * columns))
    if turns >= LEAST_TURNS:
        return min(TURNS, turns), rows
    return LEAST_TURNS, int(rows * seconds / (took * columns * LEAST_TURNS))


def shuffled(quality: Callable[[np.ndarray], float], whole: float, columns: Sequence[Column], x: np.ndarray, turns: int, end: float,
             seed: int) -> list[list[float]]:
    """For each column the points lost in each turn; whole turns only, at least two, ended early where `end` has passed."""
    rng = np.random.default_rng(seed)
    losses: list[list[float]] = [[] for _ in columns]
    for turn in range(turns):
        if turn >= 2 and time.monotonic() > end:
            break
        order = rng.permutation(len(x))
        for column, values in zip(columns, losses, strict=True):
            changed, places = x.copy(), list(column.places)
            changed[:, places] = x[order][:, places]
            values.append(whole - quality(changed))
    return losses


def told_of(column: Column, losses: list[float]) -> Importance:
    from scipy.stats import t

    middle, n = float(np.mean(losses)), len(losses)
    half = float(t.ppf(0.975, n - 1)) * float(np.std(losses, ddof=1)) / n**0.5
    return Importance(column=column.name[:200], loss=middle, low=middle - half, high=middle + half)
