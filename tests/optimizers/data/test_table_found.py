"""What inspection finds in a table by itself: dates, distributions, gaps, repeated rows, leaks, and bad input of every kind."""

from pathlib import Path

import numpy as np
import pytest

from optimizers.cards import ColumnCard, DatasetCard
from optimizers.data.table_dates import days_in
from optimizers.data.table_leaks import alone
from optimizers.errors import OptimizerError
from tests.optimizers.data.test_table import everything, read, types


def column(card: DatasetCard, name: str) -> ColumnCard:
    return next(column for column in card.columns if column.name == name)


def codes(card: DatasetCard) -> set[str]:
    return {problem.code for problem in card.problems}


def lines(head: str, rows: int, *cells) -> str:
    return head + "\n" + "\n".join(",".join(str(cell(i)) for cell in cells) for i in range(rows))


@pytest.mark.parametrize(("cell", "form", "days"), [
    ("2000-03-01", "year-month-day", 11017.0), ("2000-03-01T06:00:00Z", "year-month-day", 11017.25),
    ("2000-03-01 06:00:00+06:00", "year-month-day", 11017.0), ("01.03.2000", "day-month-year", 11017.0),
    ("3/1/2000 6:00 PM", "month-day-year", 11017.75), ("1-Mar-2000", "day-name-year", 11017.0), ("March 1, 2000", "name-day-year", 11017.0),
    ("20000301", "yyyymmdd", 11017.0), ("2001-02-29", "year-month-day", None), ("31/04/2001", "day-month-year", None),
])
def test_dates_as_people_write_them(cell: str, form: str, days: float | None) -> None:
    assert days_in(cell, form) == days


def test_a_date_becomes_five_features(tmp_path: Path) -> None:
    card, data = read(tmp_path / "d.csv", lines("day,y", 40, lambda i: f"{i % 28 + 1:02}/{i % 12 + 1:02}/2024", lambda i: i % 2))
    assert types(card)["day"] == "date"
    assert data.features == tuple(f"day:{part}" for part in ("year", "month", "day", "weekday", "elapsed"))
    assert (column(card, "day").low, column(card, "day").high) == ("2024-01-01", "2024-12-24")
    assert [2024, 1, 1, 0, 0] in everything(data).tolist()              # New Year's Day of 2024 was a Monday
    assert [2024, 2, 14, 2, 44] in everything(data).tolist()            # and Valentine's a Wednesday
    assert "date" in codes(card)


def test_day_and_month_that_nothing_tells_apart_are_told(tmp_path: Path) -> None:
    card, _ = read(tmp_path / "d.csv", lines("day,a,y", 40, lambda i: f"{i % 9 + 1}/{i % 12 + 1}/2024", lambda i: i, lambda i: i % 2))
    assert "ambiguous-date" in codes(card)


def test_numbers_that_are_said_to_be_dates(tmp_path: Path) -> None:
    text = lines("day,y", 40, lambda i: 20240101 + i % 28, lambda i: i % 2)
    assert types(read(tmp_path / "d.csv", text)[0])["day"] == "number"
    card, data = read(tmp_path / "d.csv", text, types={"day": "date"})
    assert column(card, "day").high == "2024-01-28"
    assert everything(data)[:, 4].max() == 27


def test_distributions_and_gaps_are_counted(tmp_path: Path) -> None:
    text = lines("n,c,y", 240, lambda i: "" if i < 10 else i % 16, lambda i: "ab"[i % 3 == 0], lambda i: i % 2)
    card, _ = read(tmp_path / "d.csv", text)
    n = column(card, "n")
    assert (n.low, n.high, n.missing, n.distinct) == (0, 15, 10, 16)
    assert sum(n.bins) == 230
    assert max(n.bins) == 15
    assert n.mean == pytest.approx(sum(i % 16 for i in range(10, 240)) / 230)
    assert n.gaps == (100, *(0,) * 23)
    assert column(card, "c").top == (("a", 160), ("b", 80))
    assert card.targets[0] == "y"


def test_repeated_rows_are_counted(tmp_path: Path) -> None:
    card, _ = read(tmp_path / "d.csv", lines("a,b,y", 100, lambda i: i % 80, lambda i: i % 80, lambda i: i % 2))
    assert "20 rows (20.0 %) repeat" in next(problem.wrong for problem in card.problems if problem.code == "repeated-rows")


def test_a_column_that_is_the_target_in_disguise(tmp_path: Path) -> None:
    text = lines("a,copy,y", 400, lambda i: i * 7 % 31, lambda i: "pq"[i % 2], lambda i: ("no", "yes")[i % 2])
    card, _ = read(tmp_path / "d.csv", text)
    assert column(card, "copy").alone == 1
    assert column(card, "a").alone < 0.2
    assert [problem.where for problem in card.problems if problem.code == "leak-suspect"] == ["d.csv, column 'copy'"]
    dropped, _ = read(tmp_path / "d.csv", text, drop=["copy"])
    assert "leak-suspect" not in codes(dropped)


