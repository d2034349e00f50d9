"""Intervals against numbers worked out by hand."""

import numpy as np
import pytest

from optimizers.measure import statistics


def test_equal_rows_are_counted_together():
    kinds, counts = statistics.kinds_of(np.array([0, 1, 0, 1]), np.array([0, 1, 0, 0]))
    assert kinds.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert counts.tolist() == [2, 1, 1]


def test_bootstrap_of_a_share_has_the_binomial_spread():
    """900 of 1,000 right: the standard error is sqrt(0.9 * 0.1 / 1000) = 0.949 points, so the interval is about 90 +- 1.86."""
    samples = statistics.resample(np.array([100, 900]), lambda counts: counts[:, 1] / counts.sum(axis=1), draws=4000)
    assert samples.std() == pytest.approx(0.00949, rel=0.06)
    low, high = statistics.interval(samples)
    assert low == pytest.approx(0.8814, abs=0.002) and high == pytest.approx(0.9186, abs=0.002)


def test_paired_difference_needs_disagreement():
    """Ten rows lost and ten won cancel; the spread is sqrt(20) / 1000 = 0.447 points, whatever the 980 others do."""
    before = np.array([1] * 10 + [0] * 10 + [1] * 980)
    after = np.array([0] * 10 + [1] * 10 + [1] * 980)
    value, low, high = statistics.paired_difference(before, after)
    assert value == 0
    assert low == pytest.approx(-0.00877, abs=0.0012) and high == pytest.approx(0.00877, abs=0.0012)
    assert statistics.paired_difference(before, before) == (0, 0, 0)


def test_paired_is_narrower_than_two_separate_intervals():
    before = np.array([1] * 900 + [0] * 100)
    after = np.array([1] * 895 + [0] * 105)
    _, low, high = statistics.paired_difference(before, after)
    assert high - low < 0.012            # two separate intervals would be 0.05 wide
    assert statistics.verdict(low, high) == "worse"


def test_median_interval_by_order_statistics():
    """Of 20 values the 6th and the 15th bound the median with 95.9 % (binomial with a half): Conover, table A3."""
    assert statistics.median_interval(np.arange(1.0, 21.0)) == (10.5, 6.0, 15.0)
    assert statistics.median_interval(np.array([3.0])) == (3.0, 3.0, 3.0)


def test_the_same_seed_gives_the_same_draws():
    counts = np.array([3, 7])
    first = statistics.resample(counts, lambda c: c[:, 0], seed=4)
    assert (first == statistics.resample(counts, lambda c: c[:, 0], seed=4)).all()
    assert (first != statistics.resample(counts, lambda c: c[:, 0], seed=5)).any()
