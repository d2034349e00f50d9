"""What explains a candidate of a table: columns put together again, what matters, how scores fall, figures of ranking and honesty."""

from types import SimpleNamespace

import numpy as np
import pytest

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.forest import Forest
from optimizers.ensembles.vote import Voting
from optimizers.goal import Goal
from optimizers.measure import dependence, importance, probabilities
from optimizers.measure.columns import Column, columns_of
from optimizers.measure.yardstick import Yardstick, shipped


def table(classes: int = 2, rows: int = 1200) -> Dataset:
    """The answer is told by "size" and, less, by the colour; "noise" says nothing."""
    rng = np.random.default_rng(3)
    size, noise, colour = rng.normal(size=rows), rng.normal(size=rows), rng.integers(0, 3, rows)
    x = np.column_stack([size, noise, np.eye(3)[colour]]).astype(np.float32)
    level = 2 * size + 0.7 * (colour == 2)
    y = level.astype(np.float32) if not classes else np.digitize(level, [-1, 1][:classes - 1]).astype(np.int64)
    parts = [Split(x[part::3], y[part::3]) for part in range(3)]
    return Dataset(*parts, "table", "classification" if classes else "regression", ("low", "middle", "high")[:classes],
                   ("size", "noise", "colour=blue", "colour=green", "colour=red=ish"))


def measured(data: Dataset, technique, tmp_path, seconds: float = 3.0):
    network = technique.apply(None, data, Context(tmp_path))
    yardstick = Yardstick(data, catalogue()["this-server"], Goal(metric="top1" if data.classes else "r2"), explain_seconds=seconds)
    return yardstick.measure(shipped(network))


def test_features_of_a_category_are_one_column():
    data = table()
    assert columns_of(data.features, data.validation.x) == (
        Column("size", (0,)), Column("noise", (1,)), Column("colour", (2, 3, 4), ("blue", "green", "red=ish")))


def test_numbers_with_an_equals_sign_stay_numbers():
    x = np.array([[0.5, 2.0], [1.5, 1.0]])
    assert columns_of(("a=b", "a=c"), x) == (Column("a=b", (0,)), Column("a=c", (1,)))
    assert columns_of((), x) == (Column("input 1", (0,)), Column("input 2", (1,)))


def test_a_candidate_of_a_table_says_what_matters(tmp_path):
    figures = measured(table(), Boosting(rounds=30), tmp_path)
    first, second, last = figures.importance
    assert (first.column, second.column, last.column) == ("size", "colour", "noise")
    assert first.low > second.high and first.loss > 20 and abs(last.loss) < 2 and last.low <= last.loss <= last.high
    curves = {row.column: row for row in figures.dependence}
    assert len(curves["size"].at) == dependence.POINTS and curves["size"].answer == "class middle"
    assert curves["size"].mean[0] < 0.1 and curves["size"].mean[-1] > 0.7
    colours = dict(zip(curves["colour"].at, curves["colour"].mean, strict=True))
    assert colours["red=ish"] > max(colours["blue"], colours["green"]) + 0.05


def test_scores_hold_every_test_row_and_the_figures_that_follow(tmp_path):
    data = table()
    figures = measured(data, BaseModel(kind="linear"), tmp_path)
    only, = figures.scores
    assert only.name == "middle" and len(only.of_it) == len(only.of_others) == 200
    assert sum(only.of_it) == (data.test.y == 1).sum() and sum(only.of_others) == (data.test.y == 0).sum()
    hits = sum(only.of_it[100:]) + sum(only.of_others[:100])
    assert hits / len(data.test) == pytest.approx(figures.measurements["top1"].value, abs=0.01)
    auc = figures.measurements["auc"]
    assert 0.9 < auc.low < auc.value < auc.high <= 1 and {"brier", "log_loss", "latency_b1000_ms"} <= set(figures.measurements)


def test_three_classes_have_a_score_each(tmp_path):
    figures = measured(table(3), Forest(trees=10), tmp_path)
    assert [row.name for row in figures.scores] == ["low", "middle", "high"]
    assert {row.answer for row in figures.dependence} == {"class low", "class middle", "class high"}
    assert figures.measurements["trees"].value == 10 and figures.measurements["tree_depth"].value > 3


def test_amounts_have_residuals(tmp_path):
    data = table(0)
    figures = measured(data, Boosting(rounds=60), tmp_path)
    truth, answer = np.array(figures.residuals).T
    assert len(truth) == 400 and np.corrcoef(truth, answer)[0, 1] > 0.95
    assert not figures.scores and "auc" not in figures.measurements
    assert figures.importance[0].column == "size" and figures.dependence[0].answer == ""


def test_trees_are_counted_through_a_vote(tmp_path):
    figures = measured(table(), Voting(members=("tree", "lightgbm", "linear")), tmp_path)
    assert figures.measurements["trees"].value > 1
    nodes = figures.measurements["tree_nodes"].value
    assert nodes > 2 * figures.measurements["trees"].value and figures.measurements["tree_depth"].unit == "levels"


def test_too_little_time_is_said():
    slow = SimpleNamespace(now=0.0)

    def predict(rows):
        import time
        slow.now += 1
        time.sleep(0.02)
        return rows[:, :1]

    data = table(0)
    told, notes = importance.importance(predict, columns_of(data.features, data.validation.x), data, "r2", 0.001)
    assert told == () and "too short" in notes[0] and slow.now == 1


def test_probabilities_of_every_kind_of_output():
    assert probabilities.probabilities(np.array([[2.0], [-2.0]]))[0, 1] == pytest.approx(1 / (1 + np.exp(-2)))
    logits = probabilities.probabilities(np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert logits[1].tolist() == [0.5, 0.5] and logits[0, 1] == pytest.approx(1 / (1 + np.exp(-2)))


def test_auc_agrees_with_scikit_learn_and_ties_count_half():
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    second = np.clip(np.round(0.3 * y + rng.random(300) * 0.7, 2), 0.01, 0.99)
    p = np.column_stack([1 - second, second])
    value, low, high = probabilities.auc(p, y)
    assert value == pytest.approx(roc_auc_score(y, second)) and low < value < high
    assert probabilities.auc(np.full((4, 2), 0.5), np.array([0, 1, 0, 1]))[0] == 0.5
    assert probabilities.auc(p, np.zeros(300, int)) is None
    told = probabilities.measurements(p, y, "here")
    assert told["brier"].value == pytest.approx(2 * brier_score_loss(y, second)) and told["log_loss"].value == pytest.approx(log_loss(y, p))


def test_the_interval_of_auc_holds_the_truth_about_as_often_as_it_says():
    """Normal scores one deviation apart: the true area is Phi(1 / sqrt 2) = 0.760."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        y = np.repeat([0, 1], 40)
        second = 1 / (1 + np.exp(-(rng.normal(size=80) + y)))
        _, low, high = probabilities.auc(np.column_stack([1 - second, second]), y)
        inside += low <= 0.760 <= high
    assert 0.90 <= inside / 200 <= 0.98
