"""Arrays of inputs and labels as a Source: layout, number type and classes are read off the data, and each guess is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from optimizers.cards import Problem
from optimizers.data.source import Source, info, unlabelled, warn
from optimizers.data.split import NAMES, content_hash
from optimizers.errors import OptimizerError

CHUNK = 1024            # rows looked at together
MOST_CLASSES = 10_000
FEW = 20                # whole numbers with at most so many values are classes; integers with 5 rows a value are too

MOST_AXES = 6           # of x without labels: the batch and what any network takes

NO_LABELS = info("There are no labels, so networks cannot be trained on these rows; how faithful a compressed one is to its original can "
                 "be measured.", "y", "Add y, one label for each row of x, to measure accuracy.", "unlabelled")

Arrays = dict[str, tuple[np.ndarray, np.ndarray | None]]


def from_arrays(arrays: Arrays, options: Mapping[str, Any], title: str, problems: tuple[Problem, ...] = ()) -> Source:
    """arrays: split name ("" where none is declared) -> (x, y), all rows alike; y None, or options["task"] "unlabelled": no labels.

    Raises OptimizerError.
    """
    bare = options.get("task") == "unlabelled" or any(y is None for _, y in arrays.values())
    pairs = {name: (x, unlabelled(len(x)) if bare or y is None else y) for name, (x, y) in arrays.items()}
    check_pairs(pairs, most_axes=MOST_AXES if bare else 4)
    xs = [x for x, _ in pairs.values()]
    layout, notes = layout_of(xs[0])
    byte = all(is_bytes(x, name) for name, (x, _) in pairs.items())
    y = np.concatenate([column(y, name) for name, (_, y) in pairs.items()])
    labels, classes, task, said = unknown(y) if bare else labels_of(y, options)
    declared = None if list(pairs) == [""] else np.concatenate(
        [np.full(len(x), NAMES.index(name), np.int8) for name, (x, _) in pairs.items()])
    hashes = np.fromiter((content_hash(np.ascontiguousarray(row).tobytes()) for x in xs for row in x), np.uint64, len(y))
    starts = np.cumsum([0, *(len(x) for x in xs)])

    def rows(wanted: np.ndarray) -> np.ndarray:
        out = np.empty((len(wanted), *layout.shape), np.uint8 if byte else np.float32)
        for number, x in enumerate(xs):
            mine = (wanted >= starts[number]) & (wanted < starts[number + 1])
            if mine.any():
                out[mine] = layout(np.asarray(x[wanted[mine] - starts[number]]))
        return out

    shape = " x ".join(str(n) for n in layout.shape)
    return Source(
        kind="array", title=f"{title}, {len(y):,} rows of {shape}", task=task, classes=classes, labels=labels, hashes=hashes,
        row_shape=layout.shape, row_dtype="uint8" if byte else "float32", rows=rows, declared=declared,
        features=tuple(f"x{i}" for i in range(layout.shape[0])) if len(layout.shape) == 1 else (),
        problems=(*problems, *notes, *said, *thin(classes, labels, task)))


def unknown(y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...], Any, tuple[Problem, ...]]:
    """What `labels_of` answers, for rows without labels."""
    return y, (), "unlabelled", (NO_LABELS,)


def check_pairs(arrays: Mapping[str, tuple[np.ndarray, np.ndarray]], most_axes: int) -> None:
    shapes = {x.shape[1:] for x, _ in arrays.values()}
    for name, (x, y) in arrays.items():
        where = name or "x, y"
        if x.ndim < 2 or x.ndim > most_axes:
            raise OptimizerError(f"x has shape {x.shape}; (rows, features), (rows, height, width) or (rows, height, width, channels) "
                                 "are read.", where, "Reshape it: x.reshape(len(x), -1) makes features.", "bad-shape")
        if len(x) != len(y):
            raise OptimizerError(f"There are {len(x):,} inputs and {len(y):,} labels.", where, "Save one label for each row of x.",
                                 "rows-differ")
        if 0 in x.shape:
            raise OptimizerError(f"The array is empty: its shape is {x.shape}.", where, "Save at least a few rows.", "empty")
    if len(shapes) > 1:
        raise OptimizerError(f"Rows differ in shape between splits: {', '.join(str(s) for s in sorted(shapes))}.", "x",
                             "Give train and test rows of one shape.", "shapes-differ")
    if sum(len(x) for x, _ in arrays.values()) < 10:
        raise OptimizerError("There are fewer than 10 rows.", "x", "Upload more rows: train, validation and test are made of them.",
                             "too-few-rows")


class Layout:
    """Turns rows as stored into rows as served: (channels, height, width), or (features,)."""

    def __init__(self, stored: tuple[int, ...], last: bool) -> None:
        self.last = last and len(stored) == 3
        self.grey = len(stored) == 2
        self.shape = (1, *stored) if self.grey else (stored[2], *stored[:2]) if self.last else stored

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x[:, None] if self.grey else np.moveaxis(x, -1, 1) if self.last else x


def layout_of(x: np.ndarray) -> tuple[Layout, tuple[Problem, ...]]:
    """Channels last when the last axis has 1 or 3 (or 2, 4) entries and the first has not."""
    stored = tuple(x.shape[1:])
    if len(stored) != 3:
        return Layout(stored, False), ()
    first, last = stored[0] in (1, 3), stored[2] in (1, 3)
    guess = last and not first if first != last else not first and stored[2] in (2, 4) and stored[0] not in (2, 4)
    names = "(height, width, channels)" if guess else "(channels, height, width)"
    note = f"Rows of shape {stored} are read as {names}" + (", though both ends could be channels." if first and last else ".")
    return Layout(stored, guess), (info(note, "x", "Transpose x before saving if that is wrong.", "layout"),)


def pieces(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(x), CHUNK):
        yield np.asarray(x[start:start + CHUNK])


def is_bytes(x: np.ndarray, name: str) -> bool:
    """Whether every value is a whole number from 0 to 255.  Raises OptimizerError for NaN and infinite values."""
    if x.dtype in (np.uint8, np.bool_):
        return True
    byte = x.dtype.kind in "iu"
    for number, piece in enumerate(pieces(x)):
        if x.dtype.kind == "f" and not np.isfinite(piece).all():
            row = number * CHUNK + int(np.flatnonzero(~np.isfinite(piece).reshape(len(piece), -1).all(axis=1))[0])
            raise OptimizerError("x holds NaN or infinite values.", f"{name or 'x'}, first at row {row:,}",
                                 "Fill or drop those rows before saving, for example with np.nan_to_num.", "not-finite")
        byte = byte and bool(piece.min() >= 0 and piece.max() <= 255)
    return byte


def column(y: np.ndarray, name: str) -> np.ndarray:
    """Labels as (n,): a single column is flattened, one-hot rows become their place."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
        y = y.argmax(axis=1)
    if y.ndim != 1:
        raise OptimizerError(f"Labels have shape {y.shape}; one number a row, or one-hot rows, are read.", name or "y",
                             "Save one target a row.", "bad-labels")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        first = int(np.flatnonzero(~np.isfinite(y))[0])
        raise OptimizerError("Labels hold NaN or infinite values.",
                             f"{name or 'y'}, first at row {first:,}", "Drop the rows without a label.", "not-finite")
    return y


