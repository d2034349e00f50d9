"""Trees of five libraries in one form: the same answers as the library, in numpy and in ONNX Runtime, and back from ONNX."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from optimizers.errors import OptimizerError
from optimizers.models import trees_lightgbm, trees_onnx, trees_sklearn, trees_xgboost
from optimizers.models.trees import LEAF, Trees, below, checked, floor32

SETS = {"two classes": (load_breast_cancer, 2), "three classes": (load_wine, 3), "amounts": (load_diabetes, 0)}


def forest(x, y, classes):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    model = (RandomForestClassifier if classes else RandomForestRegressor)(5, random_state=0).fit(x, y)
    return trees_sklearn.averaged(model.estimators_, classes, x.shape[1]), model


def histogram(x, y, classes):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(max_iter=8, min_samples_leaf=5).fit(x, y)
    return trees_sklearn.histogram(model, classes, x.shape[1]), model


def adaboost(x, y, classes):
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.tree import DecisionTreeClassifier

    model = AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=6, random_state=0).fit(x, y)
    return trees_sklearn.adaboost(model, classes, x.shape[1]), model


def lightgbm(x, y, classes):
    import lightgbm

    model = (lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor)(n_estimators=8, verbose=-1, n_jobs=1).fit(x, y)
    return trees_lightgbm.read(model.booster_.model_to_string()), model


def xgboost(x, y, classes):
    import xgboost

    model = (xgboost.XGBClassifier if classes else xgboost.XGBRegressor)(n_estimators=8, n_jobs=1).fit(x, y)
    return trees_xgboost.read(json.loads(model.get_booster().save_raw("json"))), model


@pytest.mark.parametrize(("made", "data"), [(made, data) for made in (forest, histogram, adaboost, lightgbm, xgboost) for data in SETS
                                        if (made, data) != (adaboost, "amounts")])     # AdaBoost.R2: a weighted median, no sum
def test_the_same_answers_as_the_library(made, data):
    load, classes = SETS[data]
    x, y = load(return_X_y=True)
    x = x.astype(np.float32)
    trees, model = made(x, y, classes)
    wanted = model.predict_proba(x) if classes else model.predict(x)[:, None]
    wanted = wanted[:, 1:] if classes == 2 else wanted
    scale = np.abs(wanted).max()
    assert np.abs(trees.predict(x) - wanted).max() <= 1e-6 * scale
    proto = trees_onnx.graph_of(trees)
    assert np.abs(ran(proto, x) - wanted).max() <= 1e-6 * scale
    again = trees_onnx.trees_of(proto.graph.node[0], x.shape[1])
    assert np.array_equal(again.raw(x), trees.raw(x))


def ran(proto, x):
    import onnxruntime

    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]


def stump(**changes):
    """x[0] <= 0.5 gives 1, else 2; NaN goes right."""
    given = dict(feature=np.array([0, LEAF, LEAF], np.int32), threshold=np.array([0.5, 0, 0], np.float32),
                 left=np.array([1, 0, 0], np.int32), right=np.array([2, 0, 0], np.int32), missing_left=np.zeros(3, bool),
                 leaf=np.array([0, 0, 1], np.int32),
                 values=np.array([[1], [2]], np.float32), roots=np.zeros(1, np.int32), base=np.array([10], np.float32), features=1)
    return Trees(**given | changes)


def test_a_stump_by_hand():
    rows = np.array([[0.5], [0.51], [np.nan]], np.float32)
    assert stump().raw(rows).ravel().tolist() == [11, 12, 12]
    assert ran(trees_onnx.graph_of(stump()), rows).ravel().tolist() == [11, 12, 12]
    assert stump(missing_left=np.array([True, False, False])).raw(rows)[2, 0] == 11
    assert stump().depths.tolist() == [1]


def test_a_double_threshold_decides_the_same_in_float32():
    t = 0.1                                     # lies between two float32s
    for x in np.array([0.1, np.nextafter(np.float32(0.1), np.float32(0)), 0.2], np.float32):
        assert (np.float64(x) <= t) == (x <= floor32(np.array([t]))[0])
    assert not np.float32(1.5) <= below(np.array([1.5]))[0] and np.float32(1.4) <= below(np.array([1.5]))[0]


@pytest.mark.parametrize(("changes", "said"), [
    ({"right": np.array([7, 0, 0], np.int32)}, "7"),
    ({"left": np.array([0, 0, 0], np.int32)}, "two parents"),       # a circle
    ({"feature": np.array([3, LEAF, LEAF], np.int32)}, "feature 3"),
    ({"leaf": np.array([0, 0, 9], np.int32)}, "value 9"),
    ({"values": np.array([[1], [np.inf]], np.float32)}, "finite"),
    ({"roots": np.zeros(0, np.int32)}, "no tree"),
])
def test_what_is_no_tree_is_refused(changes, said):
    with pytest.raises(OptimizerError, match=said):
        checked(stump(**changes))


def test_fewer_trees_are_the_first_ones():
    x, y = load_wine(return_X_y=True)
    trees, model = xgboost(x.astype(np.float32), y, 3)
    first = trees.first(6)                      # two rounds of three classes
    import xgboost as library

    wanted = model.get_booster().predict(library.DMatrix(x), iteration_range=(0, 2))
    assert np.abs(first.predict(x) - wanted).max() < 1e-6
    assert first.nodes < trees.nodes and len(first.roots) == 6


def test_files_that_lie_are_refused_with_the_tree_named():
    import lightgbm

    x, y = load_wine(return_X_y=True)
    text = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(x, y).booster_.model_to_string()
    for before, after, said in (("left_child=", "left_child=99 ", "tree 0"), ("objective=multiclass", "objective=poisson", "poisson"),
                                ("max_feature_idx=12", "max_feature_idx=0", "feature"), ("num_leaves=", "num_leaves=9", "lengths")):
        with pytest.raises(OptimizerError, match=said):
            trees_lightgbm.read(text.replace(before, after))
    for table in ({}, {"learner": {}}, [], {"learner": {"gradient_booster": {"name": "gblinear"}}}):
        with pytest.raises(OptimizerError):
            trees_xgboost.read(table)
