"""Budgets, floors and fronts."""

import pytest

from optimizers.candidate import Candidate
from optimizers.device import catalogue
from optimizers.goal import Goal, Limits
from optimizers.measurement import Change, Measurement
from optimizers.search import gate, verdict
from optimizers.search.pareto import front


def number(value, unit="KiB", origin="measured"):
    return Measurement(value=value, unit=unit, origin=origin, how="test")


def candidate(key, size, quality, fits=True, took=1.0, broke=(), **changes):
    numbers = {"size_kib": number(size), "latency_ms": number(took, "ms"), "top1": number(quality, "fraction")}
    return Candidate(key=key, title=key, recipe={}, fits=fits, broke=broke, validation=quality, measurements=numbers, **changes)


def test_breach_says_by_how_much():
    found = gate.budget_breaches({"ram_kib": number(86.0), "device_latency_ms": number(46.9, "ms")},
                                 Goal(limits=Limits(ram_kib=48, latency_ms=40)), None)
    assert [breach.sentence for breach in found] == ["RAM by 38 KiB", "latency by 6.9 ms"]
    assert found[0].by == pytest.approx(38.0)


def test_the_chip_is_a_limit_of_its_own():
    chip = catalogue()["stm32h743"]
    assert gate.effective(Goal(), chip).flash_kib == chip.flash_kib.value
    assert gate.effective(Goal(limits=Limits(flash_kib=64)), chip).flash_kib == 64
    assert gate.effective(Goal(limits=Limits(flash_kib=10**6)), chip).flash_kib == chip.flash_kib.value
    assert gate.effective(Goal(), catalogue()["this-server"]).ram_kib is None


def test_the_stricter_floor_counts():
    assert gate.floor(Goal(max_drop=0.01, floor=0.95), 0.9) == 0.95
    assert gate.floor(Goal(max_drop=0.01, floor=0.5), 0.9) == pytest.approx(0.89)
    assert gate.floor(Goal(max_drop=None), 0.9) is None
    assert gate.floor_breach(0.89, 0.89) == ()
    assert gate.floor_breach(0.88, 0.89)[0].sentence == "floor by 1 points on validation"


def test_front_keeps_what_nobody_beats():
    points = [(3, 1), (1, 3), (2, 2), (3, 3), (2, 2), (1, 4)]
    assert front(points, lambda point: point) == [(3, 1), (1, 3), (2, 2), (2, 2)]
    assert front([], lambda point: point) == []


def test_the_smallest_candidate_that_likely_keeps_the_floor_is_recommended():
    rows = [candidate("a", 100, 0.91, baseline=True), candidate("b", 40, 0.905), candidate("c", 20, 0.90),
            candidate("d", 10, 0.5, fits=False)]
    assert verdict.recommend(rows, {"a", "b"}, 1000)[0].key == "b"
    assert verdict.recommend(rows, set(), 1000)[0].key == "a", "when none is likely, the best on validation"
    assert verdict.recommend(rows[3:], set(), 1000) == (None, "")


def test_nobody_is_recommended_beside_a_better_file():
    """Equal in size and slower: the one that is faster at the same size is taken, and says whom it beats."""
    slow, fast = candidate("slow", 40, 0.905, took=2.0), candidate("fast", 40, 0.905, took=1.0)
    rows = [candidate("a", 100, 0.91, baseline=True), slow, fast]
    assert verdict.recommend(rows, {"slow", "fast"}, 1000)[0].key == "fast"
    assert {key: other.key for key, other in verdict.beaten(rows).items()} == {"slow": "fast"}


def test_sentences():
    base = candidate("base", 312, 0.911, baseline=True)
    change = Change(value=-0.42, low=-0.7, high=-0.1, n=100, verdict="worse", how="")
    small = candidate("small", 38, 0.907, change=change)
    assert verdict.sentence([base, small], small, base) == "It fits. 8.2 times smaller, 0.4 points lost."
    slow = candidate("slow", 78, 0.911, change=change.model_copy(update={"value": 0.0}),
                     notes=("Slower than the original on this machine: 1.3 times.",))
    slow = slow.model_copy(update={"measurements": slow.measurements | {"speedup": number(0.76, "times")}})
    assert verdict.sentence([base, slow], slow, base).startswith("It fits, but is slower than the original on this machine: 1.3 times.")
    missed = small.model_copy(update={"floor_held_on_test": False})
    assert verdict.sentence([base, missed], missed, base).startswith("It fits, but its floor did not hold on the test split. 8.2 times")
    far = missed.model_copy(update={"change": change.model_copy(update={"value": -2.5, "low": -3.8, "high": -1.24})})
    assert verdict.sentence([base, far], far, base, -1.0, 5000) == (
        "It fits the budget, not the floor: even the upper end of the test interval, \u22121.2 points, is below the \u22121.0 allowed. "
        "8.2 times smaller, 2.5 points lost.")
    assert verdict.sentence([base, far], far, base, -2.0).startswith("It fits, but its floor did not hold on the test split."), \
        "the interval still reaches the floor"
    assert verdict.sentence([base, small], small, base, -1.0, 180) == (
        "It fits. 8.2 times smaller, 0.4 points lost. It was chosen on only 180 validation rows: others could choose otherwise.")
    broke = gate.budget_breaches({"ram_kib": number(86.0)}, Goal(limits=Limits(ram_kib=48)), None)
    large = candidate("x", 1, 0.9, fits=False, broke=broke)
    assert verdict.sentence([large], None, base) == "Nothing fits. The closest breaks RAM by 38 KiB."
    assert verdict.sentence([base], base, base) == "It fits as it is."
    figures = lambda row, kib: row.measurements | {"size_kib": base.measurements["size_kib"], "download_kib": number(kib)}
    sent = small.model_copy(update={"measurements": figures(small, 20)})
    whole = base.model_copy(update={"measurements": figures(base, 280)})
    assert verdict.sentence([whole, sent], sent, whole) == "It fits. 14.0 times less to download, 0.4 points lost."
    assert verdict.sentence([base, large], base, base) == "It fits as it is. Nothing that was tried does: the closest breaks RAM by 38 KiB."


def test_equal_files_stand_on_the_front_once():
    from optimizers.candidate import File

    file = File(role="model", name="model.onnx", path="a/model.onnx", bytes=1, sha256="0" * 64)
    rows = [candidate("a", 10, 0.9, files=(file,)), candidate("b", 10, 0.9, files=(file,))]
    assert verdict.frontier(rows) == ("a",)


def test_a_network_that_learned_nothing_is_not_praised():
    row = candidate("a", 100, 0.1, baseline=True, notes=(verdict.CHANCE + " here: look at the preprocessing.",))
    assert "chance" in verdict.sentence([row], row, row)


def test_a_network_that_was_trained_here_is_told_with_its_quality():
    row = candidate("a", 100, 0.427, baseline=True).model_copy(update={"recipe": {"steps": [{"technique": "train"}]}})
    assert verdict.sentence([row], row, row) == "It fits as it was trained here, with 42.7\u202f% top-1."
