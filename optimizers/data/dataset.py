"""A dataset in memory: raw rows as they were uploaded, with honest splits. Preprocessing belongs to the model, not to the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Split:
    """x: pictures (n, channels, height, width) uint8 or float32, or features (n, features) float32; may be a read-only memory map.
    y: class numbers (n,) int64, or targets (n,) float32; -1 throughout where there are no labels.
    """

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """Calibration, pruning scores, early stopping and choosing use train and validation only; test is touched once per candidate."""

    train: Split
    validation: Split
    test: Split
    kind: Literal["images", "array", "table"]
    task: Literal["classification", "regression", "unlabelled"]
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()      # names of the columns that became features, for tables
    ordered: bool = False               # each split is one stretch of rows in their order: a sequence

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(self.train.x.shape[1:])

    def calibration(self, rows: int, seed: int = 0) -> np.ndarray:
        """At most `rows` rows of the train split, drawn without replacement; balanced over classes as the split is.

        Of a sequence, the first rows: state makes no sense of others.
        """
        if self.ordered:
            return np.asarray(self.train.x[:rows])
        chosen = np.random.default_rng(seed).permutation(len(self.train))[:rows]
        return np.asarray(self.train.x[np.sort(chosen)])
