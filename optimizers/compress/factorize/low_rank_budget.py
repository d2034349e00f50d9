"""Which point of its curve each layer takes, so that a budget is met at the least cost: arithmetic only, no tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LEAST = 1e-6            # energy that counts as left where nothing is


class Point(NamedTuple):
    """What a layer costs at some ranks. macs: of one row.  lost: share of its energy that is gone."""

    ranks: tuple[int, ...]
    macs: int
    lost: float

    @property
    def cost(self) -> float:
        """-log of the energy that stays: what several layers leave multiplies, and the last part of a layer is dearest.

        >>> round(Point((1,), 10, 0.5).cost, 3)
        0.693
        """
        return -math.log(max(1 - self.lost, LEAST))


def hull(points: Sequence[Point], whole: int) -> list[Point]:
    """The points on the lower convex hull of cost over macs, from the whole layer (left out) downwards.

    >>> hull([Point((3,), 60, 0.1), Point((2,), 40, 0.6), Point((1,), 20, 0.7)], 100)
    [Point(ranks=(3,), macs=60, lost=0.1), Point(ranks=(1,), macs=20, lost=0.7)]
    """
    chain = [Point((), whole, 0.0)]
    for point in sorted(points, key=lambda point: (-point.macs, point.lost)):
        if point.macs >= chain[-1].macs:
            continue
        while len(chain) > 1 and slope(chain[-2], chain[-1]) >= slope(chain[-2], point):
            chain.pop()
        chain.append(point)
    return chain[1:]


def slope(start: Point, end: Point) -> float:
    """What each multiply-accumulate saved costs."""
    return max(end.cost - start.cost, 0.0) / (start.macs - end.macs)


def spend(curves: Sequence[Sequence[Point]], wholes: Sequence[int], weights: Sequence[float], saved: float) -> list[Point | None]:
    """A point of each curve (None: whole) that together save at least `saved` multiply-accumulates, or all that can be saved.

    wholes: multiply-accumulates of the whole layers.  weights: how much the cost of each layer counts.
    Greedy along the hulls, cheapest saving first; the last layer to move takes the least costly of its points that suffices.

    >>> first, second = [Point((5,), 50, 0.1), Point((2,), 20, 0.5)], [Point((5,), 50, 0.3)]
    >>> [point and point.ranks for point in spend([first, second], [100, 100], [1, 1], 50)]
    [(5,), None]
    >>> [point and point.ranks for point in spend([first, second], [100, 100], [1, 1], 100)]
    [(5,), (5,)]
    """
    hulls = [hull(curve, whole) for curve, whole in zip(curves, wholes, strict=True)]
    now = [Point((), whole, 0.0) for whole in wholes]
    left, last = saved, None
    while left > 0 and any(hulls):
        last = min((at for at, steps in enumerate(hulls) if steps), key=lambda at: weights[at] * slope(now[at], hulls[at][0]))
        step = hulls[last].pop(0)
        left -= now[last].macs - step.macs
        now[last] = step
    if last is not None:
        enough = [point for point in curves[last] if point.macs <= now[last].macs - min(left, 0)]
        now[last] = min(enough, key=lambda point: (point.lost, point.macs), default=now[last])
    return [point if point.ranks else None for point in now]
