"""What a page draws of each column, counted in the second pass: histograms, means, where cells are missing, and a sample of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizers.data.table_columns import Column

BINS, STRETCHES = 16, 24
SAMPLE, SAMPLE_CELLS = 20_000, 4_000_000


class Profile:
    """bins: (columns, BINS) counts between low and high.  gaps: (columns, STRETCHES) missing cells of each stretch of rows.

    The sample holds every k-th row that has a target: `rows` (their numbers among those), `labels`, and `held` a list a column.
    """

    def __init__(self, columns: list[Column]) -> None:
        self.columns, self.total = columns, max(columns[0].rows, 1)
        self.bins = np.zeros((len(columns), BINS), np.int64)
        self.gaps = np.zeros((len(columns), STRETCHES), np.int64)
        self.sums, self.counts = np.zeros(len(columns)), np.zeros(len(columns), np.int64)
        self.every = math.ceil(self.total / max(200, min(SAMPLE, SAMPLE_CELLS // len(columns))))
        self.done = self.kept = 0
        self.rows: list[np.ndarray] = []
        self.labels: list[Any] = []
        self.held: list[list[Any]] = [[] for _ in columns]

    def take(self, cells: Sequence[Sequence[str]], values: dict[int, np.ndarray | None], kept: np.ndarray, labels: Sequence[Any]) -> None:
        stretch = np.arange(self.done, self.done + len(kept)) * STRETCHES // self.total
        for place, column in enumerate(self.columns):
            numbers = values[place]
            if numbers is not None:
                self.measure(place, column, numbers)
            if column.missing:
                gone = np.fromiter((cell in column.gaps for cell in cells[place]), bool, len(kept))
                self.gaps[place] += np.bincount(stretch[gone], minlength=STRETCHES)
        self.sample(cells, values, np.flatnonzero(kept), labels)
        self.done += len(kept)

    def measure(self, place: int, column: Column, numbers: np.ndarray) -> None:
        present = numbers[~np.isnan(numbers)]
        self.sums[place] += present.sum()
        self.counts[place] += len(present)
        low, high = span(column)
        if math.isfinite(high - low):
            self.bins[place] += np.histogram(present, BINS, (low, high))[0]

    def sample(self, cells: Sequence[Sequence[str]], values: dict[int, np.ndarray | None], rows: np.ndarray, labels: Sequence[Any]) -> None:
        numbers = np.arange(self.kept, self.kept + len(rows))
        chosen = numbers % self.every == 0
        self.rows.append(numbers[chosen])
        places = rows[chosen]
        self.labels += [labels[i] for i in places]
        for place, held in enumerate(self.held):
            known = values[place]
            held += (cells[place][i] for i in places) if known is None else known[places].tolist()
        self.kept += len(rows)

    def mean(self, place: int) -> float | None:
        return float(self.sums[place] / self.counts[place]) if self.counts[place] and math.isfinite(self.sums[place]) else None

    def missing_map(self, place: int) -> tuple[int, ...]:
        """Per cent missing in each stretch of rows, rounded up so that one cell shows; empty where none is."""
        if not self.gaps[place].any():
            return ()
        rows = np.diff(-(-np.arange(STRETCHES + 1) * self.total // STRETCHES))
        return tuple(math.ceil(100 * gone / max(of, 1)) for gone, of in zip(self.gaps[place], rows))


def span(column: Column) -> tuple[float, float]:
    """Least and largest number, or day."""
    if column.type == "date" and column.form:
        return column.dates[column.form].low, column.dates[column.form].high
    return column.low, column.high
