"""How a table becomes train, validation and test: by content, as the file says, or by one of its columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from optimizers.cards import Problem
from optimizers.data.options import DatasetOptions
from optimizers.data.source import warn
from optimizers.data.split import SHARE, TEST, TRAIN, VALIDATION, Divided, content_hash, divide, leaks, small_parts, taken
from optimizers.data.table_columns import Column
from optimizers.data.table_encode import Encoded, values_of
from optimizers.errors import OptimizerError

WORDS = {"train": TRAIN, "training": TRAIN, "learn": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
         "dev": VALIDATION, "test": TEST, "testing": TEST, "holdout": TEST}


def divided(options: DatasetOptions, found: Encoded, classes: tuple[str, ...], by: Column | None, declared: bool, where: str) -> Divided:
    """Raises OptimizerError: a column that cannot decide."""
    labels = found.y if classes else None
    place = f"{where}, column '{by.name}'" if by else where
    if options.split == "groups":
        parted = by_groups(found, labels, by, place)
    elif options.split == "time":
        parted = by_time(found, by, place)
    elif options.split == "column":
        parted = divide(found.hashes, labels, said_by(found.keys or [], place), halve=options.validation == "test")
    else:
        respected = found.part if declared and options.split is None else None
        parted = divide(found.hashes, labels, respected, halve=options.validation == "test")
    return replace(parted, problems=(*parted.problems, *unseen(parted, labels, classes, where)))


def by_groups(found: Encoded, labels: np.ndarray | None, by: Column | None, where: str) -> Divided:
    """Rows whose column says the same stay together; which groups are test is decided by the hash of what they are called."""
    name = by.name if by else ""
    known = {cell: content_hash(cell.encode()) for cell in set(found.keys or ())}
    if len(known) < 3:
        raise OptimizerError(f"'{name}' has {len(known)} different values; three splits need at least three groups.", where,
                             "Choose another column, or a random split.", "few-groups")
    hashes = np.array([known[cell] for cell in found.keys or ()], np.uint64)
    part = taken(hashes, np.zeros(len(hashes), np.int64) if labels is None else labels, {TEST: SHARE, VALIDATION: SHARE})
    how = f"{len(known):,} groups of '{name}', about 70 / 15 / 15 % of the rows; no group is in two splits"
    return Divided(part, how, (*leaks(found.hashes, part), *small_parts(part)))


def by_time(found: Encoded, by: Column | None, where: str) -> Divided:
    """The newest 15 % are test, the 15 % before them validation; rows of one moment stay together, rows without one are train."""
    assert by is not None
    moments = values_of(by, found.keys or [])
    if moments is None or np.isnan(moments).all():
        raise OptimizerError(f"'{by.name}' holds neither dates nor numbers, so nothing in it is newer.", where,
                             "Choose a column of dates or numbers, or say that it is a date.", "no-time")
    order, counts = np.unique(moments[~np.isnan(moments)], return_counts=True)
    if len(order) < 3:
        raise OptimizerError(f"'{by.name}' has {len(order)} different moments; three splits need at least three.", where,
                             "Choose another column, or a random split.", "few-moments")
    newer = np.cumsum(counts[::-1])[::-1]                   # rows from each moment on
    test = int(np.clip(np.abs(newer - SHARE * len(moments)).argmin(), 2, len(order) - 1))
    validation = int(np.clip(np.abs(newer - newer[test] - SHARE * len(moments)).argmin(), 1, test - 1))
    with np.errstate(invalid="ignore"):
        part = np.where(moments >= order[test], TEST, np.where(moments >= order[validation], VALIDATION, TRAIN)).astype(np.int8)
    gone = int(np.isnan(moments).sum())
    about = [warn(f"{gone:,} rows without a moment are in train.", where, "Fill them in, or drop those rows.", "no-moment")] if gone else []
    shares = {which: round(100 * float((part == which).mean())) for which in (TEST, VALIDATION)}
    how = f"by '{by.name}': the newest {shares[TEST]} % are test, the {shares[VALIDATION]} % before them validation"
    return Divided(part, how, (*leaks(found.hashes, part), *small_parts(part), *about))


def said_by(cells: list[str], where: str) -> np.ndarray:
    """(n,) int8: the split that each cell names."""
    if odd := next((cell for cell in dict.fromkeys(cells) if cell.lower() not in WORDS), None):
        raise OptimizerError(f"{Counter(cells)[odd]:,} rows say '{odd[:40]}', which is no split.", f"{where}, first at row "
                             f"{cells.index(odd) + 1:,}", "Write train, validation or test in each row.", "no-split")
    if "" in cells:
        raise OptimizerError(f"{cells.count(''):,} rows say no split.", f"{where}, first at row {cells.index('') + 1:,}",
                             "Write train, validation or test in each row.", "no-split")
    part = np.array([WORDS[cell.lower()] for cell in cells], np.int8)
    if not (part == TRAIN).any():
        raise OptimizerError("No row is in train.", where, "Write train, validation or test in each row.", "no-split")
    return part


def unseen(parted: Divided, labels: np.ndarray | None, classes: tuple[str, ...], where: str) -> list[Problem]:
    """Classes that nothing can be learned of, because no row of theirs is in train."""
    if labels is None:
        return []
    lost = np.setdiff1d(labels, labels[parted.part == TRAIN])
    dotted = all(classes[c].rstrip(". ") in classes and classes[c].endswith(".") for c in lost)
    if not len(lost) or dotted:                 # labels with dots at their end are a warning of their own
        return []
    names = ", ".join(f"'{classes[c][:40]}'" for c in lost[:10])
    return [warn(f"Nothing can be learned of {names}: no row of train has {'this class' if len(lost) == 1 else 'these classes'}.", where,
                 "Choose another split, add rows to train, or leave those rows out.", "class-not-in-train")]
