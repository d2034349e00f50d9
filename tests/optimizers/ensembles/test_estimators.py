"""Every way to fit an estimator: the shipped graph answers as the library did, and each does what its name says."""

import numpy as np
import pytest
from sklearn import datasets

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.ensembles.adaboost import AdaBoosting
from optimizers.ensembles.bag import Bagging
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.forest import Forest
from optimizers.ensembles.problem import loss, resampled
from optimizers.ensembles.rows import problem_of, rows_of
from optimizers.ensembles.selection import Selection, chosen
from optimizers.ensembles.stack import Stacking, folded
from optimizers.ensembles.vote import Voting
from optimizers.errors import OptimizerError
from optimizers.measure.yardstick import shipped
from optimizers.models import trees_onnx
from optimizers.recipe import Recipe

SETS = {"two classes": (datasets.load_breast_cancer, True), "three classes": (datasets.load_wine, True),
        "amounts": (datasets.load_diabetes, False)}
FEW = ("lightgbm", "tree", "linear", "neighbours", "small-network")
WAYS = [BaseModel(), BaseModel(kind="linear"), BaseModel(kind="neighbours"), BaseModel(kind="small-network"), Boosting(rounds=20),
        Boosting(library="xgboost", rounds=20), Boosting(library="histogram", rounds=20), AdaBoosting(trees=10), Forest(trees=10),
        Forest(kind="extra", trees=10), Bagging(members=4), Bagging(kind="small-network", members=2), Voting(members=FEW),
        Selection(members=FEW, steps=10), Stacking(members=("tree", "linear"), parts=3),
        Stacking(members=("tree", "linear"), layers=2, parts=3)]


def table(name):
    load, classes = SETS[name]
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    cut = [Split(x[part].astype(np.float32), y[part].astype(np.int64 if classes else np.float32))
           for part in np.split(order, [int(0.6 * len(x)), int(0.8 * len(x))])]
    return Dataset(*cut, kind="table", task="classification" if classes else "regression",
                   classes=tuple(f"class {label}" for label in np.unique(y)) if classes else ())


@pytest.mark.parametrize("data", SETS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.label()}, {getattr(way, 'layers', 1)}")
def test_the_file_answers_as_the_library_did(way, data, tmp_path):
    rows = table(data)
    if isinstance(way, AdaBoosting) and rows.task == "regression":
        assert way.refuse(None, Card.of(rows), catalogue()["this-server"]).code == "only-classes"
        return
    ctx = Context(tmp_path, seed=3)
    network = way.apply(None, rows, ctx)
    problem = problem_of(rows, ctx)
    x, y, held, _ = rows_of(rows, problem, ctx)
    wanted = way.fitted(x, y, held, problem, ctx).scores(rows.test.x)
    found = shipped(network).predict(rows.test.x)
    assert found.shape == (len(rows.test), problem.outputs) == wanted.shape
    assert np.abs(found - wanted).max() <= 2e-5 * max(1, np.abs(wanted).max())
    if problem.classes:
        assert found.min() >= 0 and found.max() <= 1 + 1e-5
        right = (found.argmax(axis=1) if problem.classes > 2 else found[:, 0] > 0.5) == rows.test.y
        assert right.mean() > 0.8
    else:
        worst = -0.6 if isinstance(way, BaseModel) and way.kind == "tree" else 0.1
        assert 1 - ((found[:, 0] - rows.test.y) ** 2).mean() / rows.test.y.var() > worst


class Card:
    @staticmethod
    def of(data):
        from optimizers.cards import DatasetCard

        return DatasetCard(kind="table", title="", rows=100, splits={"train": 60, "validation": 20, "test": 20}, task=data.task,
                           classes=data.classes, row_shape=data.row_shape)


def test_boosting_stops_where_validation_does(tmp_path):
    data = table("amounts")
    network = Boosting(rounds=500, rate=0.3, patience=5).apply(None, data, Context(tmp_path))
    trees = trees_onnx.trees_of(network.proto.graph.node[0], 10)
    assert len(trees.roots) < 100
    more = Boosting(rounds=500, rate=0.3, patience=0).apply(None, data, Context(tmp_path))
    assert len(trees_onnx.trees_of(more.proto.graph.node[0], 10).roots) == 500


def test_adaboost_of_a_perfect_tree_is_made_shallower(tmp_path):
    network = AdaBoosting(trees=10, depth=16).apply(None, table("two classes"), Context(tmp_path))
    assert len(trees_onnx.trees_of(network.proto.graph.node[0], 30).roots) == 10
    assert any("at most" in note for note in network.notes)


