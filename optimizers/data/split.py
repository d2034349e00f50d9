"""Train, validation and test, fixed by the dataset's content alone: no seed, no order of rows, and equal rows never part.

Each row is known by a hash of what the model will see of it. Rows with the same hash form one group; groups of a class are put in the
order of their hashes, and the first 15 % of its rows become test, the next 15 % validation.

An upload that declares a test split and no validation has half of that test made validation: a model that was trained elsewhere has
learned from all of train, so rows of train cannot tell how much it loses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from optimizers.cards import Problem

TRAIN, VALIDATION, TEST = 0, 1, 2
NAMES = ("train", "validation", "test")
SHARE = 0.15
HALVED = 400            # rows a declared test split needs before half of it becomes validation


@dataclass(frozen=True)
class Divided:
    """part: (n,) int8 of TRAIN, VALIDATION, TEST.  how: one sentence for the card."""

    part: np.ndarray
    how: str
    problems: tuple[Problem, ...] = ()

    def rows(self, name: str) -> np.ndarray:
        """Row numbers of a split, ascending."""
        return np.flatnonzero(self.part == NAMES.index(name))

    def counts(self) -> dict[str, int]:
        return {name: int((self.part == index).sum()) for index, name in enumerate(NAMES)}


def content_hash(raw: bytes | memoryview) -> int:
    """64 bits of BLAKE2b: equal content, equal number, on every machine."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def divide(hashes: np.ndarray, labels: np.ndarray | None, declared: np.ndarray | None = None, halve: bool = True) -> Divided:
    """hashes: (n,) uint64.  labels: (n,) class numbers, or None for regression.

    declared: (n,) int8 of TRAIN, VALIDATION, TEST as the upload says, where it says anything; it is respected, and what it lacks is
    taken from its train rows.  halve: whether a validation split that is lacking may be taken from test.
    """
    groups = np.zeros(len(hashes), np.int64) if labels is None else labels.astype(np.int64)
    if declared is None:
        part = taken(hashes, groups, {TEST: SHARE, VALIDATION: SHARE})
        how = "70 / 15 / 15 %, decided by the content of each row, so equal rows stay together and the order of rows does not matter"
        return Divided(part, how, tuple(small_parts(part)))
    part, how = declared.copy(), "declared " + " and ".join(f"{NAMES[p]}" for p in (TRAIN, VALIDATION, TEST) if (declared == p).any())
    if halve and (declared == TEST).sum() >= HALVED and not (declared == VALIDATION).any():
        rows = np.flatnonzero(declared == TEST)
        half = taken(hashes[rows], groups[rows], {VALIDATION: 0.5})
        part[rows[half == TRAIN]], part[rows[half == VALIDATION]] = TEST, VALIDATION
        return Divided(part, how + "; validation is half of test, by content, as a model made elsewhere has seen all of train",
                       (*leaks(hashes, part), *small_parts(part)))
    lacking = {p: SHARE for p in (TEST, VALIDATION) if not (declared == p).any()}
    if lacking:
        rows = np.flatnonzero(declared == TRAIN)
        part[rows] = taken(hashes[rows], groups[rows], lacking)
        how += "; " + " and ".join(NAMES[p] for p in sorted(lacking)) + (" are each" if len(lacking) > 1 else " is") + \
            " 15 % of train, by content"
    return Divided(part, how, (*leaks(hashes, part), *small_parts(part)))


def in_stretches(rows: int, declared: np.ndarray | None = None) -> Divided:
    """Each split one stretch of rows in their order, for sequences: 70 / 15 / 15 % of all rows, or of what the upload declares as train.

    A test split declared alone gives its first half to validation, as in `divide`, where it has enough rows.

    >>> in_stretches(20).counts()
    {'train': 14, 'validation': 3, 'test': 3}
    """
    part = np.zeros(rows, np.int8) if declared is None else declared.copy()
    if (part == TEST).sum() >= HALVED and not (part == VALIDATION).any():
        test = np.flatnonzero(part == TEST)
        part[test[:len(test) // 2]] = VALIDATION
    lacking = [which for which in (TEST, VALIDATION) if not (part == which).any()]
    train = np.flatnonzero(part == TRAIN)
    each = max(1, round(SHARE * len(train)))
    for place, which in enumerate(lacking):                     # test last, validation before it
        part[train[len(train) - (place + 1) * each:len(train) - place * each]] = which
    return Divided(part, "stretches of rows in their order: train, validation, test", tuple(small_parts(part)))


def taken(hashes: np.ndarray, labels: np.ndarray, shares: dict[int, float]) -> np.ndarray:
    """Give each split its share of every class; what is left is train, and each class keeps rows there.  Returns (n,) int8."""
    part = np.zeros(len(hashes), np.int8)
    order = np.lexsort((labels, hashes))
    sorted_hashes, sorted_labels = hashes[order], labels[order]
    first = np.ones(len(order), bool)
    first[1:] = sorted_hashes[1:] != sorted_hashes[:-1]
    begins = np.flatnonzero(first)
    sizes = np.diff(np.append(begins, len(order)))
    owner = sorted_labels[begins]                       # a group whose rows disagree belongs to its lowest class
    verdict = np.zeros(len(begins), np.int8)
    due = dict.fromkeys(shares, 0.0)                    # carried from class to class, so that rare classes add up
    for label in np.unique(owner):
        mine = np.flatnonzero(owner == label)           # in the order of their hashes
        place, spare = 0, len(mine) - 1
        for which, share in shares.items():
            due[which] += share * sizes[mine].sum()
            while spare > 0 and due[which] >= 0.5 * sizes[mine[place]]:
                verdict[mine[place]] = which
                due[which] -= sizes[mine[place]]
                place, spare = place + 1, spare - 1
    part[order] = np.repeat(verdict, sizes)
    lost = np.setdiff1d(labels, labels[part == TRAIN])
    if len(lost):                                       # classes that only live in groups owned by another class
        back = np.isin(hashes, hashes[np.isin(labels, lost)])
        part[back] = TRAIN
    return part


def leaks(hashes: np.ndarray, part: np.ndarray) -> list[Problem]:
    """Rows of test that stand in train or validation too, where content did not decide the splits."""
    both = int(np.isin(hashes[part == TEST], hashes[part != TEST]).sum())
    if not both:
        return []
    return [Problem(severity="warn", wrong=f"{both:,} rows of test are also in train, so quality will look better than it is.",
                    where="splits", mend="Remove them from train, or let the splits be decided by content.", code="test-in-train")]


def small_parts(part: np.ndarray) -> list[Problem]:
    """Splits too small to tell two models apart."""
    rows = {name: int((part == index).sum()) for index, name in enumerate(NAMES)}
    return [Problem(severity="warn", wrong=f"Only {rows[name]} rows are left for {name}: differences under "
                    f"{100 / max(rows[name], 1):.0f} points cannot be seen.", where=name, mend="Upload more rows.", code="few-rows")
            for name in ("validation", "test") if rows[name] < 50]
