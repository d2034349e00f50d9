"""Tables: two passes, one to learn what the columns are, one to write the features; memory stays flat. Every file of a table ends here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optimizers.cards import ColumnCard, Problem
from optimizers.data.archive import GB
from optimizers.data.formats import Report, silent
from optimizers.data.options import DatasetOptions
from optimizers.data.source import Source, info
from optimizers.data.table_columns import Column, columns_of
from optimizers.data.table_dates import as_text
from optimizers.data.table_encode import Aim, encoded, medians
from optimizers.data.table_leaks import alone, suspicion
from optimizers.data.table_notices import notices, refuse_type, repeated
from optimizers.data.table_profile import Profile, span
from optimizers.data.table_read import csv_table
from optimizers.data.table_rows import Table
from optimizers.data.table_split import divided
from optimizers.data.table_target import candidates, class_names, place_of, target_of, task_of
from optimizers.errors import OptimizerError

MOST = 20 * GB
SHOWN_ROWS, SHOWN_COLUMNS = 8, 40
TOP, LETTERS = 5, 40        # most frequent values a card shows, and how much of each
NO_TARGET = info("The table has no target, as was said: every column is a feature, and networks cannot be trained on it.", "target",
                 "Name a target to measure accuracy.", "unlabelled")


def open_csv(path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """Raises OptimizerError."""
    return open_table(csv_table(path, DatasetOptions.of(options).header), options, work, report)


def open_table(table: Table, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """options: fields of DatasetOptions.  report: told the share done, 0 to 1.  Raises OptimizerError."""
    wish = DatasetOptions.of(options)
    place, said = (None, (NO_TARGET,)) if wish.task == "unlabelled" else target_of(table, wish)
    by = place_of(wish.split_by, table.names, table.where, "split_by") if wish.split_by else None
    for name in (*wish.drop, *wish.types):
        place_of(name, table.names, table.where, "drop" if name in wish.drop else "types")
    if place is not None and wish.strip_labels:
        table = table.with_bare_labels(place)
    columns, first = surveyed(table, wish, report)
    for i, column in enumerate(columns):
        if i != place:
            refuse_type(column, table.where)
    task: Literal["classification", "regression", "unlabelled"] = "unlabelled"
    about: tuple[Problem, ...] = ()
    if place is not None:
        task, about = task_of(columns[place], wish, table.where)
    aim = None if place is None else Aim(place, columns[place], class_names(columns[place]) if task == "classification" else ())
    out = {i: why for i, column in enumerate(columns) if (why := left_out(i, column, place, by, wish))}
    return read(table, columns, first, wish, aim, by, out, task, (*table.problems, *said, *about), work, report)


def surveyed(table: Table, wish: DatasetOptions, report: Report) -> tuple[list[Column], list[list[str]]]:
    """Every column's counts, and the first rows as they stand.  Raises OptimizerError: too few rows."""
    columns = columns_of(table.names, wish.types, table.types)
    first: list[list[str]] = []
    for block in table.blocks():
        first = first or [list(row) for row in zip(*(cells[:SHOWN_ROWS] for cells in block.cells))]
        for column, cells in zip(columns, block.cells):
            column.take(cells)
        report(0.5 * block.read, f"looking: {columns[0].rows:,} rows")
    for column in columns:
        column.close()
    if not columns[0].rows:
        raise OptimizerError("The table has a header and no rows.", table.where, "Upload it with its rows.", "too-few-rows")
    if columns[0].rows < 10:
        raise OptimizerError(f"The table has {columns[0].rows} rows; at least 10 are needed.", table.where, "Upload more rows.",
                             "too-few-rows")
    return columns, first


def left_out(i: int, column: Column, place: int | None, by: int | None, wish: DatasetOptions) -> str:
    """Why a column becomes no feature; nothing where it does."""
    if i == place:
        return "target"
    if column.name in wish.drop:
        return "dropped"
    if i == by and wish.split in ("groups", "column"):      # its values in test were never seen in train, or only say the split
        return "split"
    return "" if column.features() else column.type


