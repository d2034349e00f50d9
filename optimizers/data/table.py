"""Datasets in a CSV file: two passes, one to learn what the columns are, one to write the features; memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optimizers.cards import Problem
from optimizers.data.archive import GB
from optimizers.data.source import UNKNOWN, Source, info, unlabelled, warn
from optimizers.data.split import content_hash, divide
from optimizers.data.table_columns import Column
from optimizers.data.table_read import Dialect, chunks, dialect_of, is_missing, number_of
from optimizers.data.table_target import class_names, target_of, task_of
from optimizers.errors import OptimizerError

MOST = 20 * GB
SHOWN_ROWS, SHOWN_COLUMNS = 8, 40
NOWHERE = -1            # place of a target that is not there
NO_TARGET = info("The table has no target, as was said: every column is a feature, and networks cannot be trained on it.", "target",
                 "Name a target to measure accuracy.", "unlabelled")


def open_csv(path: Path, options: Mapping[str, Any], work: Path) -> Source:
    """options: target, task ("unlabelled": there is no target, every column is a feature), header.  Raises OptimizerError."""
    dialect = dialect_of(path, options.get("header"))
    bare = options.get("task") == "unlabelled"
    place, said = (NOWHERE, (NO_TARGET,)) if bare else target_of(dialect.names, options, path.name)
    columns, first = surveyed(path, dialect)
    if columns[0].rows < 10:
        raise OptimizerError(f"The table has {columns[0].rows} rows; at least 10 are needed.", path.name, "Upload more rows.",
                             "too-few-rows")
    target = None if bare else columns[place]
    task: Literal["classification", "regression", "unlabelled"] = "unlabelled"
    about: tuple[Problem, ...] = ()
    if target is not None:
        task, about = task_of(target, options, path.name)
    used = [(i, column) for i, column in enumerate(columns) if i != place and column.features()]
    features = tuple(name for _, column in used for name in column.features())
    if not features:
        raise OptimizerError("No column is left to learn from: all are text, identifiers, constant or empty.", path.name,
                             "Add numeric columns, or columns with at most 64 different words.", "no-features")
    if columns[0].rows * len(features) * 4 > MOST:
        raise OptimizerError(f"{columns[0].rows:,} rows of {len(features):,} features take more than 20 GB.", path.name,
                             "Drop columns, or upload a sample.", "too-large")
    names = class_names(target) if target is not None and task == "classification" else ()
    aim = None if target is None else (place, target, names)
    x, y, hashes = encoded(path, dialect, used, len(features), aim, columns[0].rows, work / "features.npy")
    filled = medians(x, divide(hashes, y if names else None).rows("train"))

    def rows(wanted: np.ndarray) -> np.ndarray:
        taken = np.asarray(x[wanted])
        return np.where(np.isnan(taken), filled, taken).astype(np.float32)

    return Source(
        kind="table", title=f"Table, {len(y):,} rows, {len(columns)} columns", task=task, classes=names, labels=y, hashes=hashes,
        row_shape=(len(features),), row_dtype="float32", rows=rows, features=features,
        columns=tuple(column.summary() for column in columns), target=None if target is None else target.name,
        shown=tuple(json.dumps(dict(list(zip(dialect.names, (cell[:80] for cell in row)))[:SHOWN_COLUMNS]), ensure_ascii=False)
                    for row in first), shown_labels=tuple("" if bare else row[place][:80] for row in first),
        problems=(*said, *about, *notices(columns, place, path.name)))


def surveyed(path: Path, dialect: Dialect) -> tuple[list[Column], list[list[str]]]:
    """Every column's counts, and the first rows as they stand."""
    columns = [Column(name) for name in dialect.names]
    first: list[list[str]] = []
    for rows in chunks(path, dialect):
        first = first or rows[:SHOWN_ROWS]
        for column, cells in zip(columns, zip(*rows)):
            column.take(cells)
    return columns, first


