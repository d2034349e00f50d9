"""A zip of tables: one, or train and test (and validation) under names that say so; the splits are then declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from optimizers.data.archive import GB, Archive, Entry, Limits
from optimizers.data.formats import Report, format_of, silent
from optimizers.data.options import DatasetOptions
from optimizers.data.source import Source, info
from optimizers.data.split import TRAIN
from optimizers.data.table import open_table
from optimizers.data.table_arff import arff_table
from optimizers.data.table_names import is_table
from optimizers.data.table_parquet import parquet_table
from optimizers.data.table_read import csv_table
from optimizers.data.table_rows import Block, Table
from optimizers.data.table_split import WORDS
from optimizers.data.table_svmlight import svmlight_table
from optimizers.errors import OptimizerError

LIMITS = Limits(entries=1000, directory=1 << 20, total=20 * GB, entry=20 * GB, depth=4)
READERS: dict[str, Callable[[Path, bool | None], Table]] = {
    "csv": csv_table, "parquet": parquet_table, "arff": arff_table, "svmlight": svmlight_table}


@dataclass(frozen=True)
class Member:
    table: Table
    part: int
    size: int


def open_zip(path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """Raises OptimizerError.  The tables are unpacked into `work`."""
    with Archive(path, LIMITS) as archive:
        entries = [entry for entry in archive.entries if is_table(entry.name)]
        unused = [entry.name for entry in archive.entries if entry not in entries]
        parts = parts_of(tuple(entry.name for entry in entries), path.name)
        header = DatasetOptions.of(options).header
        members = [Member(unpacked(archive, entry, work / f"member-{n}", header), parts[entry.name], entry.size)
                   for n, entry in enumerate(entries)]
    members.sort(key=lambda member: member.part)
    table = joined(members, path.name)
    if unused:
        note = info(f"Files not used: {', '.join(unused)[:200]}.", path.name, code="unused-files")
        table = replace(table, problems=(*table.problems, note))
    return open_table(table, options, work, report)


def unpacked(archive: Archive, entry: Entry, folder: Path, header: bool | None) -> Table:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PurePosixPath(entry.name).name
    with path.open("wb") as file:
        for piece in archive.stream(entry):
            file.write(piece)
    kind = format_of(path)
    if kind not in READERS:
        raise OptimizerError("A zip inside the zip is not opened.", entry.name, "Put the tables themselves into the zip.", "nested-zip")
    return READERS[kind](path, header)


def parts_of(names: tuple[str, ...], where: str) -> dict[str, int]:
    """name -> TRAIN, VALIDATION or TEST. A single table is train, and so is one that alone does not say what it is.

    >>> parts_of(("adult.data", "adult.test"), "")
    {'adult.data': 0, 'adult.test': 2}
    """
    found = {name: next((WORDS[word] for word in re.split(r"[\W_\d]+", name.lower()) if word in WORDS), None) for name in names}
    silent_ones = [name for name, part in found.items() if part is None]
    if len(silent_ones) > 1 or (silent_ones and TRAIN in found.values()):
        raise OptimizerError(f"'{silent_ones[0][:60]}' does not say whether it is train or test.", where,
                             "Name the tables train.csv and test.csv (and validation.csv).", "which-split")
    parts = {name: TRAIN if part is None else part for name, part in found.items()}
    if TRAIN not in parts.values():
        raise OptimizerError("No table of the zip is train.", where, "Name one of them train.csv.", "no-train")
    return parts


def joined(members: list[Member], where: str) -> Table:
    """One table of them all, its columns in the order of the first. Raises OptimizerError: columns that differ."""
    named = next((m.table for m in members if not unnamed(m.table)), members[0].table)
    names = tuple(dict.fromkeys(name for m in members for name in m.table.names)) if all(m.table.unsaid for m in members) else named.names
    orders = [order_of(m.table, names) for m in members]
    total = sum(member.size for member in members)

    def blocks() -> Iterator[Block]:
        before = 0
        for member, order in zip(members, orders):
            for block in member.table.blocks():
                cells = [[member.table.unsaid or ""] * block.rows if place is None else block.cells[place] for place in order]
                yield Block(cells, (before + member.size * block.read) / total, member.part)
            before += member.size

    declared = len({member.part for member in members}) > 1
    return Table(where, names, blocks, declared, named.types, named.target, tuple(p for m in members for p in m.table.problems))


def unnamed(table: Table) -> bool:
    return all(name == f"column {place + 1}" for place, name in enumerate(table.names))


def order_of(table: Table, names: tuple[str, ...]) -> list[int | None]:
    """Where each of `names` stands in a table; None where a sparse one does not say it."""
    if unnamed(table) and len(table.names) == len(names):
        return list(range(len(names)))
    lacking = [name for name in names if name not in table.names]
    more = [name for name in table.names if name not in names]
    if more or (lacking and not table.unsaid):
        what = f"lacks '{lacking[0][:60]}'" if lacking else f"has '{more[0][:60]}'"
        raise OptimizerError(f"The table {what}, unlike the first one.", table.where, "Give all tables the same columns.", "columns-differ")
    return [table.names.index(name) if name in table.names else None for name in names]