def read(table: Table, columns: list[Column], first: list[list[str]], wish: DatasetOptions, aim: Aim | None, by: int | None,
         out: dict[int, str], task: Literal["classification", "regression", "unlabelled"], problems: tuple[Problem, ...], work: Path,
         report: Report) -> Source:
    """The second pass, and all that follows from it."""
    used = [i for i in range(len(columns)) if i not in out]
    names = tuple(name for i in used for name in columns[i].features())
    refuse_width(names, columns[0].rows, table.where)
    profile = Profile(columns)
    found = encoded(table, columns, used, aim, by, profile, work / "features.f32", report)
    classes = aim.names if aim else ()
    parted = divided(wish, found, classes, columns[by] if by is not None else None, table.declared, table.where)
    filled = medians(found.x, gappy(columns, used), parted.rows("train"))

    def rows(wanted: np.ndarray) -> np.ndarray:
        taken = np.asarray(found.x[wanted])
        return np.where(np.isnan(taken), filled, taken).astype(np.float32)

    scores = alones(profile, parted.part, aim, found.y.dtype)
    suspects = [problem for i, score in scores.items() if aim for problem in
                suspicion(columns[i].name, score, i not in out, f"{table.where}, column '{columns[i].name}'", aim.column.name)
                if out.get(i) not in ("dropped", "split")]
    report(1.0, f"{len(found.y):,} rows")
    return Source(
        kind="table", title=f"Table, {len(found.y):,} rows, {len(columns)} columns", task=task, classes=classes, labels=found.y,
        hashes=found.hashes, row_shape=(len(names),), row_dtype="float32", rows=rows, parted=parted, features=names,
        columns=tuple(summary(i, column, profile, out.get(i, ""), scores.get(i)) for i, column in enumerate(columns)),
        target=aim.column.name if aim else None, targets=candidates(columns, aim.place if aim else None),
        shown=tuple(json.dumps(dict(list(zip(table.names, (cell[:80] for cell in row)))[:SHOWN_COLUMNS]), ensure_ascii=False)
                    for row in first), shown_labels=tuple(row[aim.place][:80] if aim else "" for row in first),
        problems=(*problems, *suspects, *repeated(found.hashes, table.where), *notices(columns, out, wish, table.where)))


def refuse_width(names: tuple[str, ...], rows: int, where: str) -> None:
    if not names:
        raise OptimizerError("No column is left to learn from: all are text, identifiers, constant, empty or dropped.", where,
                             "Add numeric columns, or columns with at most 64 different words.", "no-features")
    if rows * len(names) * 4 > MOST:
        raise OptimizerError(f"{rows:,} rows of {len(names):,} features take more than 20 GB.", where, "Drop columns, or upload a sample.",
                             "too-large")


def gappy(columns: list[Column], used: list[int]) -> list[int]:
    """Places of the features that may have gaps."""
    places: list[int] = []
    start = 0
    for i in used:
        width = len(columns[i].features())
        if columns[i].type in ("number", "date"):
            places += range(start, start + width)
        start += width
    return places


def alones(profile: Profile, part: np.ndarray, aim: Aim | None, kind: Any) -> dict[int, float | None]:
    """place -> how well the column alone predicts the target on train, over the sample."""
    if aim is None or not profile.labels:
        return {}
    train = np.flatnonzero(part[np.concatenate(profile.rows)] == 0)
    y = np.array(profile.labels)[train].astype(kind)
    return {i: alone([held[row] for row in train], y) for i, held in enumerate(profile.held) if i != aim.place}


def summary(place: int, column: Column, profile: Profile, out: str, score: float | None) -> ColumnCard:
    """One line of the card."""
    example = next(iter(column.values), None)
    measured = column.type in ("number", "date")
    low, high = span(column) if measured else (np.inf, -np.inf)
    ends: tuple[Any, Any] = (low, high) if np.isfinite(high - low) else (None, None)
    if column.type == "date" and ends[0] is not None:
        ends = as_text(low), as_text(high)
    top = () if measured or column.many else tuple((value[:LETTERS], times) for value, times in column.values.most_common(TOP))
    return ColumnCard(
        name=column.name, type=column.type, said=column.said is not None, out=out, missing=column.missing,
        distinct=None if column.many else column.distinct, example=None if example is None else example[:80], low=ends[0], high=ends[1],
        mean=profile.mean(place) if column.type == "number" else None, top=top, gaps=profile.missing_map(place),
        bins=tuple(int(count) for count in profile.bins[place]) if measured and ends[0] is not None else (),
        alone=None if score is None else round(score, 4))
