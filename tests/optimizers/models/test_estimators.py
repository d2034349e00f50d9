"""Uploaded trees: every file answers as the library that wrote it, and its card says what is in it."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from optimizers.errors import OptimizerError
from optimizers.models import trees_onnx
from optimizers.models.audit_json import Bounds, depth, read_json
from optimizers.models.audit_ubj import read_ubj
from optimizers.models.estimator import read
from optimizers.models.load import load_model
from optimizers.models.trees import seen_through
from tests.optimizers.hostile.forge import look
from tests.optimizers.models.test_trees import ran, stump


def rows(load):
    """Rows as float32, so that libraries that compare in float64 see the very numbers that ship."""
    x, y = load(return_X_y=True, as_frame=True)
    return x.astype(np.float32).astype(np.float64), y.to_numpy()


def classifiers():
    import sklearn.ensemble as ensemble
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    return [ensemble.RandomForestClassifier(10, random_state=0), ensemble.ExtraTreesClassifier(5, random_state=0),
            DecisionTreeClassifier(random_state=0), ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0),
            ensemble.GradientBoostingClassifier(n_estimators=3, init="zero"), ensemble.HistGradientBoostingClassifier(max_iter=5),
            ensemble.AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=0),
            LogisticRegression(max_iter=2000), make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()),
            make_pipeline(RobustScaler(), StandardScaler(), ensemble.RandomForestClassifier(10, random_state=1)),
            make_pipeline(MaxAbsScaler(), ensemble.GradientBoostingClassifier(n_estimators=3))]


def regressors():
    import sklearn.ensemble as ensemble
    from sklearn.linear_model import Ridge

    return [ensemble.RandomForestRegressor(5, random_state=0), ensemble.GradientBoostingRegressor(n_estimators=5),
            ensemble.HistGradientBoostingRegressor(max_iter=5), Ridge()]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("place", range(11))
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_classifiers_by_skops(load, place, tmp_path):
    import skops.io

    x, y = rows(load)
    names = np.array(["beech", "ash", "cedar"])[y]               # label order is the alphabet's, not that of the rows
    model = classifiers()[place].fit(x, names)
    skops.io.dump(model, tmp_path / "m.skops")
    found = read(tmp_path / "m.skops", "skops")
    wanted = model.predict_proba(x)
    out = ran(found.proto, x.to_numpy(np.float32))
    assert np.abs(out - wanted[:, -out.shape[1]:]).max() < 1e-5
    assert found.classes == tuple(model.classes_) and found.columns == tuple(x.columns) and found.task == "classification"
    decided = out.argmax(axis=1) if out.shape[1] > 1 else (out[:, 0] > 0.5).astype(int)
    assert (model.classes_[decided] == model.predict(x)).all()


@pytest.mark.parametrize("place", range(4))
def test_scikit_learn_regressors_by_skops(place, tmp_path):
    import skops.io

    x, y = rows(load_diabetes)
    model = regressors()[place].fit(x, y)
    skops.io.dump(model, tmp_path / "m.skops")
    found = read(tmp_path / "m.skops", "skops")
    assert np.abs(ran(found.proto, x.to_numpy(np.float32))[:, 0] - model.predict(x)).max() < 1e-3      # of about 150
    assert found.task == "regression" and not found.classes


def test_boosters_inside_of_skops_and_their_own_files_are_the_same(tmp_path):
    import lightgbm
    import skops.io
    import xgboost

    x, y = rows(load_wine)
    for model, kind, names in ((xgboost.XGBClassifier(n_estimators=3, n_jobs=1), "xgboost", ("m.json", "m.ubj")),
                               (xgboost.XGBClassifier(n_estimators=5, booster="dart", rate_drop=0.5, n_jobs=1), "xgboost", ("m.json",)),
                               (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1), "lightgbm", ("m.txt",))):
        model.fit(x, y)
        wanted = model.predict_proba(x)
        skops.io.dump(model, tmp_path / "m.skops")
        for name in (*names, "m.skops"):
            if kind == "xgboost" and name != "m.skops":
                model.save_model(tmp_path / name)
            elif name != "m.skops":
                model.booster_.save_model(tmp_path / name)
            found = read(tmp_path / name, kind if name != "m.skops" else "skops")
            assert np.abs(ran(found.proto, x.to_numpy(np.float32)) - wanted).max() < 1e-6
            assert found.columns == tuple(x.columns)


def exported(labels, link, classes=2, features=3):
    """A classifier as skl2onnx writes it: label, then a list of dictionaries."""
    node = trees_onnx.node_of(stump(features=features), "X", "unused", "trees")
    lists = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute if attribute.name.startswith("nodes_")}
    trees = helper.make_node("TreeEnsembleClassifier", ["X"], ["label", "probabilities"], domain=trees_onnx.DOMAIN, **lists,
                             class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[0, 0], class_weights=[-1.0, 2.0],
                             classlabels_strings=labels, post_transform=link)
    zipmap = helper.make_node("ZipMap", ["probabilities"], ["output_probability"], domain=trees_onnx.DOMAIN, classlabels_strings=labels)
    scores = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    kind = helper.make_sequence_type_proto(scores)
    graph = helper.make_graph([trees, helper.make_node("Identity", ["label"], ["output_label"]), zipmap], "g",
                              [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, features])],
                              [helper.make_tensor_value_info("output_label", TensorProto.STRING, [None]),
                               helper.make_value_info("output_probability", kind)])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(trees_onnx.DOMAIN, 3)])


def test_an_exported_classifier_loses_its_labels_and_dictionaries(tmp_path):
    (tmp_path / "m.onnx").write_bytes(exported(["no", "yes"], "LOGISTIC").SerializeToString())
    network = load_model(tmp_path / "m.onnx")
    assert [node.op_type for node in network.proto.graph.node] == ["TreeEnsembleRegressor", "Sigmoid"] and network.state == "estimator"
    out = ran(network.proto, np.array([[0.5, 0, 0], [0.6, 0, 0]], np.float32))
    assert np.allclose(out.ravel(), [1 / (1 + np.e), 1 / (1 + np.exp(-2))])
    card = look(tmp_path / "m.onnx", "model")
    assert (card.family, card.task, card.classes, card.class_names) == ("estimator", "classification", 1, ("no", "yes"))
    assert (card.trees, card.nodes, card.depths, card.inputs[0].shape) == (1, 3, (0, 1), (None, 3))


def test_the_set_operator_of_newer_trees_is_refused_by_name(tmp_path):
    proto = exported(["no", "yes"], "NONE")
    proto.graph.node[0].op_type = "TreeEnsemble"
    from optimizers.models.estimator_onnx import of_onnx

    with pytest.raises(OptimizerError, match="TreeEnsemble"):
        of_onnx(proto, "m.onnx")


def test_a_threshold_behind_a_scaler_by_hand():
    """(x - 10) / 4 <= 0.5 is x <= 12; the next float32 goes right."""
    trees = seen_through(stump(), [(np.array([10.0]), np.array([4.0]))])
    assert trees.threshold[0] >= 12
    for x in (11.9, 12.0, float(trees.threshold[0]), float(np.nextafter(trees.threshold[0], np.float32(99)))):
        assert trees.raw(np.array([[x]], np.float32))[0, 0] == (11 if np.float32((np.float32(x).astype(float) - 10) / 4) <= 0.5 else 12)


def test_training_that_stopped_early_is_told(tmp_path):
    import xgboost

    x, y = rows(load_wine)
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(x, y)
    model.get_booster().set_attr(best_iteration="1")
    model.save_model(tmp_path / "m.json")
    assert "iteration 1 as its best" in read(tmp_path / "m.json", "xgboost").notes[0]
    assert any("best" in problem.wrong for problem in look(tmp_path / "m.json", "model").problems)


def test_bounded_json():
    assert read_json(b'{"a": [1, "[[["]}', "x", "y") == {"a": [1, "[[["]} and depth(b'{"a": [1, "[[["]}') == 2 and depth(b'["\\"[') == 1
    for raw, code in ((b"[[[]]]", "too-deep"), (b'{"a":1,"a":2}', "duplicate-key"), (b"[1,2,3,4]", "too-many-values"),
                      (b"[" + b" " * 99, "too-large")):
        with pytest.raises(OptimizerError) as caught:
            read_json(raw, "x", "y", Bounds(depth=2, size=50, values=2))
        assert caught.value.refusal.code == code


def test_ubj_by_hand():
    """{"a": [int16 258, int16 -1], "b": "é", "c": [true, null, 0.5], "d": {}}"""
    raw = (b"{U\x01a[$I#U\x02\x01\x02\xff\xffU\x01bSU\x02\xc3\xa9U\x01c[TZd\x3f\x00\x00\x00]U\x01d{}}")
    found = read_ubj(raw, "x", "y")
    assert found["a"].tolist() == [258, -1] and {name: found[name] for name in "bcd"} == {"b": "é", "c": [True, None, 0.5], "d": {}}
    import xgboost

    x, y = rows(load_wine)
    booster = xgboost.XGBClassifier(n_estimators=1, n_jobs=1).fit(x, y).get_booster()
    assert read_ubj(bytes(booster.save_raw("ubj")), "x", "y").keys() == json.loads(booster.save_raw("json")).keys()


def test_one_list_of_endings():
    from optimizers.models.audit import ENDINGS
    from webapp.library.names import TAKEN

    assert set(TAKEN["model"]) == set(ENDINGS)
    script = Path("static/js/upload.js").read_text()
    assert all(f'"{ending}"' in script for ending in ENDINGS)
