"""Trees of a stranger: files that crash their own libraries end here in a sentence, soon, and within memory."""

import contextlib
import functools
import io
import json
import pickle
import re
import struct
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizers.errors import OptimizerError
from tests.optimizers.hostile.forge import look
from tests.optimizers.hostile.test_any_damage import QUICK, damage


@functools.cache
def sound(name: str) -> bytes:
    """A small model of each kind, by its library."""
    import lightgbm
    import skops.io
    import xgboost
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_wine(return_X_y=True, as_frame=True)
    if name in ("model.json", "model.ubj"):
        model = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(x, y)
        return bytes(model.get_booster().save_raw(name[6:]))
    if name == "model.txt":
        return lightgbm.LGBMClassifier(n_estimators=2, max_depth=2, verbose=-1, n_jobs=1).fit(x, y).booster_.model_to_string().encode()
    if name == "model.skops":
        return skops.io.dumps(RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y))
    from optimizers.models.estimator_boosted import of_lightgbm

    return of_lightgbm(sound("model.txt").decode(), "").proto.SerializeToString()


NAMES = ("model.json", "model.ubj", "model.txt", "model.skops", "model.onnx")


def refused(name: str, raw: bytes, seconds: float = 5) -> OptimizerError:
    """What the whole of an inspection says; it must come soon."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        start = time.process_time()
        with pytest.raises(OptimizerError) as caught:
            look(path, "model")
        assert time.process_time() - start < seconds
        assert caught.value.refusal.mend
        return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_sound_files_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(sound(name))
    card = look(tmp_path / name, "model")
    assert (card.family, card.task, card.classes, card.inputs[0].shape) == ("estimator", "classification", 3, (None, 13))
    assert card.trees == (2 if name == "model.skops" else 6) and sum(card.depths) == card.trees


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(data=st.data())
def test_damage_ends_in_a_card_or_a_refusal(name: str, data: st.DataObject) -> None:
    raw = data.draw(damage(sound(name)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.suppress(OptimizerError):
        warnings.simplefilter("ignore")
        (Path(folder) / name).write_bytes(raw)
        look(Path(folder) / name, "model")


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The XGBoost file, one thing other. change: of the first tree."""
    table = json.loads(sound("model.json"))
    change(table["learner"]["gradient_booster"]["model"]["trees"][0])
    return json.dumps(table).encode()


def test_a_list_of_an_xgboost_tree_that_lies_is_named() -> None:
    def put(name: str, place: int, value: object) -> Callable[[dict[str, Any]], object]:
        return lambda tree: tree[name].__setitem__(place, value)

    cases = [(put("left_children", 0, 0), "two parents"), (put("left_children", 1, 0), "parents"),
             (put("right_children", 0, 10**6), "leads to"),
             (put("split_indices", 0, 13), "feature 13"), (put("split_indices", 0, -5), "feature -5"),
             (put("split_conditions", 0, float("nan")), "finite"), (put("split_conditions", -1, float("inf")), "finite"),
             (put("left_children", 0, "x"), "no number"), (put("left_children", 0, [[1]]), "no number|lengths"),
             (put("left_children", 0, 2**70), "no number"), (lambda tree: tree["left_children"].pop(), "different lengths"),
             (lambda tree: tree.update(left_children={}), "lacks|lengths|no number"),
             (put("split_type", 0, 1), "sets of categories")]
    for change, said in cases:
        error = refused("model.json", changed(change))
        assert re.search(said, str(error)), (said, str(error))


def test_what_xgboost_says_of_itself_is_held_against_its_trees() -> None:
    raw = sound("model.json").decode()
    for before, after, code in (('"num_class":"3"', '"num_class":"10000000"', "bad-trees"),
                                ('"num_feature":"13"', '"num_feature":"2"', "bad-trees"),
                                ('"gbtree"', '"gblinear"', "tree-booster"), ('"multi:softprob"', '"survival:cox"', "tree-objective"),
                                ('"num_class":"3"', '"num_class":"x"', "bad-trees"), ('"learner":', '"learned":', "not-xgboost")):
        assert before in raw
        assert refused("model.json", raw.replace(before, after).encode()).refusal.code == code


@pytest.mark.parametrize(("raw", "code"), [
    (b'{"learner":' * 100_000, "too-deep"), (b'{"learner":' + b"[" * 5_000_000, "too-many-values"),
    (b'{"learner":[' + b"0," * 21_000_000 + b"0]}", "too-many-values"), (b'{"learner":{},"learner":{}}', "duplicate-key"),
    (b'{"learner":{"a":1', "bad-json"), (b'{"learner":"' + b'\\"' * 1_000_000, "bad-json"), (b'{"learner":\xff}', "bad-json"),
    (b'{"learner":' + b"9" * 10_000 + b"}", "bad-json"), (b'{"learner":[]}', "not-xgboost"), (b'{"learner":{}}', "bad-trees"),
    (b'{"weights":{}}', "not-xgboost"),
])
def test_json_that_would_choke_a_parser(raw: bytes, code: str) -> None:
    assert refused("model.json", raw).refusal.code == code


