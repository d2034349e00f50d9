"""Bias and variance against problems with known answers."""

import numpy as np
import pytest

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.ensembles.bag import Bagging
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.forest import Forest
from optimizers.ensembles.problem import Problem
from optimizers.ensembles.study import decomposed, study, zero_one


def test_by_hand():
    """Two answers, 1 and 3, where the truth is 4: variance (1 + 1) / (2 - 1) = 2, loss ((1-4)² + (3-4)²) / 2 = 5, bias the rest: (2 - 4)²
    less half of the variance.
    """
    found = decomposed([np.array([[1.0]]), np.array([[3.0]])], np.array([4.0]), Problem(0, 1), 0.1)
    assert (found.bias, found.variance, found.loss) == (3.0, 2.0, 5.0) and found.zero_one is None


def test_brier_by_hand():
    """Two classes: 0.6 and 0.8 for the true second class. Each class's share is off by as much, so both count."""
    found = decomposed([np.array([[0.6]]), np.array([[0.8]])], np.array([1]), Problem(2, 1), 0.1)
    assert found.variance == pytest.approx(2 * 2 * 0.1**2) and found.bias == pytest.approx(2 * 0.3**2 - 2 * 0.1**2)
    assert found.loss == pytest.approx((2 * 0.4**2 + 2 * 0.2**2) / 2)


def test_zero_one_by_hand():
    """Row 0: right twice, wrong once: bias 0, variance costs 1/3. Row 1: wrong twice, right once: bias 1, variance gains 1/3."""
    assert zero_one(np.array([[0, 1], [0, 1], [1, 0]]), np.array([0, 0])) == pytest.approx((1 / 2, 1 / 2, 0.0))


def noise(rows=400, deviation=1.0):
    """y = x + noise of known deviation, x in [0, 1]."""
    rng = np.random.default_rng(0)

    def split(n):
        x = rng.uniform(size=(n, 1)).astype(np.float32)
        return Split(x, (x[:, 0] + rng.normal(0, deviation, n)).astype(np.float32))

    return Dataset(split(rows), split(100), split(2000), "table", "regression")


def test_a_tree_grown_out_has_the_variance_of_the_noise(tmp_path):
    """One tree without bound repeats one row's label. A given row's label counts where it was drawn, so over resamplings the answer moves
    between the nearest rows: most of the noise's variance 1 is in the variance term, and bias holds the test rows' own noise of 1.
    """
    data = noise()
    one = study(BaseModel(), data, Context(tmp_path))
    assert one.loss == pytest.approx(one.bias + one.variance)
    assert 0.4 < one.variance < 1.1 and 0.9 < one.bias < 2.2


def test_a_line_has_no_bias_but_the_noise_and_hardly_variance(tmp_path):
    """Least squares on 400 rows: variance is about 2 / 400 of the noise; what is left of the loss is the noise of the test rows."""
    line = study(BaseModel(kind="linear", pull=0.001), noise(), Context(tmp_path))
    assert line.variance == pytest.approx(2 / 400, rel=0.8) and line.bias == pytest.approx(1.0, rel=0.1)


def test_bagging_lowers_variance_and_leaves_bias(tmp_path):
    data = noise()
    one, many = study(BaseModel(), data, Context(tmp_path)), study(Bagging(members=15), data, Context(tmp_path))
    assert many.variance < 0.75 * one.variance and many.bias < 1.15 * one.bias


def test_little_time_makes_fewer_resamplings_or_none(tmp_path):
    data = noise(3000)
    assert study(Forest(trees=60), data, Context(tmp_path), seconds=0.01) is None
    found = study(BaseModel(), data, Context(tmp_path), seconds=1e9)
    assert found.resamples == 20 and found.rows == 2000 and "20 resamplings" in found.how


def test_the_ranges_hold_the_truth_about_as_often_as_they_say():
    """Answers are normal about 0.5 with variance 1, the aim is 0: bias 0.25, variance 1, rows independent."""
    from optimizers.ensembles.study import ranges

    rng = np.random.default_rng(4)
    inside = np.zeros(2)
    for _ in range(200):
        (low, high), (least, most) = ranges(rng.normal(0.5, 1, (20, 30, 1)), np.zeros((30, 1)))
        inside += low <= 0.25 <= high, least <= 1 <= most
    assert (inside / 200 >= 0.90).all() and (inside / 200 <= 0.99).all()
