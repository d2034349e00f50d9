"""Columns of a table as people know them: the one-hot features of one category are one column again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Column:
    """places: of its features in a row.  categories: their names where the column is a category, in the same order; else empty."""

    name: str
    places: tuple[int, ...]
    categories: tuple[str, ...] = ()


def columns_of(features: Sequence[str], x: np.ndarray) -> tuple[Column, ...]:
    """features: names in the order of a row, "colour=red" beside "colour=blue" for a category.  x (n, features): rows to check by.

    Neighbours of one name before the "=" are a category only where each row has exactly one of them; a number may have an "=" in its name.
    Rows without names get "input 1", "input 2", ...

    >>> columns_of(("age", "colour=blue", "colour=red"), np.array([[40.0, 0, 1], [50.0, 1, 0]]))[1]
    Column(name='colour', places=(1, 2), categories=('blue', 'red'))
    """
    names = list(features) or [f"input {place + 1}" for place in range(x.shape[1])]
    found: list[Column] = []
    start = 0
    while start < len(names):
        stem, mark, _ = names[start].partition("=")
        end = start + 1
        while mark and end < len(names) and names[end].startswith(stem + mark):
            end += 1
        places = tuple(range(start, end))
        if mark and one_hot(x[:, start:end]):
            found.append(Column(stem, places, tuple(name[len(stem) + 1:] for name in names[start:end])))
        else:
            found.extend(Column(names[place], (place,)) for place in places)
        start = end
    return tuple(found)


def one_hot(block: np.ndarray) -> bool:
    """Whether each row holds a single 1 among zeros."""
    return bool(((block == 0) | (block == 1)).all() and (block.sum(axis=1) == 1).all())
