"""Arrays in .npz and idx files: names, layouts, number types and labels."""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from optimizers.data.load import load_dataset
from tests.optimizers.hostile.forge import look, zipped

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("shape", "row", "layout"), [
    ((40, 6, 5), (1, 6, 5), ""), ((40, 6, 5, 3), (3, 6, 5), "(height, width, channels)"),
    ((40, 3, 6, 5), (3, 6, 5), "(channels, height, width)"),
    ((40, 6, 5, 1), (1, 6, 5), "(height, width, channels)"), ((40, 7), (7,), ""),
])
def test_layouts_are_guessed_and_said(tmp_path: Path, shape: tuple, row: tuple, layout: str) -> None:
    x = RNG.integers(0, 255, shape).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 2)
    card = look(tmp_path / "data.npz", "dataset")
    assert (card.row_shape, card.row_dtype, card.kind) == (row, "uint8", "array")
    assert [layout in problem.wrong for problem in card.problems if problem.code == "layout"] == [True] * bool(layout)
    data = load_dataset(tmp_path / "data.npz", card, {}, tmp_path)
    wanted = {(x[i] if len(row) < 3 or x.ndim == 3 else np.moveaxis(x[i], -1, 0) if shape[1] == 6 else x[i]).tobytes() for i in range(40)}
    assert {part.tobytes() for split in (data.train, data.validation, data.test) for part in split.x} == wanted


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_images", "train_labels", "test_images", "test_labels"),
                                   ("X_train", "Y_train", "X_test", "Y_test"), ("train_x", "train_y", "test_x", "test_y")])
def test_names_of_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    parts = [RNG.random((60, 4)), np.arange(60) % 3, RNG.random((20, 4)), np.arange(20) % 3]
    np.savez_compressed(tmp_path / "data.npz", **dict(zip(names, parts, strict=True)))
    card = look(tmp_path / "data.npz", "dataset")
    assert card.splits == {"train": 51, "validation": 9, "test": 20}
    assert card.row_dtype == "float32"


def test_whole_numbers_up_to_255_become_bytes_and_others_floats(tmp_path: Path) -> None:
    for x, dtype in ((RNG.integers(0, 256, (40, 4, 4)), "uint8"), (RNG.integers(0, 300, (400, 4, 4)), "float32"),
                     (RNG.random((40, 4, 4)) > 0.5, "uint8"), (np.asfortranarray(RNG.random((40, 4, 4))), "float32")):
        np.savez(tmp_path / "data.npz", x=x, y=np.arange(len(x)) % 2)
        assert look(tmp_path / "data.npz", "dataset").row_dtype == dtype
        assert load_dataset(tmp_path / "data.npz", None, {}, tmp_path).train.x.dtype == dtype


@pytest.mark.parametrize(("y", "classes", "task"), [
    (np.arange(60) % 3, ("0", "1", "2"), "classification"), (np.arange(60) % 3 + 1, ("1", "2", "3"), "classification"),
    (np.arange(60) % 2 * 2 - 1, ("-1", "1"), "classification"), (np.eye(3)[np.arange(60) % 3], ("0", "1", "2"), "classification"),
    ((np.arange(60) % 3)[:, None].astype(float), ("0", "1", "2"), "classification"), (np.linspace(0, 1, 60), (), "regression"),
    (np.array([0, 1, 3] * 20), ("0", "1", "2", "3"), "classification"), (np.arange(60), (), "regression"),
])
def test_labels(tmp_path: Path, y: np.ndarray, classes: tuple, task: str) -> None:
    np.savez(tmp_path / "data.npz", x=RNG.random((60, 4)), y=y)
    card = look(tmp_path / "data.npz", "dataset")
    assert (card.classes, card.task) == (classes, task)
    data = load_dataset(tmp_path / "data.npz", card, {}, tmp_path)
    assert data.train.y.dtype == (np.int64 if task == "classification" else np.float32)


def test_the_task_can_be_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=RNG.random((60, 4)), y=np.arange(60) % 3)
    assert look(tmp_path / "data.npz", "dataset", task="regression").task == "regression"


def test_a_dataset_that_is_not_the_inspected_one(tmp_path: Path) -> None:
    from optimizers.errors import OptimizerError

    np.savez(tmp_path / "data.npz", x=RNG.random((60, 4)), y=np.arange(60) % 3)
    card = look(tmp_path / "data.npz", "dataset")
    with pytest.raises(OptimizerError, match="not the one that was inspected"):
        load_dataset(tmp_path / "data.npz", card.model_copy(update={"rows": 61}), {}, tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_pairs(tmp_path: Path, packed: bool) -> None:
    def idx(x: np.ndarray) -> bytes:
        raw = bytes([0, 0, 8, x.ndim]) + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes()
        return gzip.compress(raw) if packed else raw

    end, files, pixels = ".gz" if packed else "", {}, {}
    for name, n in (("train", 60), ("t10k", 20)):
        pixels[name] = RNG.integers(0, 255, (n, 5, 4)).astype(np.uint8)
        files[f"{name}-images-idx3-ubyte{end}"] = idx(pixels[name])
        files[f"{name}-labels-idx1-ubyte{end}"] = idx((np.arange(n) % 4).astype(np.uint8))
    path = zipped(tmp_path / "data.zip", files, zipfile.ZIP_STORED)
    card = look(path, "dataset")
    assert card.splits == {"train": 51, "validation": 9, "test": 20}
    assert card.row_shape == (1, 5, 4)
    assert (load_dataset(path, card, {}, tmp_path).test.x[:, 0] == pixels["t10k"]).all()


SHARED = Path(os.environ.get("ESPALIER_SHARED", Path(__file__).parents[4] / "shared"))


@pytest.mark.skipif(not (SHARED / "data/vision/fashion-mnist").is_dir(), reason="the shared data set Fashion-MNIST is not here")
def test_fashion_mnist(tmp_path: Path) -> None:
    files = {file.name: file.read_bytes() for file in (SHARED / "data/vision/fashion-mnist").glob("*.gz")}
    card = look(zipped(tmp_path / "fashion.zip", files, zipfile.ZIP_STORED), "dataset")
    assert card.splits == {"train": 60_000, "validation": 5_000, "test": 5_000}
    assert card.class_counts == (7_000,) * 10
    assert card.row_shape == (1, 28, 28)
