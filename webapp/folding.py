"""Long tables of layers: the dearest rows first, and the others folded away beneath them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")

FIRST = 12      # rows that stay open
SPARE = 4       # a fold that hides fewer rows than this costs more than it saves


def fold(rows: Sequence[Row], cost: Callable[[Row], float]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """(open, folded). Of a long table the FIRST rows that cost most, dearest first; the others in the order they came.

    >>> fold("abc", ord)
    (('a', 'b', 'c'), ())
    >>> fold("abcdefghijklmnopq", ord)[1]
    ('a', 'b', 'c', 'd', 'e')
    """
    if len(rows) < FIRST + SPARE:
        return tuple(rows), ()
    order = sorted(range(len(rows)), key=lambda place: -cost(rows[place]))
    return tuple(rows[place] for place in order[:FIRST]), tuple(rows[place] for place in sorted(order[FIRST:]))
