"""From raw rows to what a network takes, and finding out which way it was."""

import numpy as np
import pytest

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.errors import OptimizerError
from optimizers.models import zoo
from optimizers.models.preprocessing import Preprocessing, guess
from optimizers.training.train import Training

BYTES = np.arange(0, 256, 15, np.uint8)[:16].reshape(1, 1, 4, 4)


def test_scales_by_hand():
    x = np.array([[[[0, 255]]]], np.uint8)
    assert Preprocessing(scale="0-1")(x).tolist() == [[[[0, 1]]]]
    assert Preprocessing(scale="0-255")(x).tolist() == [[[[0, 255]]]]
    assert Preprocessing(scale="-1-1")(x).tolist() == [[[[-1, 1]]]]
    assert Preprocessing(scale="standard", mean=(0.5,), std=(0.25,))(x).tolist() == [[[[-2, 2]]]]
    table = np.array([[3.0, 10.0]], np.float32)
    assert Preprocessing(scale="standard", mean=(1, 20), std=(2, 5))(table).tolist() == [[1, -2]]


def test_order_size_channels_layout_flatten():
    grey = Preprocessing(size=(8, 6), channels=3, layout="nhwc")(BYTES)
    assert grey.shape == (1, 8, 6, 3) and grey.dtype == np.float32 and grey.flags["C_CONTIGUOUS"]
    assert np.array_equal(grey[..., 0], grey[..., 2])
    colour = np.zeros((1, 3, 2, 2), np.uint8)
    colour[:, 1] = 100
    assert np.allclose(Preprocessing(channels=1, scale="0-255")(colour), 59)
    assert Preprocessing(flatten=True)(BYTES).shape == (1, 16)


def test_nearest_for_grey_keeps_levels_and_bilinear_for_colour_blends():
    edge = np.zeros((1, 1, 4, 4), np.uint8)
    edge[..., 2:] = 200
    assert set(np.unique(Preprocessing(size=(6, 6), scale="0-255")(edge))) == {0, 200}
    assert len(np.unique(Preprocessing(size=(6, 6), scale="0-255")(edge.repeat(3, 1)))) > 2


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.images[:, None] * 15.9).astype(np.uint8), found.target.astype(np.int64)
    parts = [Split(x[a:b], y[a:b]) for a, b in ((0, 900), (900, 1300), (1300, 1797))]
    return Dataset(*parts, "images", "classification", tuple("0123456789"))


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    return Training(epochs=3).apply(None, digits, Context(tmp_path_factory.mktemp("work")))


def test_the_scale_it_was_trained_with_is_found(digits, trained, tmp_path):
    assert guess(trained.with_(preprocessing=Preprocessing(scale="none")), digits, Context(tmp_path)).scale == "0-1"


def test_a_network_of_bytes_is_found_out(digits, trained, tmp_path):
    """The same weights with the first convolution made for 0..255 instead of 0..1, around a mean that "0-1" cannot meet."""
    module = trained.to_torch()
    first = module.get_submodule("stem.conv")
    first.weight.data /= 255
    told = []
    found = guess(trained.with_module(module), digits, Context(tmp_path, emit=told.append))
    assert found.scale == "0-255"
    assert any("validation quality by scale" in getattr(event, "text", "") for event in told)


def test_an_untrained_network_gets_the_plain_scale(digits, tmp_path):
    assert guess(zoo.build("mlp", (64,), 10), digits, Context(tmp_path)) == Preprocessing(flatten=True)


def test_size_and_channels_follow_from_the_input(digits, tmp_path):
    found = guess(zoo.build("tiny-cnn", (3, 16, 16), 10), digits, Context(tmp_path))
    assert found.size == (16, 16) and found.channels == 3
    flat = guess(zoo.build("mlp", (196,), 10), digits, Context(tmp_path))
    assert flat.size == (14, 14) and flat.flatten


def test_rows_that_cannot_fit_are_refused(tmp_path):
    rows = Split(np.zeros((4, 5), np.float32), np.arange(4))
    table = Dataset(rows, rows, rows, "table", "classification", ("a", "b", "c", "d"))
    with pytest.raises(OptimizerError, match="takes rows of shape 1x28x28"):
        guess(zoo.build("resnet8", (1, 28, 28), 4), table, Context(tmp_path))
