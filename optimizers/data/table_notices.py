"""What inspection has to say about the columns of a table, a sentence each."""

from __future__ import annotations

import numpy as np

from optimizers.cards import Problem
from optimizers.data.options import DatasetOptions
from optimizers.data.source import info, warn
from optimizers.data.table_columns import MOST_SAID, Column
from optimizers.errors import OptimizerError

WHY = {"text": "it holds more than 64 different texts", "id-like": "it only identifies the row", "constant": "it has one value only",
       "empty": "every cell is missing", "split": "it decides the splits"}


def refuse_type(column: Column, where: str) -> None:
    """A type that somebody said, and that cannot be."""
    place = f"{where}, column '{column.name}'"
    if column.said == "category" and (column.many or column.distinct > MOST_SAID):
        count = f"{column.distinct:,}" if not column.many else "too many to count"
        raise OptimizerError(f"'{column.name}' has {count} different values; a category has at most {MOST_SAID:,}.", place,
                             "Say that it is a number or text, or drop it.", "many-categories")
    if column.said == "date" and column.present and not column.dated:
        raise OptimizerError(f"No cell of '{column.name}' is a date.", f'{place}, such as "{next(iter(column.values))[:40]}"',
                             "Write dates as 2026-11-25, or choose another type.", "no-dates")
    if column.said == "number" and column.present and column.texts == column.present:
        raise OptimizerError(f"No cell of '{column.name}' is a number.", f'{place}, such as "{next(iter(column.values))[:40]}"',
                             "Choose category or text.", "no-numbers")


def notices(columns: list[Column], out: dict[int, str], wish: DatasetOptions, where: str) -> list[Problem]:
    """Of every column, what was left out or filled in."""
    found: list[Problem] = []
    for place, column in enumerate(columns):
        at = f"{where}, column '{column.name}'"
        why = out.get(place, "")
        if why == "target":
            if column.missing:
                found.append(warn(f"{column.missing:,} rows without a target were left out.", at, "Fill them in, or ignore this.",
                                  "missing-target"))
        elif why in WHY and column.said != "text":
            found.append(info(f"Column '{column.name}' was left out: {WHY[why]}.", at, code=f"dropped-{why}"))
        elif not why:
            found += {"number": of_number, "date": of_date}.get(column.type, of_category)(column, at)
    return found


def of_number(column: Column, at: str) -> list[Problem]:
    found = []
    if column.texts:
        row, cell = column.odd or (1, "")
        found.append(warn(f"Column '{column.name}' holds text in {column.texts:,} of {column.rows:,} rows; it counts as missing.",
                          f'{at}, first at row {row:,}: "{cell}"', "Correct it, or drop the column.", "text-in-number"))
    if column.huge:
        row, cell = column.huge
        found.append(warn(f"Column '{column.name}' holds whole numbers beyond 64 bits; as numbers, only their first seven digits count.",
                          f'{at}, first at row {row:,}: "{cell}"', "Drop it if it is an identifier, or say that it is a category.",
                          "beyond-64-bits"))
    if column.infinite:
        found.append(warn(f"{column.infinite:,} infinite values in '{column.name}' count as missing.", at,
                          "Correct them, or drop the column.", "infinite"))
    if column.missing:
        found.append(info(f"{column.missing:,} missing values in '{column.name}' become the median of train.", at, code="missing-filled"))
    return found


def of_date(column: Column, at: str) -> list[Problem]:
    form = column.form or ""
    found = [info(f"'{column.name}' holds dates ({form}): it becomes year, month, day, weekday and days since the first.", at,
                  "Choose text to leave it out.", "date")]
    other = column.dates.get("month-day-year")
    if form == "day-month-year" and other is not None and other.cells == column.dated:
        found.append(warn(f"Nothing tells day from month in '{column.name}'; the day was taken to come first.", at,
                          "Write dates as 2026-11-25.", "ambiguous-date"))
    if gone := column.present - column.dated:
        found.append(warn(f"{gone:,} cells of '{column.name}' are no dates of this form; they count as missing.", at,
                          "Correct them, or choose another type.", "text-in-date"))
    if column.missing:
        found.append(info(f"{column.missing:,} missing dates in '{column.name}' become the median of train.", at, code="missing-filled"))
    return found


def of_category(column: Column, at: str) -> list[Problem]:
    if not column.missing:
        return []
    return [info(f"{column.missing:,} missing values in '{column.name}' become a category of their own.", at, code="missing-category")]


def repeated(hashes: np.ndarray, where: str) -> list[Problem]:
    """Rows whose features another row has, too."""
    more = len(hashes) - len(np.unique(hashes))
    if not more:
        return []
    return [info(f"{more:,} rows ({100 * more / len(hashes):.1f} %) repeat the features of another one.", where,
                 "A split by content keeps them together; other splits say how many are in test and in train.", "repeated-rows")]
