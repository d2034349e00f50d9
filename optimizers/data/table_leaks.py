"""How well one column alone predicts the target: a column that does so almost perfectly is usually the target in disguise.

One rule after Holte 1993 (doi:10.1023/A:1022631118932): a value, or one of 64 intervals of a number, answers the most frequent class, or
the mean, of the rows it was seen with. It is learned from every second row and judged on the others, or unique texts would look perfect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizers.cards import Problem
from optimizers.data.source import warn

INTERVALS = 64
LEAST = 40              # rows of train in the sample
SUSPECT = 0.97


def alone(values: Sequence[Any], y: np.ndarray) -> float | None:
    """0 (knows no more than the most frequent class, or the mean) to 1 (perfect); None where there are too few rows to say.

    values: texts, or floats with NaN for gaps, of as many rows as y.  y: (n,) int64 classes or float amounts.

    >>> y = np.arange(80) // 2 % 2
    >>> alone(["ab"[i] for i in y], y), alone(["a"] * 80, y), alone([str(i) for i in range(80)], y)
    (1.0, 0.0, 0.0)
    """
    if len(y) < LEAST:
        return None
    codes = coded(values)
    learn, judge = np.arange(0, len(y), 2), np.arange(1, len(y), 2)
    answer = likeliest if np.issubdtype(y.dtype, np.integer) else mean_of
    known, blind = answer(codes[learn], y[learn], codes[judge]), answer(np.zeros(len(learn), int), y[learn], np.zeros(len(judge), int))
    lost = (lambda said: (said != y[judge]).mean()) if answer is likeliest else (lambda said: np.square(said - y[judge]).mean())
    return float(max(0.0, 1 - lost(known) / lost(blind))) if lost(blind) else None


def coded(values: Sequence[Any]) -> np.ndarray:
    """(n,) whole numbers from 0: places of texts, or intervals of numbers that hold as many rows each; gaps are an interval."""
    if any(isinstance(value, str) for value in values):
        place: dict[Any, int] = {}
        return np.array([place.setdefault(value, len(place)) for value in values])
    numbers = np.asarray(values, np.float64)
    gone = np.isnan(numbers)
    if gone.all():
        return np.zeros(len(numbers), int)
    known = numbers[::2][~gone[::2]] if not gone[::2].all() else numbers[~gone]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, INTERVALS + 1)[1:-1]))
    return np.where(gone, 0, 1 + np.searchsorted(edges, numbers, side="left"))


def likeliest(codes: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The most frequent class of each code; of all rows where a code was not seen."""
    width, classes = max(codes.max(), asked.max()) + 1, int(y.max()) + 1
    pairs, times = np.unique(codes * classes + y, return_counts=True)
    best = np.full(width, np.bincount(y).argmax())
    order = np.argsort(times, kind="stable")                # the most frequent is written last, and stays
    best[pairs[order] // classes] = pairs[order] % classes
    return best[asked]


def mean_of(codes: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    width = max(codes.max(), asked.max()) + 1
    seen = np.bincount(codes, minlength=width)
    means = np.where(seen, np.bincount(codes, y, minlength=width) / np.maximum(seen, 1), y.mean())
    return means[asked]


def suspicion(name: str, score: float | None, used: bool, where: str, target: str) -> list[Problem]:
    if score is None or score < SUSPECT:
        return []
    if not used:
        return [warn(f"'{name}' becomes no feature, yet it alone predicts '{target}' almost perfectly ({100 * score:.1f} %).", where,
                     "The rows may be sorted by target; leave the column out when you train elsewhere, too.", "id-leak")]
    return [warn(f"'{name}' alone predicts '{target}' almost perfectly ({100 * score:.1f} % of what there is to know).", where,
                 "Drop it if it is known only after the target is: quality would look better than it will be.", "leak-suspect")]
