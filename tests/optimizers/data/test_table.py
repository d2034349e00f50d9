"""CSV files: dialect, header, column types, gaps, target, features."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from optimizers.cards import DatasetCard
from optimizers.data.dataset import Dataset
from optimizers.data.load import load_dataset
from tests.optimizers.hostile.forge import look


def read(path: Path, text: str | bytes, **options: object) -> tuple[DatasetCard, Dataset]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    card = look(path, "dataset", **options)
    return card, load_dataset(path, card, options, path.parent / "work")


def everything(data: Dataset) -> np.ndarray:
    return np.concatenate([data.train.x, data.validation.x, data.test.x])


def types(card: DatasetCard) -> dict:
    return {column.name: column.type for column in card.columns}


COLOURS = ("red", "green", "blue")
ROWS = [(f"{i + 1}", f"{i * 1.5}", COLOURS[i % 3], f"note number {i}", "same", "", "yes" if i % 2 else "no") for i in range(80)]
TEXT = "\n".join(",".join(row) for row in [("id", "size", "colour", "note", "fixed", "void", "class"), *ROWS])


def test_every_column_finds_its_type_and_features(tmp_path: Path) -> None:
    card, data = read(tmp_path / "data.csv", TEXT)
    assert types(card) == {"id": "id-like", "size": "number", "colour": "category", "note": "id-like", "fixed": "constant", "void": "empty",
                           "class": "category"}
    assert (card.target, card.task, card.classes, card.class_counts) == ("class", "classification", ("no", "yes"), (40, 40))
    assert data.features == ("size", "colour=blue", "colour=green", "colour=red")
    assert (card.row_shape, card.row_dtype, card.rows) == ((4,), "float32", 80)
    x = everything(data)
    assert sorted(x[:, 0]) == [i * 1.5 for i in range(80)]
    assert (x[:, 1:].sum(axis=1) == 1).all()
    codes = {problem.code for problem in card.problems}
    assert {"target-guessed", "dropped-id-like", "dropped-constant", "dropped-empty"} <= codes
    assert json.loads(card.preview[0])["colour"] == "red"
    assert card.preview_labels[:2] == ("no", "yes")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_encodings(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = TEXT.replace(",", delimiter).replace("red", "röd").replace("\n", "\r\n")
    card, _ = read(tmp_path / "data.csv", text.encode(encoding))
    assert [column.name for column in card.columns][:2] == ["id", "size"]
    assert card.rows == 80


def test_quoted_cells_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    card, data = read(tmp_path / "data.csv", "a,b,y\n" + "\n".join(f'"{i},5","x\ny",{i % 2}' for i in range(40)))
    assert card.rows == 40
    assert types(card)["a"] == "number" if data.features == ("a",) else True


def test_decimal_commas(tmp_path: Path) -> None:
    _, data = read(tmp_path / "data.csv", "a;b;y\n" + "\n".join(f"{i},5;{i};{'p' if i % 2 else 'q'}" for i in range(40)))
    assert sorted(everything(data)[:, 0])[:3] == [0.5, 1.5, 2.5]


def test_without_a_header(tmp_path: Path) -> None:
    card, _ = read(tmp_path / "data.csv", "\n".join(f"{i * 0.5},{i % 5},{i % 3}" for i in range(60)))
    assert [column.name for column in card.columns] == ["column 1", "column 2", "column 3"]
    assert (card.target, card.classes, card.rows) == ("column 3", ("0", "1", "2"), 60)


def test_words_only_with_and_without_a_header(tmp_path: Path) -> None:
    body = "\n".join(f"{COLOURS[i % 3]},{'big' if i % 2 else 'small'}" for i in range(60))
    assert read(tmp_path / "data.csv", "colour,size\n" + body)[0].rows == 60
    assert read(tmp_path / "data.csv", body)[0].rows == 60
    assert read(tmp_path / "data.csv", "\n".join(["1,2", *(f"{i * 2},{i % 2}" for i in range(40))]), header=True)[0].target == "2"


def test_gaps_become_the_median_of_train_or_a_category(tmp_path: Path) -> None:
    rows = [f"{'NA' if i % 4 == 0 else i},{'?' if i % 5 == 0 else COLOURS[i % 3]},{i % 2}" for i in range(100)]
    card, data = read(tmp_path / "data.csv", "n,c,y\n" + "\n".join(rows))
    assert data.features == ("n", "c=blue", "c=green", "c=red", "c=(missing)")
    present = {float(i) for i in range(100) if i % 4}
    filled = [value for value in data.train.x[:, 0] if value not in present or list(data.train.x[:, 0]).count(value) > 1]
    known = [value for value in data.train.x[:, 0] if value in present]
    assert len(set(filled)) == 1
    assert min(known) < filled[0] < max(known)
    assert set(data.test.x[:, 0]) <= present | set(filled)
    assert everything(data)[:, 4].sum() == 20
    assert {column.name: column.missing for column in card.columns} == {"n": 25, "c": 20, "y": 0}


def test_infinite_values_and_stray_text_count_as_missing_and_are_told(tmp_path: Path) -> None:
    rows = [f"{'inf' if i == 3 else i * 0.25},{'oops' if i == 40 else i * 1.5},{i % 2}" for i in range(120)]
    card, data = read(tmp_path / "data.csv", "a,b,y\n" + "\n".join(rows))
    assert np.isfinite(everything(data)).all()
    told = {problem.code: problem for problem in card.problems}
    assert "infinite" in told
    assert "in 1 of 120 rows" in told["text-in-number"].wrong
    assert 'first at row 41: "oops"' in told["text-in-number"].where


def test_the_target_by_option_by_name_and_by_place(tmp_path: Path) -> None:
    from optimizers.errors import OptimizerError

    text = "label,a,b\n" + "\n".join(f"{COLOURS[i % 3]},{i * 0.5},{i % 7}" for i in range(60))
    assert read(tmp_path / "data.csv", text)[0].target == "label"
    card, data = read(tmp_path / "data.csv", text, target="a")
    assert (card.target, card.task, data.train.y.dtype) == ("a", "regression", np.float32)
    assert read(tmp_path / "data.csv", text.replace("label", "hue"))[0].target == "b"
    with pytest.raises(OptimizerError, match="Did you mean 'label'"):
        read(tmp_path / "data.csv", text, target="lable")


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    card, data = read(tmp_path / "data.csv", "a,y\n" + "\n".join(f"{i * 0.5},{'' if i % 10 == 0 else i % 2}" for i in range(60)))
    assert card.rows == len(data.train) + len(data.validation) + len(data.test) == 54
    assert "missing-target" in {problem.code for problem in card.problems}


def test_classes_that_differ_by_a_closing_dot(tmp_path: Path) -> None:
    card, _ = read(tmp_path / "data.csv", "a,y\n" + "\n".join(f"{i * 0.5},{('no', 'yes', 'no.')[i % 3]}" for i in range(90)))
    assert "'no' and 'no.' differ only by a dot" in next(p.wrong for p in card.problems if p.code == "trailing-dot")


def test_equal_rows_never_part(tmp_path: Path) -> None:
    _, data = read(tmp_path / "data.csv", "a,b,y\n" + "\n".join(f"{i % 30 * 0.5},{i % 30},{i % 2}" for i in range(300)))
    seen = [{row.tobytes() for row in split.x} for split in (data.train, data.validation, data.test)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@pytest.mark.slow
def test_memory_stays_flat_for_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    with path.open("w") as file:
        file.write("a,b,c,d,e,y\n")
        for i in range(150_000):
            file.write(f"{i * 0.123:.3f},{i % 977},{i * 7 % 1013},word{i % 50},{i / 3:.4f},{i % 4}\n")
    tracemalloc.start()
    card = look(path, "dataset")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert card.rows == 150_000
    assert peak < 64 << 20


SHARED = Path(os.environ.get("ESPALIER_SHARED", Path(__file__).parents[4] / "shared")) / "data/tabular"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
@pytest.mark.parametrize(("name", "target", "task", "rows", "features"), [
    ("adult/adult_train.csv", "class", "classification", 32_561, 108),
    ("california-housing/housing.csv", "median_house_value", "regression", 20_640, 13),
    ("wine-quality/winequality-white.csv", "column 12", "classification", 4_898, 11),
])
def test_real_tables(tmp_path: Path, name: str, target: str, task: str, rows: int, features: int) -> None:
    from optimizers.data.load import card_of, open_source

    card = card_of(open_source(SHARED / name, {"target": target}, tmp_path), 0.0)
    assert (card.task, card.rows, card.row_shape) == (task, rows, (features,))
    assert abs(card.splits["test"] / rows - 0.15) < 0.01
