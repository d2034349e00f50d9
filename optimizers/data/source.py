"""An opened dataset, whatever file it came from: what is known of it, and rows on demand. Card and arrays both derive from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from optimizers.cards import ColumnCard, Problem
from optimizers.data.split import Divided, divide

UNKNOWN = -1            # the label of a row without one


def unlabelled(rows: int) -> np.ndarray:
    return np.full(rows, UNKNOWN, np.int64)


@dataclass(frozen=True)
class Source:
    """labels: class numbers (n,) int64, or targets (n,) float32; UNKNOWN throughout where there are none.
    hashes: (n,) uint64 of what the model will see of each row.

    declared: (n,) int8 split numbers as the upload says, or None.  parted: the splits, where something else than content and the upload
    decided them.  rows: row numbers -> array (len, *row_shape) of row_dtype; it may be
    told which rows are train, for the medians that fill gaps.  preview: up to 16 rows as the card shows them.
    """

    kind: Literal["images", "array", "table"]
    title: str
    task: Literal["classification", "regression", "unlabelled"]
    classes: tuple[str, ...]
    labels: np.ndarray
    hashes: np.ndarray
    row_shape: tuple[int, ...]
    row_dtype: str
    rows: Callable[[np.ndarray], np.ndarray]
    declared: np.ndarray | None = None
    parted: Divided | None = None
    features: tuple[str, ...] = ()
    columns: tuple[ColumnCard, ...] = ()
    target: str | None = None
    targets: tuple[str, ...] = ()                   # columns that could be the target
    shown: tuple[str, ...] | None = None            # previews that are not pictures
    shown_labels: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @cached_property
    def divided(self) -> Divided:
        return self.parted or divide(self.hashes, self.labels if self.task == "classification" else None, self.declared)

    @property
    def class_counts(self) -> tuple[int, ...]:
        if self.task != "classification":
            return ()
        return tuple(int(c) for c in np.bincount(self.labels, minlength=len(self.classes)))


def info(wrong: str, where: str = "", mend: str = "", code: str = "") -> Problem:
    return Problem(severity="info", wrong=wrong, where=where, mend=mend, code=code)


def warn(wrong: str, where: str = "", mend: str = "", code: str = "") -> Problem:
    return Problem(severity="warn", wrong=wrong, where=where, mend=mend, code=code)