def test_an_amount_in_disguise(tmp_path: Path) -> None:
    text = lines("a,copy,y", 400, lambda i: i * 7 % 31, lambda i: i * 37 % 400 * 2 + 1, lambda i: i * 37 % 400 + 0.5)
    card, _ = read(tmp_path / "d.csv", text)
    assert column(card, "copy").alone > 0.99
    assert "leak-suspect" in codes(card)


def test_rows_sorted_by_target_leak_through_an_id(tmp_path: Path) -> None:
    card, data = read(tmp_path / "d.csv", lines("id,a,y", 400, lambda i: i + 1, lambda i: i * 7 % 31, lambda i: int(i >= 200)))
    assert "id" not in data.features
    assert "id-leak" in codes(card)


def test_one_rule_by_hand() -> None:
    y = np.array([0, 0, 0, 0, 1, 1] * 20)           # learned and judged on the rows 0, 0, 1 of each six
    assert alone(["x"] * 120, y) == 0
    assert alone([0.0, 0.0, 0.0, 0.0, 1.0, 1.0] * 20, y) == 1
    half = ["x", "x", "z", "z", "z", "z"] * 20      # of z as many were 0 as 1: it answers 1, wrong as often as knowing nothing
    assert alone(half, y) == 0
    assert alone([1.0] * 10, y[:10]) is None


@pytest.mark.parametrize(("text", "code", "where"), [
    ("a,b,y\n", "too-few-rows", "d.csv"),
    (lines("a,y", 40, lambda i: i, lambda i: ""), "empty-target", "column 'y'"),
    (lines("a,y", 40, lambda i: i, lambda i: "x"), "one-class", "column 'y'"),
    (lines("a,b,y", 40, lambda i: "", lambda i: "NA", lambda i: i % 2), "no-features", "d.csv"),
    (",".join(f"c{i}" for i in range(20_000)) + "\n" + ",".join(["1"] * 20_000), "too-many-columns", "d.csv"),
    ("a,y\n" + "\n".join("1,2" for _ in range(20)) + "\n1,2,3", "ragged-row", "line 22"),
    ("a,y\n1,2\n1,\0", "nul", "line 3"),
])
def test_bad_tables_are_told_where_and_how_to_mend(tmp_path: Path, text: str, code: str, where: str) -> None:
    with pytest.raises(OptimizerError) as error:
        read(tmp_path / "d.csv", text)
    assert error.value.refusal.code == code
    assert where in error.value.refusal.where
    assert error.value.refusal.mend


def test_odd_columns_are_told_and_survived(tmp_path: Path) -> None:
    text = lines("void,endless,huge,a,y", 120, lambda i: "", lambda i: "-inf" if i == 7 else i * 0.5,
                 lambda i: 10**30 + i * 10**28 if i == 50
                 else i, lambda i: i * 3 % 17, lambda i: i % 2)
    card, data = read(tmp_path / "d.csv", text)
    told = {problem.code: problem for problem in card.problems}
    assert {"dropped-empty", "infinite", "beyond-64-bits"} <= set(told)
    assert "first at row 51" in told["beyond-64-bits"].where
    assert np.isfinite(everything(data)).all()


def test_more_values_than_are_remembered_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = lines("a,b,c,y", 300, lambda i: i * 0.37, lambda i: "" if i % 7 == 0 else i * 11 % 257, lambda i: f"word {i}", lambda i: i % 2)
    all_of_it, one = read(tmp_path / "d.csv", text)
    monkeypatch.setattr("optimizers.data.table_columns.TRACKED", 20)
    monkeypatch.setattr("optimizers.data.table_rows.CELLS", 1)          # blocks of 100 rows
    some, two = read(tmp_path / "d.csv", text)
    assert [c.model_copy(update={"distinct": None}) for c in some.columns] == [
        c.model_copy(update={"distinct": None, "top": () if c.name == "c" else c.top}) for c in all_of_it.columns]
    assert np.array_equal(everything(one), everything(two))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_encodings_without_a_mark(tmp_path: Path, encoding: str) -> None:
    text = lines("größe,farbe,y", 60, lambda i: i * 2, lambda i: ("grün", "weiß")[i % 2], lambda i: i % 3)
    card, data = read(tmp_path / "d.csv", text.encode(encoding))
    assert data.features == ("größe", "farbe=grün", "farbe=weiß")
    assert ("cp1252" in codes(card)) == (encoding in ("latin-1", "cp1252"))


def test_adult_as_it_is_shipped(tmp_path: Path) -> None:
    """A comment on top, a blank behind each comma, no header, a dot behind each label."""
    text = "|1x3 Cross validator\n" + "\n".join(
        f"{i % 50 + 17}, {'Private' if i % 3 else '?'}, {'>50K.' if i % 4 else '<=50K.'}" for i in range(90))
    card, data = read(tmp_path / "d.csv", text, strip_labels=True)
    assert (card.rows, card.classes) == (90, ("<=50K", ">50K"))
    assert data.features == ("column 1", "column 2=Private", "column 2=(missing)")
