"""What a person corrects on a table: types, columns to drop, splits by group, time and column, labels with dots."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from optimizers.data.options import DatasetOptions
from optimizers.errors import OptimizerError
from tests.optimizers.data.test_table import COLOURS, everything, read, types

DAY = datetime.date(2026, 1, 1)
ROWS = "\n".join(f"{i % 12},{i % 4 + 1},{DAY + datetime.timedelta(days=i)},{COLOURS[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(200))
TEXT = "house,code,day,colour,class\n" + ROWS


def refused(path: Path, **options: object) -> str:
    with pytest.raises(OptimizerError) as error:
        read(path, TEXT, **options)
    assert error.value.refusal.mend
    return error.value.refusal.code


def test_types_can_be_said_and_columns_dropped(tmp_path: Path) -> None:
    card, data = read(tmp_path / "d.csv", TEXT, types={"code": "category", "day": "text"}, drop=["colour"])
    assert types(card) == {"house": "number", "code": "category", "day": "text", "colour": "category", "class": "category"}
    assert data.features == ("house", "code=1", "code=2", "code=3", "code=4")
    assert {column.name: column.out for column in card.columns} == {"house": "", "code": "", "day": "text", "colour": "dropped",
                                                                    "class": "target"}
    assert [column.name for column in card.columns if column.said] == ["code", "day"]


def test_what_cannot_be_is_refused_with_the_column(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    assert refused(path, types={"colour": "number"}) == "no-numbers"
    assert refused(path, types={"colour": "date"}) == "no-dates"
    assert refused(path, types={"colours": "number"}) == "no-such-column"
    assert refused(path, drop=["nothing"]) == "no-such-column"
    assert refused(path, types={"colour": "colour"}) == "bad-option"
    assert refused(path, split="groups") == "bad-option"
    assert refused(path, split="time", split_by="colour") == "no-time"
    assert refused(path, split="column", split_by="colour") == "no-split"
    assert refused(path, split="groups", split_by="class") == "few-groups"


def test_groups_stay_together_and_are_no_feature(tmp_path: Path) -> None:
    card, data = read(tmp_path / "d.csv", TEXT, split="groups", split_by="house")
    assert "house" not in data.features
    assert "12 groups of 'house'" in card.split_how
    day = data.features.index("day:elapsed")            # the number of the row, which tells its house
    houses = [set(split.x[:, day] % 12) for split in (data.train, data.validation, data.test)]
    assert sum(map(len, houses)) == len(set.union(*houses)) == 12
    assert min(map(len, houses)) >= 1


def test_the_newest_rows_are_test(tmp_path: Path) -> None:
    card, data = read(tmp_path / "d.csv", TEXT, split="time", split_by="day")
    elapsed = data.features.index("day:elapsed")
    assert sorted(data.test.x[:, elapsed]) == list(range(170, 200))
    assert sorted(data.validation.x[:, elapsed]) == list(range(140, 170))
    assert sorted(data.train.x[:, elapsed]) == list(range(140))
    assert card.split_how == "by 'day': the newest 15 % are test, the 15 % before them validation"


def test_rows_of_one_moment_are_not_parted(tmp_path: Path) -> None:
    _, data = read(tmp_path / "d.csv", TEXT, split="time", split_by="house")
    place = data.features.index("house")
    assert (set(data.train.x[:, place]), set(data.validation.x[:, place]), set(data.test.x[:, place])) == (
        set(range(8)), {8.0, 9.0}, {10.0, 11.0})


def test_a_column_may_say_the_split(tmp_path: Path) -> None:
    words = ("train", "Train", "training", "val", "test")
    text = "part,a,y\n" + "\n".join(f"{words[i % 5]},{i * 3},{i // 5 % 2}" for i in range(100))
    card, data = read(tmp_path / "d.csv", text, split="column", split_by="part")
    assert card.splits == {"train": 60, "validation": 20, "test": 20}
    assert data.features == ("a",)
    assert set(data.test.x[:, 0] / 3 % 5) == {4}


def test_validation_may_come_from_train_where_test_is_declared(tmp_path: Path) -> None:
    text = "part,a,y\n" + "\n".join(f"{'test' if i >= 1000 else 'train'},{i * 3},{i % 2}" for i in range(1500))
    halved, _ = read(tmp_path / "d.csv", text, split="column", split_by="part")
    whole, _ = read(tmp_path / "d.csv", text, split="column", split_by="part", validation="train")
    assert halved.splits == {"train": 1000, "validation": 250, "test": 250}
    assert whole.splits == {"train": 850, "validation": 150, "test": 500}


def test_dots_behind_labels_are_removed_when_asked(tmp_path: Path) -> None:
    labels = ("no", "yes", "no.", "yes.")
    text = "a,y\n" + "\n".join(f"{i * 3},{labels[i % 4]}" for i in range(80))
    card, _ = read(tmp_path / "d.csv", text, strip_labels=True)
    assert (card.classes, card.class_counts) == (("no", "yes"), (40, 40))
    assert "trailing-dot" not in {problem.code for problem in card.problems}


def test_a_class_only_in_test_is_told(tmp_path: Path) -> None:
    text = "part,a,y\n" + "\n".join(f"{'test' if i >= 80 else 'train'},{i * 3},{'new' if i >= 95 else i % 2}" for i in range(100))
    card, _ = read(tmp_path / "d.csv", text, split="column", split_by="part")
    assert "'new'" in next(problem.wrong for problem in card.problems if problem.code == "class-not-in-train")


def test_options_keep_what_differs_from_the_defaults() -> None:
    assert DatasetOptions.of({"target": "y", "split": None, "strip_labels": False, "example": "wine"}).said() == {"target": "y"}


def test_the_same_table_gives_the_same_rows_whatever_is_said_of_splits(tmp_path: Path) -> None:
    _, one = read(tmp_path / "d.csv", TEXT)
    _, two = read(tmp_path / "d.csv", TEXT, split="time", split_by="day")
    order = lambda x: x[np.lexsort(x.T)]
    assert np.array_equal(order(everything(one)), order(everything(two)))
