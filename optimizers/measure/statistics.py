"""Intervals by resampling. Rows that behave alike are counted together first, so ten thousand rows cost a few dozen numbers a draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DRAWS = 2000
LEVEL = 0.95
CHUNK = 4_000_000       # numbers of a weight matrix held at once


def kinds_of(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of some integer columns, and how often each occurs.

    columns: (n,) each.  Returns (kinds, columns) and (kinds,) int64.

    >>> kinds_of(np.array([1, 0, 1]), np.array([2, 2, 2]))
    (array([[0, 2],
           [1, 2]]), array([1, 2]))
    """
    kinds, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return kinds, counts


def resample(counts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """The statistic of `draws` bootstrap samples. Efron 1979, doi:10.1214/aos/1176344552.

    counts: (kinds,) how many rows of each kind there are.  statistic: (m, kinds) counts -> (m,) values.
    Drawing n rows with replacement and counting kinds is one multinomial draw, which is what is done.
    """
    generator = np.random.default_rng(seed)
    n = int(counts.sum())
    found = []
    per_turn = max(1, CHUNK // max(1, len(counts)))
    for start in range(0, draws, per_turn):
        sample = generator.multinomial(n, counts / n, size=min(per_turn, draws - start))
        found.append(np.asarray(statistic(sample), np.float64))
    return np.concatenate(found)


def interval(samples: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of the samples (percentile interval).

    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(before: np.ndarray, after: np.ndarray, draws: int = DRAWS, seed: int = 0) -> tuple[float, float, float]:
    """Mean of after - before over the same rows, and its interval. before, after: (n,) bool or small integers."""
    kinds, counts = kinds_of(np.asarray(after, np.int64) - np.asarray(before, np.int64))
    samples = resample(counts, lambda weights: weights @ kinds[:, 0] / weights.sum(axis=1), draws, seed)
    return float(counts @ kinds[:, 0] / counts.sum()), *interval(samples)


def median_interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float, float]:
    """Median, and the order statistics that bound it whatever the distribution. values: (n,), n >= 1.

    With few values the interval is all of them: six are the least that reach 95 %.

    >>> median_interval(np.array([5.0, 1, 4, 2, 3, 6]))
    (3.5, 1.0, 6.0)
    """
    from math import comb

    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    tail, depth = 0.0, 0
    while depth < n // 2:                       # P(fewer than depth + 1 values below the median), binomial with 1/2
        tail += comb(n, depth) / 2**n
        if tail > (1 - level) / 2:
            break
        depth += 1
    edge = max(depth - 1, 0)
    return float(np.median(ordered)), float(ordered[edge]), float(ordered[n - 1 - edge])


def verdict(low: float, high: float) -> str:
    """What a paired interval of a change says about it.

    >>> verdict(-0.7, -0.1), verdict(-0.2, 0.0), verdict(0.1, 0.4)
    ('worse', 'not distinguishable', 'better')
    """
    if low <= 0 <= high:
        return "not distinguishable"
    return "better" if low > 0 else "worse"
