"""Blocks of text out of a CSV file: encoding, delimiter and quoting found out, every row as wide as the first, memory flat."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optimizers.cards import Problem
from optimizers.data.source import info
from optimizers.data.table_rows import LONGEST_CELL, MOST_ROWS, Block, Table, in_blocks, is_missing, number_of, refuse_names
from optimizers.errors import OptimizerError

DELIMITERS = (",", ";", "\t", "|")
LONGEST_LINE = 16 << 20     # characters
SAMPLE = 200                # rows looked at to find delimiter and header
NO_TEXT = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
COMMENTS = ("|", "#", "%")  # a line on top that begins so and has no other cell is none of the table


def csv_table(path: Path, header: bool | None = None) -> Table:
    """header: whether the first row holds names; None to find out.  Raises OptimizerError."""
    dialect = dialect_of(path, header)
    return Table(path.name, dialect.names, partial(blocks, path, dialect), problems=dialect.problems)


@dataclass(frozen=True)
class Dialect:
    """comments: lines above the table."""

    encoding: str           # utf-8-sig reads UTF-8 with and without a mark
    delimiter: str
    header: bool
    names: tuple[str, ...]
    comments: int = 0
    problems: tuple[Problem, ...] = ()


def dialect_of(path: Path, header: bool | None = None) -> Dialect:
    """Look at the first rows.  header: what the user said, or None to find out.  Raises OptimizerError."""
    encoding = encoding_of(path)
    lines = []
    for line in text_lines(path, encoding):
        lines.append(line)
        if len(lines) >= SAMPLE or sum(map(len, lines)) > 1 << 20:
            break
    if not any(line.strip() for line in lines):
        raise OptimizerError("The file is empty.", path.name, "Upload a table with a header and at least a few rows.", "empty")
    comments = comments_in(lines)
    lines = lines[comments:]
    top = next(line for line in lines if line.strip())
    delimiter = max(DELIMITERS, key=lambda d: (max(columns_by(lines, d), 1), columns_by([top], d)))     # rows that disagree are named later
    if columns_by([top], delimiter) < 2:
        raise OptimizerError("The file has one column only; a table needs features and a target.", path.name,
                             "Separate the columns by comma, semicolon, tab or |.", "one-column")
    sample = parsed(lines, delimiter) or parsed([top], delimiter)
    known = looks_like_header(sample) if header is None else header
    names = tuple(cell.strip() or f"column {i + 1}" for i, cell in enumerate(sample[0])) if known else \
        tuple(f"column {i + 1}" for i in range(len(sample[0])))
    refuse_names(names, path.name)
    said = () if encoding != "cp1252" else (info("The file is not UTF-8; it was read as Windows-1252 (Latin-1).", path.name,
                                                 "Save it as UTF-8 if letters look wrong.", "cp1252"),)
    return Dialect(encoding, delimiter, known, names, comments, said)


def comments_in(lines: list[str]) -> int:
    """How many lines on top are comments: they begin like one, and the table below has more cells.

    >>> comments_in(["|1x3 Cross validator", "25, Private, 1", "38, Private, 2"]), comments_in(["|a|b|", "|1|2|", "|3|4|"])
    (1, 0)
    """
    count = 0
    while count < len(lines) - 1 and lines[count].startswith(COMMENTS) and not any(
            0 < lines[-1].count(d) <= lines[count].count(d) for d in DELIMITERS):
        count += 1
    return count


def encoding_of(path: Path) -> str:
    """By its mark, by where its zero bytes stand, else UTF-8 where every byte of the file is, else Windows-1252."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head[:4] == b"\xff\xfe\0\0":
            raise OptimizerError("The file is UTF-32.", path.name, "Save it as UTF-8.", "encoding")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        for encoding, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
            if len(head) > 20 and zeros.count(0) > 0.9 * len(zeros) and not letters.count(0):
                return encoding
        decoder = codecs.getincrementaldecoder("utf-8")()
        piece = head
        while piece:
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                return western(path)
            piece = file.read(1 << 20)
    return "utf-8-sig"


