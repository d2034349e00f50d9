"""Splits follow from content alone: order does not matter, equal rows stay together, every class stays in train."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.data.split import TEST, TRAIN, VALIDATION, divide


def rows(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**63, n).astype(np.uint64), rng.integers(0, classes, n)


def test_seventy_fifteen_fifteen_in_every_class() -> None:
    hashes, labels = rows(2000, 4)
    divided = divide(hashes, labels)
    assert divided.counts() == {"train": 1400, "validation": 300, "test": 300}
    for label in range(4):
        assert abs((divided.part[labels == label] == TEST).mean() - 0.15) < 0.01


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=200), st.randoms())
def test_order_never_matters_and_equal_rows_never_part(pairs: list[tuple[int, int]], random) -> None:
    def by_row(order: list[tuple[int, int]]) -> dict[tuple[int, int], set[int]]:
        part = divide(np.array([h for h, _ in order], np.uint64), np.array([label for _, label in order])).part
        found: dict[tuple[int, int], set[int]] = {}
        for row, where in zip(order, part, strict=True):
            found.setdefault(row, set()).add(int(where))
        return found

    first = by_row(pairs)
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert by_row(shuffled) == first
    homes: dict[int, set[int]] = {}
    for (row, _), where in first.items():
        homes.setdefault(row, set()).update(where)
    assert all(len(where) == 1 for where in homes.values())
    for label in {label for _, label in pairs}:
        assert any(TRAIN in where for (_, other), where in first.items() if other == label)


def test_half_of_a_declared_test_split_becomes_validation() -> None:
    hashes, labels = rows(2000, 2)
    hashes[:10] = hashes[10:20]
    declared = np.where(np.arange(2000) < 500, TEST, TRAIN).astype(np.int8)
    divided = divide(hashes, labels, declared)
    assert (divided.part[500:] == TRAIN).all()
    counts = divided.counts()
    assert abs(counts["validation"] - counts["test"]) <= 4
    assert (divided.part[:10] == divided.part[10:20]).all(), "equal rows stay together"
    assert "validation is half of test" in divided.how


def test_a_small_declared_test_split_is_kept_and_validation_comes_out_of_train() -> None:
    hashes, labels = rows(1000, 2)
    declared = np.where(np.arange(1000) < 200, TEST, TRAIN).astype(np.int8)
    divided = divide(hashes, labels, declared)
    assert (divided.part[:200] == TEST).all()
    assert divided.counts() == {"train": 680, "validation": 120, "test": 200}
    assert divided.how == "declared train and test; validation is 15 % of train, by content"


def test_rows_of_test_that_are_in_train_too_are_told() -> None:
    hashes, labels = rows(1000, 2)
    hashes[:5] = hashes[500:505]
    declared = np.where(np.arange(1000) < 200, TEST, TRAIN).astype(np.int8)
    assert [p.wrong for p in divide(hashes, labels, declared).problems if p.code == "test-in-train"] == [
        "5 rows of test are also in train, so quality will look better than it is."]


def test_many_classes_of_two_rows_still_fill_all_three_splits() -> None:
    hashes, _ = rows(40, 1)
    divided = divide(hashes, np.arange(40) // 2)
    assert set(np.arange(40)[divided.part == TRAIN] // 2) == set(range(20))
    assert divided.counts() == {"train": 28, "validation": 6, "test": 6}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_rows(n: int) -> None:
    assert divide(rows(n, 1)[0], None).counts()["train"] >= 1


def test_regression_has_no_classes() -> None:
    counts = divide(rows(1000, 1)[0], None).counts()
    assert counts == {"train": 700, "validation": 150, "test": 150}
    assert VALIDATION == 1
