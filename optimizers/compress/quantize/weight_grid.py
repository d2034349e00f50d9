"""Weights on a symmetric grid of few bits: scales and codes. Arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizers.models.axes import across, unfolded

RATIOS = np.linspace(0.3, 1.0, 57)       # of the largest weight, tried as the edge of the grid


@dataclass(frozen=True)
class Codes:
    """values: int8, the weight's shape, within the levels of `bits`.  scales: (channels,), or (1,) for the tensor.  axis: of the channels.

    bias: (channels,) that replaces the layer's, or None.
    """

    values: np.ndarray
    scales: np.ndarray
    axis: int
    bits: int
    bias: np.ndarray | None = None

    @property
    def weight(self) -> np.ndarray:
        """The weight as it computes."""
        return (self.values * across(self.scales, self.values.ndim, self.axis)).astype(np.float32)


def top(bits: int) -> int:
    """The largest code; the grid is symmetric, so that zero is exact and negation changes nothing.

    >>> [top(bits) for bits in (8, 4, 2)]
    [127, 7, 1]
    """
    return 2 ** (bits - 1) - 1


def on_grid(weight: np.ndarray, bits: int, axis: int, per_channel: bool = True) -> Codes:
    """Round to nearest with the scales of least squared error: at 8 bits the largest weight, below it the best of 57 narrower edges.

    >>> codes = on_grid(np.array([[7.0, -3.2], [0.5, 0.0]]), 4, 0)
    >>> codes.values.tolist()
    [[7, -3], [7, 0]]
    """
    scales = best_scales(unfolded(weight, axis) if per_channel else weight.reshape(1, -1), bits)
    return Codes(rounded(weight, scales, bits, axis), scales, axis, bits)


def best_scales(rows: np.ndarray, bits: int) -> np.ndarray:
    """One scale for each row of (channels, n) weights. A row of zeros gets 1."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    edge = np.where(largest > 0, largest, top(bits))
    if bits >= 8:
        return (edge / top(bits)).astype(np.float32)
    found, least = edge / top(bits), np.full(len(rows), np.inf)
    for ratio in RATIOS:
        scale = edge * ratio / top(bits)
        error = ((np.clip(np.rint(rows / scale[:, None]), -top(bits), top(bits)) * scale[:, None] - rows) ** 2).sum(axis=1)
        found, least = np.where(error < least, scale, found), np.minimum(error, least)
    return found.astype(np.float32)


def rounded(weight: np.ndarray, scales: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """int8 codes of least distance."""
    return np.clip(np.rint(weight / across(scales, weight.ndim, axis)), -top(bits), top(bits)).astype(np.int8)