def western(path: Path) -> str:
    """Windows-1252, which every one of its bytes must be able to be: no control characters, none of the five gaps in it."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            number += 1
            if NO_TEXT.search(line):
                raise OptimizerError("The file is neither UTF-8, nor UTF-16, nor Windows-1252 text.", f"{path.name}, line {number}",
                                     "Save it as UTF-8: iconv -f THE_ENCODING -t UTF-8 in.csv > out.csv.", "encoding")
    return "cp1252"


def text_lines(path: Path, encoding: str, told: list[int] | None = None) -> Iterator[str]:
    """Lines with their ends, at most LONGEST_LINE characters each.  told: its first entry becomes how many bytes were read so far.

    Raises OptimizerError with the line number.
    """
    number = 0
    with open(path, encoding=encoding, newline="") as file:
        while True:
            try:
                line = file.readline(LONGEST_LINE + 1)
            except UnicodeDecodeError as fault:
                raise OptimizerError("The file is not the UTF-16 that it begins as.", f"{path.name}, near line {number + 1}",
                                     "Save it as UTF-8.", "encoding") from fault
            if not line:
                return
            number += 1
            if told is not None and number % 1000 == 0:
                told[0] = file.buffer.tell()  # type: ignore[attr-defined]
            if len(line) > LONGEST_LINE:
                raise OptimizerError("A line is longer than 16 million characters.", f"{path.name}, line {number}",
                                     "Check that this is a table with line ends.", "line-too-long")
            if "\0" in line:
                raise OptimizerError("The file holds NUL characters, so it is not text.", f"{path.name}, line {number}",
                                     "Export the table as CSV in UTF-8.", "nul")
            yield line


def parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return []


def columns_by(lines: list[str], delimiter: str) -> int:
    """Columns that `delimiter` gives on nearly every line; 0 when rows disagree."""
    widths = [len(row) for row in parsed(lines, delimiter)]
    if not widths:
        return 0
    common = max(set(widths), key=widths.count)
    return common if widths.count(common) >= 0.8 * len(widths) else 0


def looks_like_header(sample: list[list[str]]) -> bool:
    """Names and no numbers on top, and below something a name is not: a number, or other words than the top's."""
    top, below = sample[0], [row for row in sample[1:] if len(row) == len(sample[0])]
    if not below:
        return True
    words = [cell.strip() for cell in top]
    if any(number_of(cell) is not None for cell in words if cell) or sum(not cell for cell in words) > 1:
        return False
    for place in range(len(words)):
        cells = [row[place].strip() for row in below if not is_missing(row[place])]
        if cells and all(number_of(cell) is not None for cell in cells):
            return True
    return not any(word in {row[place].strip() for row in below} for place, word in enumerate(words))


def rows_of(path: Path, dialect: Dialect, told: list[int] | None = None) -> Iterator[list[str]]:
    """Every data row, header left out, empty lines left out.  Raises OptimizerError: ragged rows, cells too long, too many rows."""
    width, number, before = len(dialect.names), 0, csv.field_size_limit(LONGEST_CELL)
    lines = text_lines(path, dialect.encoding, told)
    for _ in range(dialect.comments):
        next(lines)
    reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=True)
    skip = dialect.header
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != width:
                raise OptimizerError(f"The row has {len(row)} cells, the first row has {width}.",
                                     f"{path.name}, line {reader.line_num + dialect.comments}",
                                     "Mend the row; a cell that holds the delimiter must stand in double quotes.", "ragged-row")
            if skip:
                skip = False
                continue
            number += 1
            if number > MOST_ROWS:
                raise OptimizerError("The table has more than 50 million rows.", path.name, "Upload a sample of it.", "too-many-rows")
            yield row
    except csv.Error as fault:
        raise OptimizerError(f"The row cannot be read: {fault}.", f"{path.name}, line {reader.line_num + dialect.comments}",
                             "Look for a double quote that is never closed; a cell may have 65,536 characters.", "broken-row") from fault
    finally:
        csv.field_size_limit(before)


def blocks(path: Path, dialect: Dialect) -> Iterator[Block]:
    told = [0]
    yield from in_blocks(rows_of(path, dialect, told), len(dialect.names), told, path.stat().st_size)
