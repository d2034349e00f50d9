"""Partial dependence: the mean answer as one column takes each of its values in every row. Friedman 2001, doi:10.1214/aos/1013203451.

Rows are made that may not exist (a child with a pension), so what is drawn far from the data is the model's guess, no finding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optimizers.candidate import Dependence
from optimizers.measure.columns import Column
from optimizers.measure.importance import Predict
from optimizers.measure.probabilities import probabilities, sampled

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset

COLUMNS = 4
ROWS = 500              # of validation
POINTS = 20
MOST_CLASSES = 3


def dependence(predict: Predict, columns: Sequence[Column], data: Dataset, end: float,
               seed: int = 0) -> tuple[tuple[Dependence, ...], tuple[str, ...]]:
    """(a curve for each column and answer, notes). end: on the monotonic clock; columns whose turn comes later are left out."""
    x = np.asarray(data.validation.x[sampled(len(data.validation), ROWS, seed)])
    train = np.asarray(data.train.x[sampled(len(data.train), 10 * ROWS, seed)])
    answers = answered(data)
    found: list[Dependence] = []
    for number, column in enumerate(columns):
        if time.monotonic() > end:
            return tuple(found), (f"What it answers along {len(columns) - number} more columns was not measured: time was up.",)
        at, blocks = grid(column, train)
        means = np.array([mean_answer(predict, x, column, block, data.task) for block in blocks])
        found += [Dependence(column=column.name[:200], at=at, mean=tuple(means[:, place].tolist()), answer=name)
                  for name, place in answers]
    return tuple(found), ()


def answered(data: Dataset) -> list[tuple[str, int]]:
    """(name, column of the answer): the second of two classes, the MOST_CLASSES with most rows, or the one amount."""
    if data.task != "classification":
        return [("", 0)]
    counts = np.bincount(np.asarray(data.train.y), minlength=len(data.classes))
    places = [1] if len(data.classes) == 2 else sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
    return [(f"class {data.classes[place]}", place) for place in places]


def grid(column: Column, train: np.ndarray) -> tuple[tuple[float | str, ...], list[np.ndarray]]:
    """(the values, what stands in the column's features for each): categories as they are frequent, or quantiles of a number."""
    block = train[:, list(column.places)]
    if column.categories:
        order = np.argsort(-block.sum(axis=0), kind="stable")[:POINTS].tolist()
        return tuple(column.categories[place][:80] for place in order), list(np.eye(len(column.places), dtype=train.dtype)[order])
    values = np.unique(block)
    if len(values) > POINTS:
        values = np.unique(np.quantile(block, np.linspace(0.02, 0.98, POINTS)).astype(train.dtype))
    return tuple(float(f"{value:.6g}") for value in values), list(values[:, None])


def mean_answer(predict: Predict, x: np.ndarray, column: Column, block: np.ndarray, task: str) -> np.ndarray:
    """(answers,) means over the rows x, with the column's features set to `block` in each."""
    changed = x.copy()
    changed[:, list(column.places)] = block
    outputs = predict(changed)
    return (probabilities(outputs) if task == "classification" else outputs[:, :1]).mean(axis=0)
