"""The second pass over a table: cells to float32 features, labels, hashes and what splits need, all of them block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimizers.data.formats import Report
from optimizers.data.source import UNKNOWN
from optimizers.data.split import content_hash
from optimizers.data.table_columns import Column, plain_numbers
from optimizers.data.table_dates import days_in, parts
from optimizers.data.table_profile import Profile
from optimizers.data.table_rows import Table, number_of

IN_MEMORY = 25_000_000      # values looked at for medians; of more, every k-th row of train is


@dataclass(frozen=True)
class Aim:
    """The target: its place, its column, and the names of its classes (none for amounts)."""

    place: int
    column: Column
    names: tuple[str, ...]


@dataclass(frozen=True)
class Encoded:
    """x: (n, width) float32 on disk with NaN for gaps.  y, hashes, part: (n,).  part: the split the file declares.
    keys: the (n,) cells of the column a split is made by, as text, or None."""

    x: np.ndarray
    y: np.ndarray
    hashes: np.ndarray
    part: np.ndarray
    keys: list[str] | None


def encoded(table: Table, columns: list[Column], used: list[int], aim: Aim | None, by: int | None, profile: Profile, into: Path,
            report: Report) -> Encoded:
    """Of the rows that have a target; of all without an aim.  used: places of the columns that become features.  by: place of the
    column a split is made by."""
    labels, hashes, marks = [], [], []
    keys: list[str] | None = [] if by is not None else None
    number = {name: i for i, name in enumerate(aim.names)} if aim else {}
    width = sum(len(columns[place].features()) for place in used)
    with into.open("wb") as file:               # written, not mapped: pages of a map would count as our memory
        for block in table.blocks():
            values = {place: values_of(columns[place], cells) for place, cells in enumerate(block.cells)}
            said = [UNKNOWN] * block.rows if aim is None else [aim_of(cell, aim.column, number) for cell in block.cells[aim.place]]
            kept = np.array([value is not None for value in said], bool)
            profile.take(block.cells, values, kept, said)
            x = np.concatenate([features(columns[place], block.cells[place], values[place]) for place in used], axis=1)[kept]
            file.write(x.tobytes())
            labels.append(np.array([value for value in said if value is not None], np.float64))
            hashes.append(np.fromiter((content_hash(row.tobytes()) for row in x), np.uint64, len(x)))
            marks.append(np.full(len(x), block.part, np.int8))
            if keys is not None and by is not None:
                keys += [cell for cell, keep in zip(block.cells[by], kept) if keep]
            report(0.5 + 0.45 * block.read, f"encoding: {profile.done:,} rows")
    y = np.concatenate(labels).astype(np.int64 if aim is None or aim.names else np.float32)
    x = np.memmap(into, np.float32, "r", shape=(len(y), width)) if len(y) else np.zeros((0, width), np.float32)
    return Encoded(x, y, np.concatenate(hashes), np.concatenate(marks), keys)


def aim_of(cell: str, target: Column, number: dict[str, int]) -> float | int | None:
    """The label or amount of a row; None where it has none."""
    if cell in target.gaps:
        return None
    if number:
        return number[cell]
    value = number_of(cell, target.comma)
    return value if value is not None and np.isfinite(np.float32(value)) else None


def values_of(column: Column, cells: Sequence[str]) -> np.ndarray | None:
    """(n,) float64: numbers, or days for dates, NaN for gaps, texts and infinities; None for columns of words."""
    if column.type == "date":
        form = column.form or "year-month-day"
        known = {cell: days_in(cell, form) for cell in set(cells)}
        return np.array([known[cell] for cell in cells], np.float64)
    if column.type not in ("number", "id-like", "constant") or column.texts == column.present:
        return None
    held = ["nan" if cell in column.gaps else cell for cell in cells] if column.gaps else cells
    found = None if column.comma else plain_numbers(held)
    if found is None:
        found = np.array([np.nan if cell in column.gaps else number_of(cell, column.comma) for cell in cells], np.float64)
    found[~np.isfinite(found)] = np.nan
    return found


def features(column: Column, cells: Sequence[str], values: Any) -> np.ndarray:
    """(n, features of the column) float32: a number, the parts of a date, or one-hot."""
    if column.type == "date":
        return parts(values, column.dates[column.form].low if column.form else 0.0).astype(np.float32)
    if column.type == "number":
        with np.errstate(over="ignore"):
            block = values.astype(np.float32)
        block[~np.isfinite(block)] = np.nan
        return block[:, None]
    place = {value: i for i, value in enumerate(column.categories())}
    block = np.zeros((len(cells), len(place)), np.float32)
    known = {cell: place["(missing)" if cell in column.gaps else cell] for cell in set(cells)}
    block[np.arange(len(cells)), [known[cell] for cell in cells]] = 1
    return block


def medians(x: np.ndarray, gappy: Sequence[int], train: np.ndarray) -> np.ndarray:
    """(features,) medians over rows of train, 0 where a feature has no value there.  gappy: features that have gaps at all."""
    filled = np.zeros(x.shape[1], np.float32)
    rows = train[::1 + len(train) * max(len(gappy), 1) // IN_MEMORY] if len(gappy) else train[:0]
    held = np.empty((len(rows), len(gappy)), np.float32)
    for start in range(0, len(rows), 4096):
        held[start:start + 4096] = x[rows[start:start + 4096]][:, list(gappy)]
    for i, place in enumerate(gappy):
        values = held[:, i][~np.isnan(held[:, i])]
        filled[place] = np.median(values) if len(values) else 0
    return filled
