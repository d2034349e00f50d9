"""Zips of class folders: layouts, sizes, colours and splits."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from optimizers.data.load import load_dataset
from tests.optimizers.hostile.forge import folders, look, picture, zipped


def grey(value: int, size: tuple[int, int] = (12, 10), mode: str = "L") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, value).save(out, "PNG")
    return out.getvalue()


def test_flat_folders_under_one_top_folder(tmp_path: Path) -> None:
    files = {f"my set/{name}": data for name, data in folders({"LICENSE": b"text"}).items()}
    card = look(zipped(tmp_path / "data.zip", files), "dataset")
    assert (card.kind, card.rows, card.classes, card.class_counts) == ("images", 16, ("cats", "dogs"), (8, 8))
    assert (card.row_shape, card.row_dtype) == ((3, 10, 12), "uint8")
    assert {"files-left-out", "few-rows-in-class"} <= {problem.code for problem in card.problems}
    assert card.preview[0].startswith("data:image/png;base64,")
    assert len(card.preview) == 16
    assert card.preview_labels[0] == "cats"
    assert card.preview_labels[-1] == "dogs"


def test_declared_folders_and_pixels(tmp_path: Path) -> None:
    files = {}
    for split, count in (("train", 30), ("val", 4), ("test", 5)):
        for k, name in enumerate(("10", "9", "zebra")):
            files |= {f"{split}/{name}/{i}.png": picture((i, k, 7 if split == "test" else 0)) for i in range(count)}
    path = zipped(tmp_path / "data.zip", files)
    card = look(path, "dataset")
    assert card.classes == ("9", "10", "zebra")
    assert card.splits == {"train": 90, "validation": 12, "test": 15}
    assert card.split_how == "declared train and validation and test"
    data = load_dataset(path, card, {}, tmp_path)
    assert data.train.x.shape == (90, 3, 10, 12)
    assert data.test.x.dtype == np.uint8
    assert set(data.test.x[:, 2].ravel()) == {7}
    assert set(zip(data.train.y.tolist(), data.train.x[:, 1, 0, 0].tolist(), strict=True)) == {(0, 1), (1, 0), (2, 2)}


def test_grey_stays_one_channel_unless_colours_are_among_it(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": grey(10 * i + k) for k, c in enumerate("ab") for i in range(6)}
    assert look(zipped(tmp_path / "data.zip", files), "dataset").row_shape == (1, 10, 12)
    card = look(zipped(tmp_path / "data.zip", files | {"a/colour.png": picture()}), "dataset")
    assert card.row_shape == (3, 10, 12)
    assert "grey" in {problem.code for problem in card.problems}
    deep = {f"{c}/{i}.png": grey(65535, mode="I;16") for c in "ab" for i in range(6)}
    path = zipped(tmp_path / "deep.zip", deep)
    assert look(path, "dataset").row_shape == (1, 10, 12)
    assert int(load_dataset(path, None, {}, tmp_path).train.x.max()) == 255


def test_sizes_are_brought_together_and_it_is_said(tmp_path: Path) -> None:
    few = look(zipped(tmp_path / "few.zip", folders({"cats/big.png": picture(size=(50, 50))})), "dataset")
    assert few.row_shape == (3, 10, 12)
    assert [p.wrong for p in few.problems if p.code == "resized"] == ["Resized to 12 x 10, the commonest size: 1 of 17 pictures."]
    mixed = {f"{c}/{i}.png": picture((i, i, i), (20 + i * 3, 30 + i)) for c in "ab" for i in range(8)}
    assert look(zipped(tmp_path / "mixed.zip", mixed), "dataset").row_shape == (3, 32, 32)
    large = {f"{c}/{i}.png": picture((i, 9, i), (1200, 600)) for c in "ab" for i in range(4)}
    assert look(zipped(tmp_path / "large.zip", large), "dataset").row_shape == (3, 112, 224)


def test_every_readable_format(tmp_path: Path) -> None:
    kinds = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "bmp": "BMP"}
    files = {f"{c}/{i}.{end}": picture((200, 10, 10 + i), form=form) for c in "ab" for i, (end, form) in enumerate(kinds.items())}
    path = zipped(tmp_path / "data.zip", files)
    assert look(path, "dataset").rows == 10
    assert abs(int(load_dataset(path, None, {}, tmp_path).train.x[:, 0].mean()) - 200) < 3


def test_the_split_does_not_change_with_file_names(tmp_path: Path) -> None:
    files = folders(each=20)
    renamed = {f"{name.split('/')[0]}/{i * 7919 % 100:03}.png": data for i, (name, data) in enumerate(files.items())}
    one, other = (load_dataset(zipped(tmp_path / f"{i}.zip", f), None, {}, tmp_path / str(i)) for i, f in enumerate((files, renamed)))
    assert {row.tobytes() for row in one.test.x} == {row.tobytes() for row in other.test.x}
    assert len(one.test) == 6