def test_adaboost_votes_become_probabilities(tmp_path):
    data = table("two classes")
    ctx = Context(tmp_path)
    network = AdaBoosting(trees=30, depth=2).apply(None, data, ctx)
    held = shipped(network).predict(data.validation.x)
    blunt = 1 / (1 + (1 / np.clip(held, 1e-6, 1 - 1e-6) - 1) ** 0.25)           # a quarter of the log odds
    assert loss(held, data.validation.y, 2) < loss(blunt, data.validation.y, 2)


def test_a_member_is_fitted_once_in_a_run(tmp_path):
    data, ctx = table("two classes"), Context(tmp_path)
    Boosting().apply(None, data, ctx)
    kept = len(ctx.memory)
    Voting(members=("lightgbm",)).apply(None, data, ctx)
    assert len(ctx.memory) == kept + 1           # the vote itself, and no second LightGBM


def test_greedy_selection_by_hand():
    y = np.array([0, 1])
    good, bad = np.array([[0.1], [0.9]], np.float32), np.array([[0.9], [0.1]], np.float32)
    left, right = np.array([[0.1], [0.4]], np.float32), np.array([[0.6], [0.9]], np.float32)
    assert chosen([bad, good], y, 2, 5).tolist() == [0, 1], "the best alone, where nothing helps it"
    assert chosen([left, right], y, 2, 2).tolist() == [1, 1], "two that err apart"


def test_loss_by_hand():
    assert loss(np.array([[0.5], [0.5]]), np.array([0, 1]), 2) == pytest.approx(np.log(2))
    assert loss(np.array([[0.2, 0.3, 0.5]]), np.array([1]), 3) == pytest.approx(-np.log(0.3))
    assert loss(np.array([[1.0], [3.0]]), np.array([2.0, 2.0]), 0) == 1.0


def test_no_class_is_lost_in_resampling_or_folds():
    y = np.array([0] * 50 + [1] * 3)
    for seed in range(20):
        assert set(y[resampled(y, 2, 53, seed)]) == {0, 1}
    parts = folded(y, 2, 5, 0)
    assert (parts[y == 1] == -1).all(), "fewer rows than folds: always learned from"
    assert sorted(np.bincount(parts[y == 0])) == [10] * 5


def test_out_of_fold_answers_come_from_others(tmp_path):
    """Labels are noise: a tree that had seen a row would answer it right, one that had not is right half of the time."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)).astype(np.float32), rng.integers(0, 2, 300)
    data = Dataset(Split(x, y), Split(x[:0], y[:0]), Split(x[:9], y[:9]), "table", "classification", ("a", "b"))
    ctx, way = Context(tmp_path), Stacking(members=("tree",), parts=5)
    problem = problem_of(data, ctx)
    answers = way.out_of_fold(["tree"], x, y, (x[:0], y[:0]), folded(y, 2, 5, 0), problem, ctx)
    assert 0.35 < ((answers[:, 0] > 0.5) == y).mean() < 0.65


def test_a_class_that_train_lacks_is_named(tmp_path):
    data = table("three classes")
    only = Split(data.train.x[data.train.y < 2], data.train.y[data.train.y < 2])
    with pytest.raises(OptimizerError, match="'class 2'"):
        Forest().apply(None, Dataset(only, data.validation, data.test, "table", "classification", data.classes), Context(tmp_path))


def test_networks_are_refused_estimators_and_the_other_way_round():
    said = Recipe.load({"steps": [{"technique": "boost"}, {"technique": "quantize-static"}]}).refuse(None, Card.of(table("amounts")), None)
    assert said.code == "recipe-order" and "no layers" in said.wrong


def test_wide_rows_are_refused_before_any_work():
    card = Card.of(table("amounts")).model_copy(update={"row_shape": (3, 200, 200)})
    assert Boosting().refuse(None, card, catalogue()["this-server"]).code == "too-wide"


@pytest.mark.parametrize("way", [AdaBoosting(trees=5000, depth=2), Boosting(rounds=10_000, patience=0),
                                 Boosting(library="xgboost", rounds=10_000, patience=0)], ids=lambda way: way.label())
def test_it_ends_when_time_is_up(way, tmp_path):
    """A clock that moves a second at each look: trees are grown for the share of the time left that one training may take, and kept."""
    ticks = iter(range(100_000))
    ctx = Context(tmp_path, clock=lambda: next(ticks), deadline=200)
    trees = trees_onnx.trees_of(way.apply(None, table("two classes"), ctx).proto.graph.node[0], 30)
    assert 20 < len(trees.roots) < 400
