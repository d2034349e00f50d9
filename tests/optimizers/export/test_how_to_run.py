"""The code on the page says the same numbers as the network it came with, for every kind of preprocessing."""

import numpy as np
import pytest

from optimizers.export import how_to_run
from optimizers.models.preprocessing import Preprocessing

ROWS = {"bytes": ((3, 6, 8), np.uint8), "grey": ((1, 8, 8), np.uint8), "floats": ((1, 8, 8), np.float32), "table": ((5,), np.float32)}


@pytest.mark.parametrize(("rows", "how"), [
    ("grey", Preprocessing()),
    ("grey", Preprocessing(scale="0-255", flatten=True)),
    ("grey", Preprocessing(scale="-1-1", channels=3, layout="nhwc")),
    ("grey", Preprocessing(size=(4, 6))),
    ("bytes", Preprocessing(scale="standard", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))),
    ("bytes", Preprocessing(channels=1)),
    ("bytes", Preprocessing(size=(5, 5), layout="nhwc")),
    ("floats", Preprocessing(scale="-1-1")),
    ("floats", Preprocessing(scale="standard", mean=(0.4,), std=(0.2,))),
    ("table", Preprocessing(scale="standard", mean=(1.0, 2, 3, 4, 5), std=(1.0, 1, 2, 2, 1))),
    ("table", Preprocessing(scale="none")),
])
def test_spelled_out_steps_equal_the_preprocessing(rows, how):
    shape, dtype = ROWS[rows]
    x = (np.random.default_rng(0).random((3, *shape)) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    lines = how_to_run.steps(how, shape, dtype == np.uint8)
    place = {"np": np, "x": x}
    if how_to_run.resizes(how, shape):
        from PIL import Image

        place["Image"] = Image
    exec("\n".join(lines), place)    # our own text, which is what is tested
    np.testing.assert_allclose(np.asarray(place["x"], np.float32), how(x), rtol=1e-5, atol=1e-6)