def length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


LEARNER = b"{" + length(7) + b"learner"


@pytest.mark.parametrize(("raw", "code"), [
    (LEARNER + b"[$d#" + length(1 << 60), "truncated"), (LEARNER + b"[#" + length(1 << 60), "truncated"),
    (LEARNER + b"[$Z#" + length(9) + b"xxxxxxxxxx}", "bad-ubj"),           # a list without bytes of its own is a bomb
    (LEARNER + b"S" + length(-1), "truncated"), (LEARNER + b"[" * 3_000_000, "too-deep"),
    (LEARNER + (b"{" + length(1) + b"a") * 50_000, "too-deep"),
    (LEARNER + b"{}" + length(7) + b"learner{}}", "duplicate-key"), (LEARNER + b"{}}trailing", "bad-ubj"), (LEARNER + b"H", "bad-ubj"),
    (LEARNER + b"S" + length(1) + b"\xff}", "bad-ubj"), (LEARNER + b"[" + b"T" * 3_000_000, "too-deep"), (LEARNER, "truncated"),
    (LEARNER + b"{}}", "bad-trees"),
])
def test_ubj_whose_lengths_lie(raw: bytes, code: str) -> None:
    assert refused("model.ubj", raw).refusal.code == code


def test_lightgbm_text_that_lies() -> None:
    text = sound("model.txt").decode()
    line = lambda name: next(row for row in text.splitlines() if row.startswith(name + "="))
    cases = [(line("left_child"), "left_child=0 0 0", "parents"), (line("left_child"), "left_child=99 1 2", "leads to|lengths"),
             (line("num_leaves"), "num_leaves=99999999999", "lengths|at most"), (line("num_leaves"), "num_leaves=-4", "lengths"),
             (line("threshold"), "threshold=nan nan nan", "finite"), (line("leaf_value"), "leaf_value=inf 0 0 0", "finite"),
             (line("split_feature"), "split_feature=13 13 13", "feature 13"),
             (line("split_feature"), "split_feature=-1 0 0", "no tree|parents|leaf|feature"),
             (line("split_feature"), "split_feature=99999999999999999999 0 0", "no number"),
             (line("decision_type"), "decision_type=1 1 1", "categories"),
             ("num_class=3", "num_class=3\x00", "."), ("num_tree_per_iteration=3", "num_tree_per_iteration=9999999", "range"),
             ("max_feature_idx=12", "max_feature_idx=12e9", "no number"),
             ("objective=multiclass num_class:3", "objective=poisson", "poisson"),
             ("is_linear=0", "is_linear=1", "linear"), ("end of trees", "", "cut off")]
    for before, after, said in cases:
        assert before in text
        assert re.search(said, str(refused("model.txt", text.replace(before, after, 1).encode()))), (before, after)
    assert refused("model.txt", text.encode().replace(b"version=v4", b"version=v4\na=\xff")).refusal.code == "damaged"
    assert refused("model.txt", b"once upon a time").refusal.code == "not-lightgbm"


