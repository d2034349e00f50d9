"""Which weights go: pure functions over scores. Among equals, the earlier go first, so every answer is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

FLOOR = 0.02        # of a layer's weights that a ranking across the network leaves in it: a layer without any is a network without any


def smallest(w: np.ndarray, share: float) -> np.ndarray:
    """Mask of the round(share * w.size) entries of least magnitude; among equals, the earlier go first.

    w: any shape.  share: fraction in [0, 1].  Returns bool, shape of w.

    >>> smallest(np.array([[-4, 1], [2, -2]]), 0.5)
    array([[False,  True],
           [ True, False]])
    """
    return least(np.abs(w), round(share * w.size))


def least(score: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` lowest scores. score: any shape.  Returns bool, shape of score."""
    order = np.argsort(score, axis=None, kind="stable")     # stable: equal weights must not all fall
    mask = np.zeros(score.size, bool)
    mask[order[:max(0, count)]] = True
    return mask.reshape(score.shape)


def by_output(score: np.ndarray, share: float) -> np.ndarray:
    """The same share of the inputs of each output goes. score: (outs, ...).  Returns bool, shape of score.

    >>> by_output(np.array([[1, 2], [9, 8]]), 0.5)
    array([[ True, False],
           [False,  True]])
    """
    rows = score.reshape(len(score), -1)
    count = min(round(share * rows.shape[1]), rows.shape[1] - 1)
    order = np.argsort(rows, axis=1, kind="stable")
    mask = np.zeros(rows.shape, bool)
    np.put_along_axis(mask, order[:, :count], True, axis=1)
    return mask.reshape(score.shape)


def n_of_m(score: np.ndarray, n: int, m: int) -> np.ndarray:
    """Of each m neighbours along axis 1 all but the n best go. score: (outs, ins, ...).  Returns bool, shape of score.

    A last group that is short of m is filled up with nothing, as sparse kernels do: it keeps its n best too.
    Zhou et al. 2021, arXiv:2102.04010.

    >>> n_of_m(np.array([[5, 1, 1, 7, 3, 2]]), 2, 4)
    array([[False,  True,  True, False, False, False]])
    """
    ins = score.shape[1]
    lined = np.moveaxis(score, 1, -1)
    short = -ins % m
    filled = np.pad(lined.astype(np.float64), [(0, 0)] * (lined.ndim - 1) + [(0, short)], constant_values=-np.inf)
    groups = filled.reshape(*filled.shape[:-1], -1, m)
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, np.argsort(groups, axis=-1, kind="stable")[..., :m - n], True, axis=-1)
    return np.moveaxis(mask.reshape(filled.shape)[..., :ins], -1, 1)


def across(scores: Mapping[str, np.ndarray], share: float) -> dict[str, int]:
    """How many weights each layer keeps when round(share * all) go, ranked over all layers at once.

    scores: by layer, any shapes.  The best FLOOR of each layer (less where the share leaves less, one at least) are safe.

    >>> across({"wide": np.arange(8.0), "small": np.array([9.0, 0.5])}, 0.5)
    {'wide': 4, 'small': 1}
    """
    safe = {name: score.size - floor_of(score.size, share) for name, score in scores.items()}
    ranked = [np.where(least(score, safe[name]), score, np.inf).reshape(-1) for name, score in scores.items()]
    total = sum(part.size for part in ranked)
    gone = least(np.concatenate(ranked), min(round(share * total), sum(safe.values())))
    parts = np.split(gone, np.cumsum([part.size for part in ranked])[:-1])
    return {name: int((~part).sum()) for name, part in zip(scores, parts, strict=True)}


def floor_of(size: int, share: float) -> int:
    return max(1, math.ceil(size * min(FLOOR, 1 - share) - 1e-9))


def erdos_renyi(shapes: Sequence[Sequence[int]], density: float) -> list[float]:
    """Density of each layer, proportional to the sum of its extents over their product, so that small layers stay denser.

    shapes: of the weights.  density: of all weights together.  Layers that would pass 1 are dense, and the others share the rest.
    Mocanu et al. 2018, arXiv:1707.04780; with kernels: Evci et al. 2020, arXiv:1911.11134.

    >>> [round(found, 3) for found in erdos_renyi([(10, 2), (20, 20)], 0.3)]
    [1.0, 0.265]
    """
    sizes = [math.prod(shape) for shape in shapes]
    raw = [sum(shape) / size for shape, size in zip(shapes, sizes, strict=True)]
    full: set[int] = set()
    while len(full) < len(shapes):
        left = density * sum(sizes) - sum(sizes[at] for at in full)
        factor = left / sum(raw[at] * sizes[at] for at in range(len(shapes)) if at not in full)
        over = {at for at in range(len(shapes)) if at not in full and factor * raw[at] > 1}
        if not over:
            return [1.0 if at in full else factor * raw[at] for at in range(len(shapes))]
        full |= over
    return [1.0] * len(shapes)


def dealt(total: int, wishes: Sequence[float], room: Sequence[int]) -> list[int]:
    """`total` whole things in proportion to the wishes, nobody above their room; what is cut off goes to the others.

    >>> dealt(10, [3, 1, 1], [4, 9, 9])
    [4, 3, 3]
    """
    given = [0] * len(room)
    while (left := min(total, sum(room)) - sum(given)) > 0:
        hungry = [at for at in range(len(room)) if given[at] < room[at]]
        whole = sum(wishes[at] for at in hungry)
        exact = {at: left * (wishes[at] / whole if whole else 1 / len(hungry)) for at in hungry}
        for at, wish in exact.items():
            given[at] += min(int(wish), room[at] - given[at])
        if sum(int(wish) for wish in exact.values()) == 0:      # only fractions are left: one each, the largest first
            for at in sorted(hungry, key=lambda at: -exact[at])[:left]:
                given[at] += 1
    return given
