"""Which column is the target, and whether its values are classes or amounts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Literal

from optimizers.cards import Problem
from optimizers.data.options import DatasetOptions
from optimizers.data.source import info, warn
from optimizers.data.table_columns import Column
from optimizers.data.table_rows import Table, number_of
from optimizers.errors import OptimizerError

NAMES = ("target", "label", "class", "y", "species", "outcome", "category", "income", "quality", "diagnosis", "survived", "churn")
MOST_CLASSES = 10_000
SHOWN = 8               # candidates
FEW = 20                # whole numbers with at most so many values are classes


def place_of(wish: str, names: Sequence[str], where: str, option: str) -> int:
    """Where the column stands that somebody named.  Raises OptimizerError."""
    if wish in names:
        return names.index(wish)
    near = difflib.get_close_matches(wish, names, 1)
    hint = f"Did you mean '{near[0]}'?" if near else f"The columns are {', '.join(names[:20])}{' …' if len(names) > 20 else ''}."
    raise OptimizerError(f"There is no column '{wish[:80]}'.", f"{where}, option {option}", hint, "no-such-column")


def target_of(table: Table, options: DatasetOptions) -> tuple[int, tuple[Problem, ...]]:
    """Place of the target: the one the user or the file named, else one with a telling name, else the last.  Raises OptimizerError."""
    if wish := options.target or table.target:
        return place_of(wish, table.names, table.where, "target"), ()
    lower = [name.lower() for name in table.names]
    free = [i for i, name in enumerate(table.names) if name not in options.drop and name != options.split_by]
    told = next((lower.index(word) for word in NAMES if word in lower and lower.index(word) in free), None)
    place = (free or [len(lower) - 1])[-1] if told is None else told
    why = "it is the last column" if told is None else "of its name"
    return place, (info(f"'{table.names[place]}' is taken as the target, because {why}.", table.where,
                        "Set the option target to choose another.", "target-guessed"),)


def candidates(columns: Sequence[Column], chosen: int | None) -> tuple[str, ...]:
    """Columns that could be the target: the chosen one, those with telling names, the last and the first, then those of few values."""
    def likely(place: int) -> tuple[bool, bool, bool, bool]:
        column = columns[place]
        return place != chosen, column.name.lower() not in NAMES, place != len(columns) - 1, place != 0
    able = [i for i, column in enumerate(columns) if i == chosen or column.type in ("number", "category")]
    few = [i for i in able if columns[i].distinct <= FEW and not columns[i].many]
    first = [i for i in sorted(able, key=likely) if False in likely(i)]
    return tuple(columns[i].name for i in dict.fromkeys([*first, *few]))[:SHOWN]


def task_of(column: Column, options: DatasetOptions, where: str) -> tuple[Literal["classification", "regression"], tuple[Problem, ...]]:
    """Text and few whole numbers are classes, other numbers are amounts.  Raises OptimizerError."""
    place = f"{where}, column '{column.name}'"
    if column.present and column.distinct == 1:
        raise OptimizerError(f"Every row has the same target, '{next(iter(column.values))[:40]}'.", place,
                             "Choose another target column, or upload rows with different targets.", "one-class")
    if not column.present:
        raise OptimizerError("The target column is empty.", place, "Choose another target column.", "empty-target")
    numeric = column.texts == 0
    wish = options.task
    if wish == "regression" and not numeric:
        raise OptimizerError(f"The target holds text in {column.texts:,} of {column.rows:,} rows, so it cannot be an amount.",
                             f"{place}, first at row {column.odd[0] if column.odd else 1:,}", "Choose classification.", "text-target")
    few = column.whole and not column.many and column.distinct <= FEW
    if wish == "regression" or (numeric and not few and wish != "classification"):
        return "regression", (info(f"'{column.name}' is an amount, so this is regression.", place,
                                   "Set the option task to classification if its values are classes.", "task"),)
    if column.many or column.distinct > min(MOST_CLASSES, 0.5 * column.present):
        raise OptimizerError(f"The target has {'more than 10,000' if column.many else f'{column.distinct:,}'} different values in "
                             f"{column.present:,} rows; those are no classes.", place, "Choose another target column.", "too-many-classes")
    return "classification", class_problems(column, place)


def class_problems(column: Column, place: str) -> tuple[Problem, ...]:
    found = []
    bare = told_apart_by_dot(column.values)
    if bare:
        found.append(warn(f"The classes {bare} differ only by a dot at the end.", place,
                          "They are kept apart; set the option strip_labels to remove the dots if they mean the same.", "trailing-dot"))
    few = [f"{name} ({count})" for name, count in column.values.items() if count < 20]
    if few:
        found.append(warn(f"Classes with fewer than 20 rows: {', '.join(few[:10])}"
                          f"{' …' if len(few) > 10 else ''}.", place, "Their quality cannot be judged; add rows.", "few-rows-in-class"))
    return tuple(found)


def told_apart_by_dot(values: Mapping[str, int]) -> str:
    """The first pair of names that a closing dot tells apart, or nothing."""
    return next((f"'{name}' and '{name}.'" for name in values if name + "." in values), "")


def class_names(column: Column) -> tuple[str, ...]:
    """In label order: numbers by value, words by the alphabet.

    >>> c = Column("y"); c.take(["10", "9", "9"]); c.close(); class_names(c)
    ('9', '10')
    """
    if column.texts == 0:
        return tuple(sorted(column.values, key=lambda cell: number_of(cell, column.comma) or 0.0))
    return tuple(sorted(column.values))
