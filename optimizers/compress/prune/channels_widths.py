"""How wide each group of layers should be, so that a share of the multiply-accumulates goes: arithmetic only, no tensors.

A group is a set of layers that must lose the same channels (a residual sum, a depthwise pair). Its channels come ranked by worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Group:
    """worth: of each channel, any positive scale with mean near 1.  step: what the width is a multiple of.

    outs, ins: per layer path, how many of its output and input channels belong here.
    """

    worth: np.ndarray
    step: int = 1
    outs: dict[str, int] = field(default_factory=dict)
    ins: dict[str, int] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return len(self.worth)


@dataclass(frozen=True)
class Cost:
    """Of one layer: macs when whole, and its whole widths. A depthwise layer has ins 1, as its channels are counted once."""

    macs: int
    outs: int
    ins: int


def granule(width: int, round_to: int) -> int:
    """The step a width is changed by: round_to, halved until at least two steps fit.

    >>> [granule(width, 8) for width in (64, 16, 12, 8, 3, 1)]
    [8, 8, 4, 4, 1, 1]
    """
    while round_to > 1 and round_to * 2 > width:
        round_to //= 2
    return max(1, round_to)


def macs(groups: Sequence[Group], widths: Sequence[int], costs: dict[str, Cost]) -> float:
    """Multiply-accumulates of all layers when each group has its new width."""
    outs = {path: float(cost.outs) for path, cost in costs.items()}
    ins = {path: float(cost.ins) for path, cost in costs.items()}
    for group, width in zip(groups, widths, strict=True):
        lost = 1 - width / group.width
        for path, count in group.outs.items():
            outs[path] -= lost * count
        for path, count in group.ins.items():
            ins[path] -= lost * count
    return sum(cost.macs * outs[path] / cost.outs * ins[path] / cost.ins for path, cost in costs.items())


def widths_by_layer(groups: Sequence[Group], costs: dict[str, Cost], share: float) -> list[int]:
    """An equal share of every group, found by halving; then single steps are given back while the share still holds."""
    whole = macs(groups, [group.width for group in groups], costs)
    target = whole * (1 - share)

    def at(keep: float) -> list[int]:
        return [rounded(group.width, keep, group.step) for group in groups]

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if macs(groups, at(middle), costs) <= target else (low, middle)
    widths = at(low)
    for index in sorted(range(len(groups)), key=lambda i: widths[i] / groups[i].width):
        wider = [*widths[:index], min(widths[index] + groups[index].step, groups[index].width), *widths[index + 1:]]
        if macs(groups, wider, costs) <= target:
            widths = wider
    return widths


def widths_by_network(groups: Sequence[Group], costs: dict[str, Cost], share: float) -> list[int]:
    """Steps of least worth for the multiply-accumulates they save, wherever in the network they are, until the share is gone."""
    widths, ranked = [group.width for group in groups], [np.sort(group.worth) for group in groups]
    now = macs(groups, widths, costs)
    target = now * (1 - share)
    while now > target:
        best: tuple[float, int, float] | None = None
        for index, group in enumerate(groups):
            fewer = narrower(widths[index], group.step)
            if fewer < least(group.width, group.step):
                continue
            after = macs(groups, [*widths[:index], fewer, *widths[index + 1:]], costs)
            gone = group.width - widths[index]
            price = float(ranked[index][gone:gone + widths[index] - fewer].sum()) / max(now - after, 1e-9)
            if best is None or price < best[0]:
                best = (price, index, after)
        if best is None:
            break
        _, index, now = best
        widths[index] = narrower(widths[index], groups[index].step)
    return widths


def rounded(width: int, keep: float, step: int) -> int:
    """The multiple of the step nearest to keep * width, at least one step, at most the width."""
    return min(width, max(least(width, step), int(keep * width / step + 0.5) * step))


def narrower(width: int, step: int) -> int:
    """The next smaller multiple of the step."""
    return (width - 1) // step * step


def least(width: int, step: int) -> int:
    """A group never falls below one step, nor below a sixteenth of its width."""
    return min(width, max(step, width // 16, 1))
