"""Networks and data that are not what one hopes for: each is handled, or refused in one sentence before any work starts."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import DatasetCard
from optimizers.compress.prune.channels import ChannelPruning
from optimizers.compress.quantize.dynamic import DynamicQuantization
from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.desk import card_of
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.goal import Budget, Goal
from optimizers.measure.yardstick import Yardstick, shipped
from optimizers.models.load import load_model
from optimizers.search import match
from optimizers.search.dry_run import dry_run

PI = catalogue()["raspberry-pi-5"]
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
BARE = dict(task="unlabelled", classes=(), row_dtype="float32")
GOAL = Goal(metric="cosine")


def dataset_card(**changes):
    fields = dict(kind="array", title="Garments", rows=8000, splits={"train": 6000, "validation": 1000, "test": 1000},
                  row_shape=(1, 28, 28), classes=tuple(f"class {n}" for n in range(10)))
    return DatasetCard(**fields | changes)


def weights(*shape, kind=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(kind)


@pytest.fixture
def saved(tmp_path):
    """nodes, input shape, output shape, weights -> the path of an ONNX file. others: inputs beside x."""
    def save(nodes, takes, gives, stored, kind=FLOAT, opsets=(("", 17),), others=()):
        graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", kind, takes), *others],
                                  [helper.make_tensor_value_info("y", kind, gives)],
                                  [numpy_helper.from_array(array, name) for name, array in stored.items()])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets], ir_version=8),
                  tmp_path / "net.onnx")
        return tmp_path / "net.onnx"
    return save


@pytest.fixture
def dense(saved):
    return lambda takes=("n", 16), gives=("n", 4), kind=FLOAT: saved(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], takes, gives,
        {"w": weights(16, 4, kind=helper.tensor_dtype_to_np_dtype(kind))}, kind)


def rows_of(*shape, count=60):
    x, y = weights(count, *shape, seed=1), np.full(count, -1)
    return Dataset(*(Split(x[a:b], y[a:b]) for a, b in ((0, 40), (40, 50), (50, 60))), "array", "unlabelled")


def fidelity_of(path, technique, data, tmp_path):
    """cosine of what the technique makes, measured like any job, and its notes."""
    network = load_model(path)
    yardstick = Yardstick(data, PI, GOAL)
    yardstick.measure(shipped(network))
    made = technique.apply(network, data, Context(tmp_path / "work", device=PI, metric="cosine"))
    return yardstick.measure(shipped(made)).measurements["cosine"].value, made.notes


def refusal(path, goal=GOAL, **data):
    return dry_run(card_of(path), dataset_card(**data), PI, goal, Budget()).refusal


def test_no_batch_axis(dense):
    found = refusal(dense(takes=(16,), gives=(4,)), **BARE, row_shape=(16,))
    assert (found.code, found.where) == ("no-batch-axis", "x") and "batch" in found.mend


def test_a_fixed_batch_that_cannot_be_freed_is_fed_in_batches(saved, tmp_path):
    path = saved([helper.make_node("MatMul", ["x", "w"], ["a"], "fc"), helper.make_node("Softmax", ["a"], ["y"], "over", axis=0)], (4, 16),
                 (4, 4), {"w": weights(16, 4)})
    assert "fixed to 4" in card_of(path).problems[0].wrong
    for technique in (StaticQuantization(rows=32), DynamicQuantization(), HalfPrecision()):
        assert fidelity_of(path, technique, rows_of(16), tmp_path)[0] > 0.95


def test_weights_in_half_precision_are_turned_into_float32_first(dense, tmp_path):
    path = dense(kind=HALF)
    card = card_of(path)
    assert card.family == "network" and any("float16 tensors were turned into float32" in problem.wrong for problem in card.problems)
    assert fidelity_of(path, StaticQuantization(rows=32), rows_of(16), tmp_path)[0] > 0.95


def test_nan_weights_name_their_tensor(saved):
    broken = weights(16, 4)
    broken[3, 1] = np.nan
    with pytest.raises(OptimizerError, match=r"1 of 64 weights are NaN\. \[initializer 'head\.weight'\]"):
        card_of(saved([helper.make_node("MatMul", ["x", "head.weight"], ["y"], "fc")], ("n", 16), ("n", 4), {"head.weight": broken}))


def test_shared_weights(saved, tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], "first", pads=[1] * 4), helper.make_node("Relu", ["a"], ["r"], "relu"),
             helper.make_node("Conv", ["r", "w"], ["b"], "second", pads=[1] * 4),
             helper.make_node("GlobalAveragePool", ["b"], ["p"], "pool"),
             helper.make_node("Flatten", ["p"], ["y"], "flat")]
    path = saved(nodes, ("n", 4, 8, 8), ("n", 4), {"w": weights(4, 4, 3, 3)})
    for technique in (StaticQuantization(rows=32), HalfPrecision()):
        assert fidelity_of(path, technique, rows_of(4, 8, 8), tmp_path)[0] > 0.95


def test_a_single_layer_is_quantized_and_never_pruned(dense, tmp_path):
    card = card_of(dense())
    assert ChannelPruning().refuse(card, None, PI).code == "nothing-to-prune"
    assert fidelity_of(dense(), StaticQuantization(rows=32), rows_of(16), tmp_path)[0] > 0.95


def test_no_layer_with_weights(saved):
    card = card_of(saved([helper.make_node("Relu", ["x"], ["y"], "relu")], ("n", 16), ("n", 16), {}))
    assert {technique().refuse(card, None, PI).code for technique in (StaticQuantization, DynamicQuantization)} == {"nothing-to-quantize"}


def test_a_thousand_outputs_and_ten_classes(saved):
    path = saved([helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], ("n", 16), ("n", 1000), {"w": weights(16, 1000)})
    data = dict(row_shape=(16,), row_dtype="float32")
    found = refusal(path, Goal(), **data)
    assert found.code == "classes-differ" and "1000 classes" in found.wrong and "agreement" in found.mend
    assert refusal(path, Goal(metric="agreement"), **data) is None


def test_one_calibration_row_works_and_is_told(dense, tmp_path):
    value, notes = fidelity_of(dense(), StaticQuantization(rows=1), rows_of(16), tmp_path)
    assert value > 0.5 and "Ranges were found on 1 row: other rows may go beyond them." in notes


def test_a_custom_operator_is_named(saved):
    nodes = [helper.make_node("Relu", ["x"], ["a"], "relu"), helper.make_node("Blend", ["a"], ["y"], "blend_1", domain="acme")]
    with pytest.raises(OptimizerError, match=r"Blend belongs to 'acme'.*\[node 'blend_1' \(Blend\)\]"):
        card_of(saved(nodes, ("n", 16), ("n", 16), {}, opsets=(("", 17), ("acme", 1))))


def test_layers_inside_of_control_flow(saved, tmp_path):
    def branch(name, weight):
        return helper.make_graph([helper.make_node("MatMul", ["x", weight], [name], f"fc_{name}")], name, [],
                                 [helper.make_tensor_value_info(name, FLOAT, ("n", 4))])

    nodes = [helper.make_node("ReduceSum", ["x"], ["s"], "sum", keepdims=0), helper.make_node("Greater", ["s", "zero"], ["c"], "sign"),
             helper.make_node("If", ["c"], ["y"], "choice", then_branch=branch("t", "w"), else_branch=branch("e", "v"))]
    path = saved(nodes, ("n", 16), ("n", 4), {"w": weights(16, 4), "v": weights(16, 4, seed=2), "zero": np.float32(0)})
    card = card_of(path)
    assert card.family == "graph" and card.buried == {"fc_t": "If choice", "fc_e": "If choice"}
    for technique in (StaticQuantization, DynamicQuantization):
        found = technique().refuse(card, None, PI)
        assert (found.code, found.where) == ("control-flow", "If choice") and "half-precision" in found.mend
    assert fidelity_of(path, HalfPrecision(), rows_of(16), tmp_path)[0] > 0.99


def test_several_inputs_say_what_cannot_be_fed(saved):
    path = saved([helper.make_node("MatMul", ["x", "w"], ["a"], "fc"), helper.make_node("Add", ["a", "state"], ["y"], "add")], ("n", 16),
                 ("n", 4), {"w": weights(16, 4)}, others=[helper.make_tensor_value_info("state", FLOAT, ("n", 4))])
    found = refusal(path, **BARE, row_shape=(16,))
    assert found.code == "inputs" and "state float32 any x 4" in found.where and "constants" in found.mend


def test_an_output_without_a_row_for_each_row(saved):
    path = saved([helper.make_node("MatMul", ["x", "w"], ["a"], "fc"), helper.make_node("Transpose", ["a"], ["y"], "turn", perm=[1, 0])],
                 ("n", 16), (4, "n"), {"w": weights(16, 4)})
    with pytest.raises(OptimizerError, match="does not have a row for each row"):
        Yardstick(rows_of(16), PI, GOAL).measure(shipped(load_model(path)))


def test_the_metrics_that_make_sense(dense):
    card = card_of(dense())
    assert match.metrics(card, dataset_card()) == ("top1", "macro_f1", "agreement", "cosine")
    assert match.metrics(card, dataset_card(**BARE)) == ("agreement", "cosine")
    boxes = card.model_copy(update={"task": "other", "classes": None, "scores": ()})
    assert match.metrics(boxes, dataset_card()) == ("cosine",)
    assert match.metrics(None, dataset_card()) == ("top1", "macro_f1")
    assert match.refuse(boxes, dataset_card(), Goal(metric="agreement")).code == "no-scores"
    assert match.refuse(None, dataset_card(), Goal(metric="cosine")).code == "no-original"
    assert match.refuse(boxes, dataset_card(row_shape=(16,)), Goal()).code == "outputs"
