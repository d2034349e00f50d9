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


def test_a_row_of_a_table_becomes_the_features_the_network_was_trained_on(tmp_path):
    from optimizers.data.load import load_dataset
    from optimizers.data.table_rows import MISSING
    from optimizers.desk import card_of
    from optimizers.export.bundle import features_of

    lines = [f"{i % 7 / 2},{'' if i % 9 == 0 else ('sea', 'land=flat')[i % 2]},{'yes' if i % 3 else 'no'}" for i in range(120)]
    path = tmp_path / "houses.csv"
    path.write_text("rooms,place,sold\n" + "\n".join(lines) + "\n")
    card = card_of(path, {"target": "sold"})
    data = load_dataset(path, card, {"target": "sold"}, tmp_path)
    features = features_of(data)
    place = {"np": np}
    exec("\n".join(how_to_run.of_table(features)), place)    # our own text, which is what is tested
    made = np.concatenate([place["row_of"](dict(zip(("rooms", "place"), line.split(","), strict=False))) for line in lines])
    seen = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert "" in MISSING
    assert sorted(map(tuple, made)) == sorted(map(tuple, np.asarray(seen)))
