"""The candidates nobody beats on every axis at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def front(items: Sequence[Item], costs: Callable[[Item], tuple[float, ...]]) -> list[Item]:
    """The items not dominated, in the order given. costs: lower is better on each axis (negate what should grow).

    One dominates another when it is no worse on every axis and better on one; of equals all stay.

    >>> front([(1, 5), (2, 2), (3, 3), (2, 2)], lambda point: point)
    [(1, 5), (2, 2), (2, 2)]
    """
    rows = [costs(item) for item in items]
    return [item for item, row in zip(items, rows, strict=True) if not any(dominates(other, row) for other in rows)]


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """No worse anywhere, better somewhere. A NaN is beaten by nobody and beats nobody."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))
