"""A table of text cells, whatever file it came from: names, and the same blocks of columns each time they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optimizers.cards import Problem
from optimizers.data.options import Kind
from optimizers.data.split import TRAIN
from optimizers.errors import OptimizerError

MOST_COLUMNS = 2_000
MOST_ROWS = 50_000_000
LONGEST_CELL = 64 << 10     # characters
CELLS = 500_000             # cells of a block, so that a wide table takes no more memory than a narrow one
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "#n/a", "<na>"}


@dataclass(frozen=True)
class Block:
    """cells: for each column its stripped texts, all of one length.  read: share of the file behind the block's end, 0 to 1.
    part: the split that the file declares for these rows."""

    cells: list[Sequence[str]]
    read: float = 1.0
    part: int = TRAIN

    @property
    def rows(self) -> int:
        return len(self.cells[0])


@dataclass(frozen=True)
class Table:
    """where: the file's name.  types, target: what the file itself says of its columns.  declared: whether blocks name their split."""

    where: str
    names: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]
    declared: bool = False
    types: Mapping[str, Kind] = field(default_factory=dict)
    target: str | None = None
    problems: tuple[Problem, ...] = ()
    unsaid: str | None = None           # what a cell is that a sparse file does not mention

    def with_bare_labels(self, place: int) -> Table:
        """Labels without the dots at their end, as the test file of Adult has them."""
        def blocks() -> Iterator[Block]:
            for block in self.blocks():
                cells = list(block.cells)
                cells[place] = [cell.rstrip(". ") for cell in cells[place]]
                yield replace(block, cells=cells)
        return replace(self, blocks=blocks)


def rows_at_once(width: int) -> int:
    return max(100, min(10_000, CELLS // max(width, 1)))


def is_missing(cell: str) -> bool:
    return cell.lower() in MISSING


def number_of(cell: str, comma: bool = False) -> float | None:
    """A number, or None.  comma: decimal comma, as in "3,14"."""
    try:
        return None if "_" in cell else float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None


def block_of(rows: list[list[str]], read: float, part: int = TRAIN) -> Block:
    """Rows as columns of stripped cells."""
    return Block([[cell.strip() for cell in cells] for cells in zip(*rows)], min(read, 1.0), part)


def in_blocks(rows: Iterable[list[str]], width: int, told: list[int], size: int) -> Iterator[Block]:
    """Rows gathered into blocks.  told: bytes read so far, of `size`, as the reader of the file keeps it."""
    most, held = rows_at_once(width), []
    for row in rows:
        held.append(row)
        if len(held) == most:
            yield block_of(held, told[0] / size)
            held = []
    if held:
        yield block_of(held, 1.0)


def refuse_cells(cells: Sequence[Sequence[str]], names: Sequence[str], where: str) -> None:
    """Cells that a CSV could not have either."""
    for name, column in zip(names, cells):
        if max(map(len, column)) > LONGEST_CELL:
            raise OptimizerError("A cell is longer than 65,536 characters.", f"{where}, column '{name}'", "Drop the column.",
                                 "cell-too-long")


def refuse_names(names: tuple[str, ...], where: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise OptimizerError(f"The table has {len(names):,} columns; at most 2,000 are read.", where, "Drop columns.", "too-many-columns")
    for place, name in enumerate(names):
        if len(name) > 200:
            raise OptimizerError(f"The name of column {place + 1} is longer than 200 characters.", where, "Shorten it.", "name-too-long")
        if name in names[:place]:
            raise OptimizerError(f"Two columns are called '{name}'.", f"{where}, columns {names.index(name) + 1} and {place + 1}",
                                 "Rename or drop one of them.", "duplicate-column")
