"""Top-1, macro F1 and R² by hand and against scikit-learn; changes are paired."""

import numpy as np
import pytest
from sklearn import metrics

from optimizers.errors import OptimizerError
from optimizers.measure import quality


def test_scores_worked_by_hand():
    y, answers = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert quality.score("top1", y, answers) == pytest.approx(3 / 5)
    # class 0: 2*1/(2+2) = 0.5, class 1: 2*2/(2+3) = 0.8, class 2: never answered = 0
    assert quality.score("macro_f1", y, answers) == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert quality.score("r2", np.array([1.0, 2, 3]), np.array([1.0, 2, 4])) == pytest.approx(1 - 1 / 2)


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y, answers = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    assert quality.score("macro_f1", y, answers) == pytest.approx(metrics.f1_score(y, answers, average="macro"))
    truth = rng.normal(3, 2, 200)
    guess = truth + rng.normal(0, 1, 200)
    assert quality.score("r2", truth, guess) == pytest.approx(metrics.r2_score(truth, guess))


def test_every_metric_of_the_task_has_an_interval_around_it():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 500)
    answers = np.where(rng.random(500) < 0.8, y, (y + 1) % 3)
    found = quality.quality(y, answers, "classification", "on 500 rows")
    assert set(found) == {"top1", "macro_f1"}
    for value in found.values():
        assert value.low < value.value < value.high and value.n == 500 and value.origin == "measured"
    assert found["top1"].high - found["top1"].low == pytest.approx(4 * np.sqrt(0.8 * 0.2 / 500), rel=0.15)


def test_change_is_in_points_and_paired():
    y = np.zeros(1000, np.int64)
    before, after = y.copy(), y.copy()
    after[:20] = 1
    change = quality.change("top1", y, before, after)
    assert change.value == pytest.approx(-2.0) and change.verdict == "worse"
    assert change.low == pytest.approx(-2.9, abs=0.35) and change.high == pytest.approx(-1.2, abs=0.35)
    same = quality.change("top1", y, before, before)
    assert (same.value, same.low, same.high, same.verdict) == (0, 0, 0, "not distinguishable")


def test_r2_change_resamples_rows():
    rng = np.random.default_rng(2)
    y = rng.normal(size=300)
    change = quality.change("r2", y, y + 0.1 * rng.normal(size=300), y + 0.5 * rng.normal(size=300))
    assert change.verdict == "worse" and change.low < change.value < change.high < 0


def test_classes_and_confusion():
    y, before, after = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]), np.array([0, 1, 0, 1])
    rows = quality.class_rows(y, before, after, ["a", "b", "never"])
    assert [(row.name, row.n, row.before, row.after) for row in rows] == [("a", 3, 1.0, pytest.approx(2 / 3)), ("b", 1, 1.0, 1.0)]
    assert rows[0].low <= -100 / 3 <= rows[0].high
    assert quality.confusion(y, after, 3) == ((2, 1, 0), (0, 1, 0), (0, 0, 0))


def test_one_score_means_two_classes():
    assert quality.decide(np.array([[0.2], [0.8]]), "classification").tolist() == [0, 1]
    assert quality.decide(np.array([[-3.0], [0.4]]), "classification").tolist() == [0, 1]      # logits: the border is 0


def test_outputs_that_are_no_numbers_are_refused():
    with pytest.raises(OptimizerError) as error:
        quality.decide(np.array([[0.1, np.nan], [0.2, 0.3]]), "classification")
    assert error.value.refusal.wrong == "1 of 2 outputs are not finite numbers."