def labels_of(y: np.ndarray, options: Mapping[str, Any]) -> tuple[np.ndarray, tuple[str, ...], Any, tuple[Problem, ...]]:
    """(labels, class names, task, notes): whole numbers are classes, unless they are many or `options["task"]` says otherwise."""
    values = np.unique(y)
    whole = bool((values == np.round(values)).all())
    wish = options.get("task")
    few = whole and (len(values) <= FEW or (y.dtype.kind in "iub" and len(values) <= MOST_CLASSES and len(y) >= 5 * len(values)))
    if wish == "regression" or (wish != "classification" and not few):
        if len(values) < 2:
            raise OptimizerError("All targets are the same.", "y", "Upload rows with at least two different targets.", "one-class")
        return y.astype(np.float32), (), "regression", (info(f"Targets take {len(values):,} values, so this is regression.", "y",
                                                              "Set the option task to classification if they are classes.", "task"),)
    if len(values) > MOST_CLASSES or not whole:
        raise OptimizerError(f"Labels take {len(values):,} different values, which is not a classification.", "y",
                             "Set the option task to regression.", "too-many-classes")
    if len(values) < 2:
        raise OptimizerError(f"All rows have the same class, {values[0]:g}; at least two classes are needed.", "y",
                             "Upload rows of two or more classes.", "one-class")
    low, high = int(values[0]), int(values[-1])
    if low == 0 and high < 2 * len(values):         # numbers as a network counts them; a gap is a class without rows
        return y.astype(np.int64), tuple(str(n) for n in range(high + 1)), "classification", ()
    note = info(f"Labels {low} to {high} are counted from 0 in their order.", "y", code="labels-renumbered")
    return np.searchsorted(values, y), tuple(f"{value:g}" for value in values), "classification", (note,)


def thin(classes: tuple[str, ...], labels: np.ndarray, task: str) -> tuple[Problem, ...]:
    """Classes with hardly any rows."""
    if task != "classification":
        return ()
    counts = np.bincount(labels, minlength=len(classes))
    few = [f"{classes[i]} ({counts[i]})" for i in np.flatnonzero(counts < 20)]
    return (warn(f"Classes with fewer than 20 rows: {', '.join(few[:10])}{' …' if len(few) > 10 else ''}.",
                 "classes", "Their quality cannot be judged; add rows.", "few-rows-in-class"),) if few else ()
