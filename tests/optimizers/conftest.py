"""Toys that every test of the craft may use: scikit-learn's digits, a small network, a quiet context."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def digits():
    """A Dataset of 8 x 8 pictures: 600 train, 200 validation, 200 test rows."""
    from sklearn.datasets import load_digits

    from optimizers.data.dataset import Dataset, Split

    table = load_digits()
    x = (table.images * 15).astype(np.uint8)[:, None]
    y = table.target.astype(np.int64)
    cut = [Split(x[start:stop], y[start:stop]) for start, stop in ((0, 600), (600, 800), (800, 1000))]
    return Dataset(*cut, kind="array", task="classification", classes=tuple("0123456789"))


@pytest.fixture(scope="session")
def fresh():
    """An untrained tiny CNN for digits."""
    from optimizers.models.zoo import build

    return build("tiny-cnn", (1, 8, 8), 10, seed=3)


@pytest.fixture(scope="session")
def trained(digits, fresh, tmp_path_factory):
    """The same after three epochs: well above chance."""
    from optimizers.context import Context
    from optimizers.training.fine_tune import FineTuning

    return FineTuning(epochs=3, rate=0.01).apply(fresh, digits, Context(tmp_path_factory.mktemp("trained"), seed=1))


@pytest.fixture
def context(tmp_path: Path):
    from optimizers.context import Context
    from optimizers.device import catalogue

    return Context(tmp_path, seed=5, device=catalogue()["this-server"], metric="top1")
