"""Parquet, ARFF, svmlight and zips of tables: the same types, features and splits as a CSV of the same rows."""

import datetime
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from optimizers.data.load import load_dataset
from optimizers.errors import OptimizerError
from tests.optimizers.data.test_table import COLOURS, everything, read, types
from tests.optimizers.hostile.forge import look, zipped

DAY = datetime.date(2026, 1, 1)
SIZES = [None if i % 9 == 0 else i * 1.25 for i in range(90)]
DAYS = [DAY + datetime.timedelta(days=i % 40) for i in range(90)]
HUES = [COLOURS[i % 3] for i in range(90)]
CLASSES = [("no", "yes")[i % 2] for i in range(90)]
CSV = "size,day,hue,class\n" + "\n".join(f"{'' if size is None else size},{day},{hue},{label}" for size, day, hue, label in
                                          zip(SIZES, DAYS, HUES, CLASSES))


def opened(path: Path, **options: object):
    card = look(path, "dataset", **options)
    return card, load_dataset(path, card, options, path.parent / f"work-{path.name}")


def parquet(path: Path, columns: dict, **how: object) -> Path:
    import pyarrow
    from pyarrow import parquet as form

    form.write_table(pyarrow.table(columns), path, **how)
    return path


def arff(extra: str = "") -> str:
    rows = "\n".join(f"{'?' if size is None else size},{day},{hue},{label}" for size, day, hue, label in zip(SIZES, DAYS, HUES, CLASSES))
    return ("% made up\n@RELATION sizes\n@attribute size numeric\n@ATTRIBUTE day date 'yyyy-MM-dd'\n@attribute hue {red, 'green',blue}\n"
            f"@attribute class {{no,yes}}\n{extra}\n@DATA\n% rows\n{rows}\n")


def test_every_format_gives_the_same_dataset(tmp_path: Path) -> None:
    plain, one = read(tmp_path / "d.csv", CSV)
    (tmp_path / "d.arff").write_text(arff())
    import pyarrow

    parquet(tmp_path / "d.parquet", {"size": SIZES, "day": DAYS, "hue": pyarrow.array(HUES).dictionary_encode(), "class": CLASSES},
            row_group_size=20)
    for name in ("d.arff", "d.parquet"):
        card, two = opened(tmp_path / name)
        assert types(card) == types(plain) == {"size": "number", "day": "date", "hue": "category", "class": "category"}
        assert two.features == one.features
        for split in ("train", "validation", "test"):
            assert np.array_equal(getattr(one, split).x, getattr(two, split).x)
            assert np.array_equal(getattr(one, split).y, getattr(two, split).y)


def test_nominal_numbers_of_arff_are_categories(tmp_path: Path) -> None:
    (tmp_path / "d.arff").write_text("@relation r\n@attribute code {1,2,3}\n@attribute 'a b' real\n@attribute y {0,1}\n@data\n" +
                                     "\n".join(f"{i % 3 + 1},{i * 0.5},{i % 2}" for i in range(30)))
    _, data = opened(tmp_path / "d.arff")
    assert data.features == ("code=1", "code=2", "code=3", "a b")


def test_sparse_arff(tmp_path: Path) -> None:
    (tmp_path / "d.arff").write_text("@relation r\n@attribute a real\n@attribute b {x,y}\n@attribute y {0,1}\n@data\n" +
                                     "\n".join("{0 2.5, 2 1}" if i % 2 else "{1 y}" for i in range(30)))
    _, data = opened(tmp_path / "d.arff")
    x = everything(data)
    assert data.features == ("a", "b=x", "b=y")
    assert sorted({tuple(row) for row in x.tolist()}) == [(0.0, 0.0, 1.0), (2.5, 1.0, 0.0)]


def test_svmlight(tmp_path: Path) -> None:
    rows = (f"{'+1' if i % 2 else '-1'} 1:{i * 0.5} " + ("4:7 " if i % 3 == 0 else "") + "# row" for i in range(60))
    text = "# made up\n" + "\n".join(rows)
    (tmp_path / "d.svm").write_text(text)
    card, data = opened(tmp_path / "d.svm")
    assert (card.target, card.classes, card.class_counts) == ("label", ("-1", "1"), (30, 30))
    assert data.features == ("feature 1", "feature 4")                  # 2 and 3 are never mentioned, so they are constant
    assert sorted(everything(data)[:, 0]) == [i * 0.5 for i in range(60)]
    assert (everything(data)[:, 1] == 7).sum() == 20


def test_a_zip_of_train_and_test_declares_its_splits(tmp_path: Path) -> None:
    head, *rows = CSV.split("\n")
    text = lambda part: "\n".join([head, *part]).encode()
    zipped(tmp_path / "d.zip", {"set/train.csv": text(rows[:60]), "set/test.csv": text(rows[60:]), "set/README.txt": b"words"})
    card, data = opened(tmp_path / "d.zip")
    assert card.splits == {"train": 51, "validation": 9, "test": 30}
    size = data.features.index("size")
    assert set(data.test.x[:, size]) >= {SIZES[i] for i in range(60, 90) if SIZES[i]}
    assert "declared train and test" in card.split_how
    assert "unused-files" in {problem.code for problem in card.problems}
    assert opened(tmp_path / "d.zip", split="random")[0].splits["test"] == 14