def packed(change: Callable[[dict[str, Any]], object] = lambda schema: None, extra: dict[str, bytes] | None = None,
           member: Callable[[str, bytes], bytes] = lambda name, raw: raw) -> bytes:
    """The skops file with its schema or its members changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound("model.skops"))) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            raw = source.read(name)
            if name == "schema.json":
                schema = json.loads(raw)
                change(schema)
                raw = json.dumps(schema).encode()
            target.writestr(name, member(name, raw))
        for name, raw in (extra or {}).items():
            target.writestr(name, raw)
    return out.getvalue()


def attribute(name: str, node: Any) -> Callable[[dict[str, Any]], object]:
    return lambda schema: schema["content"]["content"].__setitem__(name, node)


def said_json(value: object) -> dict[str, Any]:
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value), "is_json": True}


def stored(file: object) -> dict[str, Any]:
    return {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": file}


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("opened",)


def test_types_in_a_skops_file_that_are_not_read_are_named() -> None:
    odd = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": "x"}
    assert "os.system" in str(refused("model.skops", packed(attribute("monotonic_cst", odd))))
    eval_ = {"__class__": "eval", "__module__": "builtins", "__loader__": "ObjectNode", "content": {}}
    assert "builtins.eval" in str(refused("model.skops", packed(attribute("monotonic_cst", eval_))))
    log = {"__class__": "log", "__module__": "numpy", "__loader__": "FunctionNode", "content": "x"}
    assert "numpy.log" in str(refused("model.skops", packed(attribute("monotonic_cst", log))))
    svc = lambda schema: schema.update(__class__="SVC", __module__="sklearn.svm._classes")
    error = refused("model.skops", packed(svc))
    assert error.refusal.code == "unread-type" and "sklearn.svm._classes.SVC" in str(error)
    assert "RandomForestClassifier" in error.refusal.mend


@pytest.mark.parametrize(("change", "code"), [
    (lambda schema: schema.update(__class__=7), "bad-schema"), (lambda schema: schema.update(__loader__="JsonNode"), "bad-skops"),
    (lambda schema: schema.update(content=[]), "bad-skops"), (lambda schema: schema.update(content={"content": {}}), "bad-skops"),
    (lambda schema: schema.clear(), "bad-schema"), (attribute("estimators_", said_json(3)), "bad-skops"),
    (attribute("n_features_in_", said_json("x")), "bad-skops"), (attribute("n_features_in_", said_json(10**12)), "bad-trees"),
    (attribute("n_features_in_", said_json(1)), "bad-trees"), (attribute("classes_", said_json(None)), "bad-trees"),
    (attribute("n_outputs_", said_json(2)), "several-targets"),
    (attribute("classes_", stored("../x.npy")), "no-member"), (attribute("classes_", stored(["x"])), "bad-skops"),
])
def test_a_schema_of_confused_types(change: Callable[[dict[str, Any]], object], code: str) -> None:
    assert refused("model.skops", packed(change)).refusal.code == code


def test_arrays_in_a_skops_file_are_numbers_of_the_length_they_say() -> None:
    objects = io.BytesIO()
    np.save(objects, np.array([Trap()], object), allow_pickle=True)
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    for raw, code in ((objects.getvalue(), "pickle"), (huge.getvalue(), "size-differs"), (b"\x93NUMPY\x01\x00", "bad-npy-header"),
                      (pickle.dumps(Trap()), "bad-npy-header"), (b"", "bad-npy-header")):
        error = refused("model.skops", packed(member=lambda name, old, raw=raw: raw if name.endswith(".npy") else old))
        assert error.refusal.code == code


def test_a_circle_in_a_tree_of_scikit_learn_is_told_before_anything_walks() -> None:
    def circle(name: str, raw: bytes) -> bytes:
        if b"left_child" not in raw:
            return raw
        nodes = np.load(io.BytesIO(raw)).copy()
        nodes["right_child"][0] = 0
        out = io.BytesIO()
        np.save(out, nodes)
        return out.getvalue()

    assert refused("model.skops", packed(member=circle)).refusal.code == "bad-trees"


def test_members_that_do_not_belong_and_bombs() -> None:
    assert refused("model.skops", packed(extra={"x.pkl": pickle.dumps(Trap())})).refusal.code == "odd-member"
    assert refused("model.skops", packed(extra={"bomb.npy": bytes(60 << 20)})).refusal.code == "zip-bomb"
    assert refused("model.skops", packed(extra={"../x.npy": b""})).refusal.code != "refused"
    deep = lambda name, raw: b'{"__loader__":' * 50_000 if name == "schema.json" else raw
    assert refused("model.skops", packed(member=deep)).refusal.code == "too-deep"
    none = io.BytesIO()
    with zipfile.ZipFile(none, "w") as file:
        file.writestr("x.npy", b"")
    assert refused("model.skops", none.getvalue()).refusal.code == "no-schema"


def test_lists_of_an_onnx_node_that_lie_never_reach_the_runtime() -> None:
    def put(name: str, values: list[Any]) -> bytes:
        proto = onnx.load_model_from_string(sound("model.onnx"))
        node = proto.graph.node[0]
        held = next(attribute for attribute in node.attribute if attribute.name == name)
        kept = list(onnx.helper.get_attribute_value(held))
        node.attribute.remove(held)
        node.attribute.append(onnx.helper.make_attribute(name, values + kept[len(values):]))
        return proto.SerializeToString()

    for raw in (put("nodes_featureids", [13]), put("nodes_featureids", [-3]), put("nodes_featureids", [2**32 + 1]),
                put("nodes_truenodeids", [0]), put("nodes_truenodeids", [10**9]), put("target_ids", [3]), put("target_ids", [-1]),
                put("target_nodeids", [10**6]), put("nodes_nodeids", [1, 1]), put("nodes_values", [float("nan")]),
                put("nodes_treeids", [2**40])):
        assert refused("model.onnx", raw).refusal.code in ("bad-trees", "nan-weights")
    proto = onnx.load_model_from_string(sound("model.onnx"))
    del proto.graph.node[0].attribute[:]
    assert refused("model.onnx", proto.SerializeToString()).refusal.code == "bad-trees"


def test_pickles_leave_with_the_line_that_converts_them() -> None:
    assert "skops.io.dump" in refused("model.pkl", pickle.dumps({"a": 1})).refusal.mend
    assert "save_model('model.json')" in refused("model.pkl", b"\x80\x04cxgboost.sklearn\nXGBClassifier\n.").refusal.mend
    assert "save_model('model.txt')" in refused("model.skops", b"\x80\x04clightgbm.sklearn\nLGBMClassifier\n.").refusal.mend
    for name, raw in (("old.model", bytes(100)), ("old.bin", b"binf" + bytes(100)), ("old.json", b"binf" + bytes(100))):
        assert "xgboost.Booster" in refused(name, raw).refusal.mend
