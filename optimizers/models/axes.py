"""Weights by the axis that counts their channels."""

from __future__ import annotations

import numpy as np


def unfolded(weight: np.ndarray, axis: int) -> np.ndarray:
    """The tensor as a matrix with `axis` as its rows.

    >>> unfolded(np.zeros((4, 3, 5, 5)), 1).shape
    (3, 100)
    """
    return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)


def across(values: np.ndarray, axes: int, axis: int) -> np.ndarray:
    """Values laid along one of so many axes; a single one stands for all.

    >>> across(np.array([1.0, 2.0, 3.0]), 4, 1).shape, across(np.array([1.0]), 2, 0).shape
    ((1, 3, 1, 1), (1, 1))
    """
    return values.reshape([-1 if at == axis % axes else 1 for at in range(axes)])
