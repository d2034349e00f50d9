"""How sure a choice must be, by how many validation rows it rests on.

Simulated (docs/measuring.md): ten candidates that truly lose 0 to 3 points, the smaller the more, one point allowed. Four of five
resamplings recommend one beyond the floor in 12 % of jobs with 1,000 rows, and in half of those with 200.
"""

from __future__ import annotations

from typing import NamedTuple

FEW = 300           # rows below which the verdict says how few they were
ONLY = " It was chosen on only "     # how it says so, after its first sentences


class Demand(NamedTuple):
    """share: of the paired resamplings of validation that must keep the floor.  words: the same, to be read."""

    share: float
    words: str


DEMANDS = ((1000, Demand(0.8, "four of five")), (FEW, Demand(0.9, "nine of ten")), (0, Demand(0.95, "nineteen of twenty")))


def demand(rows: int) -> Demand:
    """
    >>> [demand(rows).words for rows in (180, 300, 999, 1000)]
    ['nineteen of twenty', 'nine of ten', 'nine of ten', 'four of five']
    """
    return next(wanted for least, wanted in DEMANDS if rows >= least)


def few(rows: int | None) -> str:
    """What a reader must know of a choice on few rows; nothing where there are enough, or where nobody knows.

    >>> few(180), few(5000)
    (' It was chosen on only 180 validation rows: others could choose otherwise.', '')
    """
    if rows is None or rows >= FEW:
        return ""
    return f"{ONLY}{rows} validation row{'s' if rows != 1 else ''}: others could choose otherwise."
