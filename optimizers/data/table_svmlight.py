"""Tables in the sparse text of svmlight and libsvm: a label, then place:value for what is not zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optimizers.data.formats import Report, silent
from optimizers.data.source import Source, info
from optimizers.data.table_read import text_lines
from optimizers.data.table_rows import MOST_COLUMNS, Block, Table, in_blocks, number_of
from optimizers.errors import OptimizerError

LABEL = "label"


def open_svmlight(path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """Raises OptimizerError."""
    from optimizers.data.table import open_table

    return open_table(svmlight_table(path), options, work, report)


def svmlight_table(path: Path, header: bool | None = None) -> Table:
    """Columns "feature 1" ... and "label"; reads the file once for the largest place.  Raises OptimizerError with the line."""
    first, last, queries = 1, 0, False
    for number, line in enumerate(text_lines(path, "utf-8"), 1):
        for place, _ in pairs_of(line, f"{path.name}, line {number}")[1]:
            first, last = min(first, place), max(last, place)
        queries = queries or " qid:" in line
    if last - first + 1 > MOST_COLUMNS:
        raise OptimizerError(f"The table has {last - first + 1:,} columns; at most 2,000 are read.", path.name,
                             "Keep the most frequent features.", "too-many-columns")
    notes = (info("Query ids (qid) were left out.", path.name, code="qid"),) if queries else ()
    names = (*(f"feature {place}" for place in range(first, last + 1)), LABEL)
    return Table(path.name, names, lambda: blocks(path, first, last), target=LABEL, problems=notes, unsaid="0")


def pairs_of(line: str, where: str) -> tuple[str, list[tuple[int, str]]]:
    """The label ("" for a line without a row), and (place, value) pairs."""
    words = line.partition("#")[0].split()
    if not words:
        return "", []
    label = number_of(words[0])
    if label is None or label != label:
        raise OptimizerError(f"The label '{words[0][:40]}' is no number.", where, "Write one number a row; several labels are not read.",
                             "bad-label")
    found = []
    for word in words[1:]:
        place, _, value = word.partition(":")
        if place == "qid":
            continue
        if not (place.isascii() and place.isdigit() and len(place) < 10) or number_of(value) is None:
            raise OptimizerError(f"'{word[:40]}' is no place:value.", where, "Write label place:value place:value ...", "bad-sparse-row")
        found.append((int(place), value))
    return f"{label:.15g}", found


def blocks(path: Path, first: int, last: int) -> Iterator[Block]:
    told, width = [0], last - first + 2
    yield from in_blocks(rows_of(path, first, width, told), width, told, path.stat().st_size)


def rows_of(path: Path, first: int, width: int, told: list[int]) -> Iterator[list[str]]:
    """Whole rows, zeros and all, the label last."""
    for number, line in enumerate(text_lines(path, "utf-8", told), 1):
        label, pairs = pairs_of(line, f"{path.name}, line {number}")
        if label:
            row = ["0"] * (width - 1) + [label]
            for place, value in pairs:
                row[place - first] = value
            yield row