def test_columns_of_a_zip_may_stand_in_another_order_but_must_be_the_same(tmp_path: Path) -> None:
    a = "p,q,y\n" + "\n".join(f"{i * 2},{i % 7},{i % 2}" for i in range(40))
    b = "q,p,y\n" + "\n".join(f"{i % 7},{i * 2},{i % 2}" for i in range(40, 60))
    _, data = opened(zipped(tmp_path / "d.zip", {"train.csv": a.encode(), "test.csv": b.encode()}))
    assert data.features == ("p", "q")
    assert sorted(data.test.x[:, 0]) == [i * 2 for i in range(40, 60)]
    for other, code in ((b.replace("q,p", "q,r"), "columns-differ"), ("p,q\n1,2\n3,4\n", "columns-differ")):
        with pytest.raises(OptimizerError) as error:
            look(zipped(tmp_path / "d.zip", {"train.csv": a.encode(), "test.csv": other.encode()}), "dataset")
        assert error.value.refusal.code == code
    with pytest.raises(OptimizerError, match="does not say whether"):
        look(zipped(tmp_path / "d.zip", {"one.csv": a.encode(), "two.csv": b.encode()}), "dataset")
    assert look(zipped(tmp_path / "d.zip", {"only.csv": a.encode()}), "dataset").rows == 40


def test_sparse_tables_of_a_zip_may_mention_other_places(tmp_path: Path) -> None:
    a = "\n".join(f"{i % 2} 1:{i * 0.5} 2:{i % 5} 3:{i % 3}" for i in range(40))
    b = "\n".join(f"{i % 2} 1:{i * 0.5} 2:{i % 5}" for i in range(20))
    card, data = opened(zipped(tmp_path / "d.zip", {"train.svm": a.encode(), "test.svm": b.encode()}))
    assert data.features == ("feature 1", "feature 2", "feature 3")
    assert (card.splits["test"], set(data.test.x[:, 2])) == (20, {0.0})


@pytest.mark.parametrize(("name", "content", "code", "where"), [
    ("d.parquet", b"PAR1" + bytes(50), "broken-parquet", "d.parquet"),
    ("d.parquet", b"PAR1" + b"\x15\x04" * 400 + b"PAR1", "broken-parquet", "d.parquet"),
    ("d.arff", "@relation r\n@attribute a widget\n@data\n1\n", "bad-attribute", "line 2"),
    ("d.arff", "@relation r\n@attribute a real\n@attribute y {0,1}\n", "no-data", "d.arff"),
    ("d.arff", "@relation r\n@attribute a real\n@attribute y {0,1}\n@data\n1,0\n1,0,2\n", "ragged-row", "line 6"),
    ("d.arff", "@relation r\n@attribute a real\n@attribute y {0,1}\n@data\n{7 1}\n", "bad-sparse-row", "line 5"),
    ("d.arff", "@relation r\n@attribute a real\n@attribute a real\n@data\n1,2\n", "duplicate-column", "columns 1 and 2"),
    ("d.svm", "1 1:2\n1 1:x\n", "bad-sparse-row", "line 2"), ("d.svm", "1 1:2\nx 1:1\n", "bad-label", "line 2"),
    ("d.svm", "1 1:2\n1 999999999:1\n", "too-many-columns", "d.svm"), ("d.svm", "1 1:2\n0 1:1\n", "too-few-rows", "d.svm"),
])
def test_broken_files_are_refused_with_place_and_mend(tmp_path: Path, name: str, content: str | bytes, code: str, where: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OptimizerError) as error:
        look(tmp_path / name, "dataset")
    assert error.value.refusal.code == code
    assert where in error.value.refusal.where
    assert error.value.refusal.mend


def test_nested_columns_of_parquet_are_left_out_and_told(tmp_path: Path) -> None:
    rows = 40
    path = parquet(tmp_path / "d.parquet", {"a": [i * 0.5 for i in range(rows)], "list": [[i] for i in range(rows)],
                                            "raw": [b"x"] * rows, "flag": [i % 3 == 0 for i in range(rows)],
                                            "at": [datetime.datetime(2026, 1, 1, i % 24) for i in range(rows)],
                                            "y": [i % 2 for i in range(rows)]})
    card, data = opened(path)
    assert "list, raw" in next(problem.wrong for problem in card.problems if problem.code == "nested-columns")
    assert types(card) == {"a": "number", "flag": "category", "at": "date", "y": "number"}
    assert "flag=true" in data.features


def test_a_parquet_file_with_too_many_columns(tmp_path: Path) -> None:
    with pytest.raises(OptimizerError) as error:
        look(parquet(tmp_path / "d.parquet", {f"c{i}": [1, 2] for i in range(2001)}), "dataset")
    assert error.value.refusal.code == "too-many-columns"


ADULT = Path(os.environ.get("ESPALIER_SHARED", Path(__file__).parents[4] / "shared")) / "data/tabular/adult"


@pytest.mark.skipif(not ADULT.is_dir(), reason="the shared tables are not here")
def test_adult_from_train_file_to_test_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "adult.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("train", "test"):
            archive.write(ADULT / f"adult_{part}.csv", f"adult_{part}.csv")
    found = look(tmp_path / "adult.zip", "dataset")
    assert found.classes == ("<=50K", "<=50K.", ">50K", ">50K.")
    assert "trailing-dot" in {problem.code for problem in found.problems}
    card, data = opened(tmp_path / "adult.zip", strip_labels=True, validation="train")
    assert (card.classes, card.rows) == (("<=50K", ">50K"), 48_842)
    assert card.splits == {"train": 27_677, "validation": 4_884, "test": 16_281}
    assert int(data.test.y.sum()) == 3_846
    assert sum(card.class_counts) == 48_842
