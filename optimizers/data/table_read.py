"""Rows of text out of a CSV file: encoding, delimiter and quoting found out, every row as wide as the first, memory flat."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optimizers.errors import OptimizerError

DELIMITERS = (",", ";", "\t", "|")
LONGEST_LINE = 16 << 20     # characters
LONGEST_CELL = 64 << 10
MOST_COLUMNS = 2_000
MOST_ROWS = 50_000_000
SAMPLE = 200                # rows looked at to find delimiter and header
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "#n/a", "<na>"}


@dataclass(frozen=True)
class Dialect:
    encoding: str           # utf-8-sig reads UTF-8 with and without a mark
    delimiter: str
    header: bool
    names: tuple[str, ...]


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


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
    return Dialect(encoding, delimiter, known, names)


def encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        mark = file.read(4)
    if mark[:2] in (b"\xff\xfe", b"\xfe\xff"):
        if mark == b"\xff\xfe\0\0":
            raise OptimizerError("The file is UTF-32.", path.name, "Save it as UTF-8.", "encoding")
        return "utf-16"
    return "utf-8-sig"


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """Lines with their ends, at most LONGEST_LINE characters each.  Raises OptimizerError with the line number."""
    number = 0
    with open(path, encoding=encoding, newline="") as file:
        while True:
            try:
                line = file.readline(LONGEST_LINE + 1)
            except UnicodeDecodeError as fault:
                raise OptimizerError("The file is not UTF-8 (or UTF-16 with a mark).", f"{path.name}, near line {number + 1}",
                                     "Save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 in.csv > out.csv.", "encoding") from fault
            if not line:
                return
            number += 1
            if len(line) > LONGEST_LINE:
                raise OptimizerError("A line is longer than 16 million characters.", f"{path.name}, line {number}",
                                     "Check that this is a table with line ends.", "line-too-long")
            if "\0" in line:
                raise OptimizerError("The file holds NUL characters, so it is not text.", f"{path.name}, line {number}",
                                     "Export the table as CSV in UTF-8.", "nul")
            yield line


def parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def columns_by(lines: list[str], delimiter: str) -> int:
    """Columns that `delimiter` gives on nearly every line; 0 when rows disagree."""
    widths = [len(row) for row in parsed(lines, delimiter)]
    if not widths:
        return 0
    common = max(set(widths), key=widths.count)
    return common if widths.count(common) >= 0.8 * len(widths) else 0


def number_of(cell: str, comma: bool = False) -> float | None:
    """A number, or None.  comma: decimal comma, as in "3,14"."""
    try:
        return None if "_" in cell else float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None


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


def refuse_names(names: tuple[str, ...], where: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise OptimizerError(f"The table has {len(names):,} columns; at most 2,000 are read.", where, "Drop columns.", "too-many-columns")
    for place, name in enumerate(names):
        if len(name) > 200:
            raise OptimizerError(f"The name of column {place + 1} is longer than 200 characters.", where, "Shorten it.", "name-too-long")
        if name in names[:place]:
            raise OptimizerError(f"Two columns are called '{name}'.", f"{where}, columns {names.index(name) + 1} and {place + 1}",
                                 "Rename or drop one of them.", "duplicate-column")


def rows_of(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    """Every data row, header left out, empty lines left out.  Raises OptimizerError: ragged rows, cells too long, too many rows."""
    width, number, before = len(dialect.names), 0, csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(text_lines(path, dialect.encoding), delimiter=dialect.delimiter)
    skip = dialect.header
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != width:
                raise OptimizerError(f"The row has {len(row)} cells, the first row has {width}.", f"{path.name}, line {reader.line_num}",
                                     "Mend the row; a cell that holds the delimiter must stand in double quotes.", "ragged-row")
            if skip:
                skip = False
                continue
            number += 1
            if number > MOST_ROWS:
                raise OptimizerError("The table has more than 50 million rows.", path.name, "Upload a sample of it.", "too-many-rows")
            yield row
    except csv.Error as fault:
        raise OptimizerError(f"The row cannot be read: {fault}.", f"{path.name}, line {reader.line_num}",
                             "Look for a double quote that is never closed; a cell may have 65,536 characters.", "broken-row") from fault
    finally:
        csv.field_size_limit(before)


def chunks(path: Path, dialect: Dialect, rows: int = 10_000) -> Iterator[list[list[str]]]:
    held: list[list[str]] = []
    for row in rows_of(path, dialect):
        held.append(row)
        if len(held) == rows:
            yield held
            held = []
    if held:
        yield held
