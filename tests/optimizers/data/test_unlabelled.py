"""Data without labels: arrays of any shape, pictures in no class folders, a table without a target."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from optimizers.data.load import card_of, load_dataset, open_source


def looked_at(path, tmp_path, **options):
    source = open_source(path, options, tmp_path / "look")
    card = card_of(source, 0.0)
    return card, load_dataset(path, card, options, tmp_path / "load")


def checked(card, data, rows):
    assert card.task == data.task == "unlabelled" and card.classes == () and card.class_counts == ()
    assert card.rows == sum(card.splits.values()) == rows and min(card.splits.values()) > 0
    assert set(np.concatenate([data.train.y, data.validation.y, data.test.y]).tolist()) == {-1}
    assert [problem.code for problem in card.problems].count("unlabelled") == 1 and set(card.preview_labels) <= {""}


@pytest.mark.parametrize(("shape", "served"), [((7,), (7,)), ((12, 5), (1, 12, 5)), ((3, 6, 8), (3, 6, 8)), ((2, 3, 4, 5), (2, 3, 4, 5))])
def test_an_npz_with_x_alone(shape, served, tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(0).normal(size=(40, *shape)).astype(np.float32))
    card, data = looked_at(tmp_path / "rows.npz", tmp_path)
    checked(card, data, 40)
    assert card.row_shape == served and data.train.x.dtype == np.float32


def test_labels_can_be_left_aside(tmp_path):
    np.savez(tmp_path / "rows.npz", x_train=np.zeros((30, 4)) + np.arange(30)[:, None], y_train=np.arange(30) % 2,
             x_test=np.ones((20, 4)) * np.arange(50, 70)[:, None], y_test=np.arange(20) % 2)
    card, data = looked_at(tmp_path / "rows.npz", tmp_path, task="unlabelled")
    checked(card, data, 50)
    assert card.splits["test"] == 20


def pictures(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            held = io.BytesIO()
            Image.fromarray(np.full((9, 8, 3), number, np.uint8)).save(held, "PNG")
            archive.writestr(name, held.getvalue())
    return path


@pytest.mark.parametrize("where", ["{}.png", "photos/{}.png", "all/photos/{}.png"])
def test_pictures_in_no_class_folders(where, tmp_path):
    path = pictures(tmp_path / "photos.zip", [where.format(number) for number in range(20)])
    card, data = looked_at(path, tmp_path)
    checked(card, data, 20)
    assert card.row_shape == (3, 9, 8) and card.title.startswith("Pictures without labels")


def test_class_folders_can_be_left_aside(tmp_path):
    path = pictures(tmp_path / "photos.zip", [f"{'cats' if number % 2 else 'dogs'}/{number}.png" for number in range(20)])
    assert looked_at(path, tmp_path / "labelled")[0].task == "classification"
    checked(*looked_at(path, tmp_path, task="unlabelled"), 20)


def test_a_table_without_a_target(tmp_path):
    lines = ["width,height,kind", *(f"{number}.5,{number % 7},{'ab'[number % 2]}" for number in range(40))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    card, data = looked_at(tmp_path / "rows.csv", tmp_path, task="unlabelled")
    checked(card, data, 40)
    assert card.target is None and data.features == ("width", "height", "kind=a", "kind=b")
