"""The lists of numbers that pieces are made of: each piece takes a list that is there, where its own would not pay for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from optimizers.coding import decode, rans

MOST = decode.MOST_LISTS    # lists in one file
PER_ENTRY = 1.1         # bytes of a share and of the step to the next number, after DEFLATE


class Listed(NamedTuple):
    """values: (k,) ascending.  shares: (k,) that sum to 2^bits; of a single value none is needed."""

    values: np.ndarray
    shares: np.ndarray
    bits: int

    @property
    def weight(self) -> float:
        return len(self.values) * (PER_ENTRY + self.values.dtype.itemsize - 1)

    def written(self) -> bytes:
        steps = [int(self.values[0]), *(int(after) - int(before) - 1 for before, after in pairwise(self.values))]
        head = number(self.values.dtype.itemsize) + number(len(steps)) + b"".join(map(number, steps))
        return head if len(steps) == 1 else head + number(self.bits) + b"".join(map(number, self.shares.tolist()))

    def cost(self, values: np.ndarray, counts: np.ndarray) -> float:
        """Bytes that numbers take when told by this list; infinite where one is missing."""
        if values.dtype != self.values.dtype or len(values) > len(self.values):
            return float("inf")
        places = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        if not np.array_equal(self.values[places], values):
            return float("inf")
        return float((counts * (self.bits - np.log2(self.shares[places]))).sum()) / 8


class Lists:
    """kept: in the order of the file.  One more waits: that of all tensors of single bytes together (int8 weights resemble each other
    from layer to layer), whose weight they share."""

    def __init__(self, tensors: Sequence[np.ndarray]) -> None:
        self.kept: list[Listed] = []
        self.common = listed(*counted(np.concatenate(tensors))) if len(tensors) > 1 else None
        self.sharers = len(tensors)

    def lightest(self, values: np.ndarray, counts: np.ndarray) -> tuple[float, Callable[[], int]]:
        """About how many bytes the numbers take, and how to get the place of their list; a new one is kept only then."""
        own = listed(values, counts)
        ways = [(own.cost(values, counts) + own.weight, own)] if len(self.kept) < MOST else []
        ways += [(one.cost(values, counts), one) for one in self.kept]
        if self.common is not None:
            ways.append((self.common.cost(values, counts) + self.common.weight / self.sharers, self.common))
        weight, chosen = min(ways, key=lambda way: way[0])
        return weight, lambda: self.take(chosen)

    def take(self, chosen: Listed) -> int:
        place = next((place for place, one in enumerate(self.kept) if one is chosen), len(self.kept))
        if place == len(self.kept):
            self.kept.append(chosen)
        if chosen is self.common:
            self.common = None          # kept from now on
        return place

    def written(self) -> bytes:
        return number(len(self.kept)) + b"".join(one.written() for one in self.kept)


def listed(values: np.ndarray, counts: np.ndarray) -> Listed:
    if len(values) == 1:
        return Listed(values, np.ones(1, np.int64), 0)
    bits = rans.bits_for(len(values), int(counts.sum()))
    return Listed(values, rans.normalized(counts, bits), bits)


def counted(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct numbers, ascending, and how often each occurs."""
    if numbers.dtype.itemsize > 1:
        return np.unique(numbers, return_counts=True)
    counts = np.bincount(numbers, minlength=256)
    return np.flatnonzero(counts).astype(np.uint8), counts[counts > 0]


def number(value: int) -> bytes:
    """Seven bits a byte, the lowest first.

    >>> number(300).hex()
    'ac02'
    """
    made = bytearray()
    while value >= 128:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes((*made, value))