def encoded(path: Path, dialect: Dialect, used: list[tuple[int, Column]], width: int,
            aim: tuple[int, Column, tuple[str, ...]] | None, most: int, into: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x (n, width) float32 with NaN for gaps, y (n,), hashes (n,)) of the rows that have a target; of all without an aim.

    aim: place of the target, its column, names of its classes.  most: rows of the file.
    """
    place, target, names = aim or (NOWHERE, None, ())
    number = {name: i for i, name in enumerate(names)}
    if target is not None:
        most = target.present - (target.infinite if not names else 0)
    x = np.lib.format.open_memmap(into, "w+", np.float32, (most, width))
    y = unlabelled(most) if target is None else np.zeros(most, np.int64 if names else np.float32)
    hashes = np.zeros(most, np.uint64)
    done = 0
    for rows in chunks(path, dialect):
        aims = [UNKNOWN if target is None else aim_of(row[place], target, number) for row in rows]
        kept = [row for row, value in zip(rows, aims) if value is not None]
        if not kept:
            continue
        end = done + len(kept)
        y[done:end] = [value for value in aims if value is not None]
        cells = list(zip(*kept))
        block = np.concatenate([encode(column, cells[i]) for i, column in used], axis=1)
        x[done:end] = block
        hashes[done:end] = [content_hash(row.tobytes()) for row in block]
        done = end
    x.flush()
    return x[:done], y[:done], hashes[:done]


def aim_of(cell: str, target: Column, number: dict[str, int]) -> float | int | None:
    """The label or amount of a row; None where it has none."""
    if is_missing(cell):
        return None
    if number:
        return number[cell.strip()]
    value = number_of(cell, target.comma)
    return value if value is not None and np.isfinite(np.float32(value)) else None


def encode(column: Column, cells: tuple[str, ...]) -> np.ndarray:
    """(n, features of the column) float32: numbers with NaN for gaps, or one-hot."""
    if column.type == "number":
        plain = not (column.missing or column.texts or column.comma)
        values = cells if plain else [np.nan if is_missing(cell) else number_of(cell, column.comma) for cell in cells]
        with np.errstate(over="ignore"):
            block = np.array(values, np.float64).astype(np.float32)     # None, a text among numbers, becomes NaN too
        block[~np.isfinite(block)] = np.nan
        return block[:, None]
    place = {value: i for i, value in enumerate(column.categories())}
    block = np.zeros((len(cells), len(place)), np.float32)
    known = {cell: place["(missing)" if is_missing(cell) else cell.strip()] for cell in set(cells)}
    block[np.arange(len(cells)), [known[cell] for cell in cells]] = 1
    return block


def medians(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(features,) medians over train rows, 0 where a feature has no value there."""
    filled = np.zeros(x.shape[1], np.float32)
    for place in range(x.shape[1]):
        values = np.asarray(x[:, place])[train]
        values = values[~np.isnan(values)]
        filled[place] = np.median(values) if len(values) else 0
    return filled


def notices(columns: list[Column], place: int, where: str) -> list[Problem]:
    """What was left out or filled in, a sentence each."""
    found: list[Problem] = []
    why = {"text": "it holds more than 64 different texts", "id-like": "it only identifies the row", "constant": "it has one value only",
           "empty": "every cell is missing"}
    for number, column in enumerate(columns):
        at = f"{where}, column '{column.name}'"
        if number == place:
            if column.missing:
                found.append(warn(f"{column.missing:,} rows without a target were left out.", at, "Fill them in, or ignore this.",
                                  "missing-target"))
            continue
        if column.type in why:
            found.append(info(f"Column '{column.name}' was left out: {why[column.type]}.", at, code=f"dropped-{column.type}"))
        elif column.type == "number":
            if column.texts:
                row, cell = column.odd or (1, "")
                found.append(warn(f"Column '{column.name}' holds text in {column.texts:,} of {column.rows:,} rows; it counts as missing.",
                                  f'{at}, first at row {row:,}: "{cell}"', "Correct it, or drop the column.", "text-in-number"))
            if column.infinite:
                found.append(warn(f"{column.infinite:,} infinite values in '{column.name}' count as missing.", at, code="infinite"))
            if column.missing:
                found.append(info(f"{column.missing:,} missing values in '{column.name}' become the median of train.", at,
                                  code="missing-filled"))
        elif column.missing:
            found.append(info(f"{column.missing:,} missing values in '{column.name}' become a category of their own.", at,
                              code="missing-category"))
    return found
