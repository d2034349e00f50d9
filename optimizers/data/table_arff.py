"""Tables in an ARFF file, Weka's format: attributes with types on top, then rows, dense or sparse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizers.data.formats import Report, silent
from optimizers.data.options import Kind
from optimizers.data.source import Source
from optimizers.data.table_read import encoding_of, text_lines
from optimizers.data.table_rows import Block, Table, in_blocks, refuse_cells, refuse_names
from optimizers.errors import OptimizerError

TOKEN = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*?)\s*(?:,|$)""")
ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE)
ESCAPED = re.compile(r"\\(.)")
PLAIN = ("numeric", "real", "integer", "string", "date")


@dataclass(frozen=True)
class Attribute:
    """default: what a sparse row leaves unsaid: 0, or the first of the nominal values."""

    name: str
    kind: Kind | None
    default: str


def open_arff(path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """Raises OptimizerError."""
    from optimizers.data.table import open_table

    return open_table(arff_table(path), options, work, report)


def arff_table(path: Path, header: bool | None = None) -> Table:
    """Nominal attributes are categories.  Raises OptimizerError with the line."""
    encoding = encoding_of(path)
    attributes, start = head(path, encoding)
    names = tuple(attribute.name for attribute in attributes)
    if len(names) < 2:
        raise OptimizerError("The file has fewer than two attributes; a table needs features and a target.", path.name,
                             "Declare each column by @attribute.", "one-column")
    refuse_names(names, path.name)
    types = {attribute.name: attribute.kind for attribute in attributes if attribute.kind}
    return Table(path.name, names, lambda: blocks(path, encoding, attributes, start), types=types)


def head(path: Path, encoding: str) -> tuple[list[Attribute], int]:
    """The attributes, and the number of the line that says @data."""
    found: list[Attribute] = []
    for number, line in enumerate(text_lines(path, encoding), 1):
        word = line.strip()
        if word.lower().startswith("@data"):
            return found, number
        if word.lower().startswith("@attribute"):
            found.append(attribute_of(word, f"{path.name}, line {number}"))
    raise OptimizerError("The file has no @data line.", path.name, "Put @data before the first row.", "no-data")


def attribute_of(line: str, where: str) -> Attribute:
    """
    >>> attribute_of("@ATTRIBUTE 'my class' {no, 'oh yes'}", ""), attribute_of("@attribute size REAL", "")
    (Attribute(name='my class', kind='category', default='no'), Attribute(name='size', kind=None, default='0'))
    """
    match = ATTRIBUTE.match(line)
    kind = match[2].strip() if match else ""
    if match and kind.startswith("{") and kind.endswith("}"):
        return Attribute(bare(match[1]), "category", cells_of(kind[1:-1])[0])
    if not match or kind.split()[0].lower() not in PLAIN:
        raise OptimizerError(f"The attribute cannot be read: {line[:80]}", where,
                             "Types are numeric, real, integer, string, date, or {one, another}.", "bad-attribute")
    return Attribute(bare(match[1]), None, "0")


def bare(text: str) -> str:
    """Without quotes and backslashes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = ESCAPED.sub(r"\1", text[1:-1])
    return text.strip()


def cells_of(line: str) -> list[str]:
    """
    >>> cells_of("1, 'a, b' ,?,x")
    ['1', 'a, b', '?', 'x']
    """
    if "'" not in line and '"' not in line:
        return [cell.strip() for cell in line.split(",")]
    found, at = [], 0
    while at <= len(line) and (match := TOKEN.match(line, at)):
        found.append(bare(match[1]))
        at = match.end()
        if not match[0].endswith(",") or at > len(line):
            break
    return found


def blocks(path: Path, encoding: str, attributes: list[Attribute], start: int) -> Iterator[Block]:
    names, told = [attribute.name for attribute in attributes], [0]
    for block in in_blocks(rows_of(path, encoding, attributes, start, told), len(attributes), told, path.stat().st_size):
        yield checked(block, names, path)


def rows_of(path: Path, encoding: str, attributes: list[Attribute], start: int, told: list[int]) -> Iterator[list[str]]:
    """Whole rows of the data section, sparse ones filled.  start: the line that opens it."""
    for number, line in enumerate(text_lines(path, encoding, told), 1):
        line = line.strip()
        if number <= start or not line or line.startswith("%"):
            continue
        where = f"{path.name}, line {number}"
        row = sparse(line[1:-1], attributes, where) if line.startswith("{") and line.endswith("}") else cells_of(line)
        if len(row) != len(attributes):
            raise OptimizerError(f"The row has {len(row)} cells, there are {len(attributes)} attributes.", where,
                                 "Mend the row; a cell that holds a comma must stand in quotes.", "ragged-row")
        yield row


def checked(block: Block, names: list[str], path: Path) -> Block:
    refuse_cells(block.cells, names, path.name)
    return block


def sparse(line: str, attributes: list[Attribute], where: str) -> list[str]:
    row = [attribute.default for attribute in attributes]
    for pair in cells_of(line) if line.strip() else ():
        place, _, value = pair.partition(" ")
        if not (place.isascii() and place.isdigit() and int(place) < len(row)):
            raise OptimizerError(f"'{pair[:40]}' names no attribute.", where, "A sparse row is {place value, ...}, places from 0.",
                                 "bad-sparse-row")
        row[int(place)] = bare(value)
    return row
