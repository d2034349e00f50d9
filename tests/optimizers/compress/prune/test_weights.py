"""Weight pruning on toys whose weights are known, on every kind of layer, and on what must be refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import Layer, ModelCard, Tensor
from optimizers.compress.prune.weights import WeightPruning
from optimizers.compress.prune.weights_layers import weights
from optimizers.compress.prune.weights_work import input_norms
from optimizers.compress.quantize.aware import QuantizationAwareTraining
from optimizers.compress.quantize.dynamic import DynamicQuantization
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.models import graph, zoo
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.training.fine_tune import FineTuning

DEVICE = next(iter(catalogue().values()))


def toy(nodes, tensors, row=(4,), out="y") -> Network:
    made = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_empty_tensor_value_info(out)],
                             [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in tensors.items()])
    return Network(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), Preprocessing(scale="none"))


def rows(*shape) -> Dataset:
    part = Split(np.ones((8, *shape), np.float32), np.arange(8) % 2)
    return Dataset(part, part, part, "array", "classification", ("a", "b"))


def pruned(network, context, data=None, **params):
    made = WeightPruning(**params).apply(network, data or rows(4), context)
    return made, {weight.name: weight.array for weight in weights(made.proto)}


TWO = [helper.make_node("Gemm", ["x", "a.weight"], ["h"], "first", transB=1), helper.make_node("MatMul", ["h", "b"], ["y"], "second")]
FIRST, SECOND = [[4.0, -1, 2, -2], [8, 7, 6, 5]], [[0.5, 3], [9, 10]]


def test_each_scope_by_hand(context):
    network = toy(TWO, {"a.weight": FIRST, "b": SECOND})
    made, found = pruned(network, context, share=0.5, scope="layer")
    assert found["a.weight"].tolist() == [[0, 0, 0, 0], [8, 7, 6, 5]] and found["b"].tolist() == [[0, 0], [9, 10]]
    assert made.sparse and not network.sparse and "50.0% of 12 weights in 2 layers" in made.notes[0]
    _, found = pruned(network, context, share=0.5, scope="network")
    assert found["a.weight"].tolist() == [[0, 0, 0, 0], [8, 7, 6, 5]] and found["b"].tolist() == [[0, 0], [9, 10]]
    _, found = pruned(network, context, share=0.5, scope="output")      # an output of MatMul is a column
    assert found["a.weight"].tolist() == [[4, 0, 0, -2], [8, 7, 0, 0]] and found["b"].tolist() == [[0, 0], [9, 10]]


def test_patterns_run_along_the_inputs_of_every_kind_of_layer(context):
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("Conv", ["x", "c"], ["h1"], "conv", pads=[1, 1, 1, 1]),
             helper.make_node("ConvTranspose", ["h1", "t"], ["h2"], "up"),
             helper.make_node("Flatten", ["h2"], ["h3"]), helper.make_node("Gemm", ["h3", "g"], ["h4"], "gemm"),
             helper.make_node("MatMul", ["h4", "m"], ["y"], "matmul")]
    tensors = {"c": rng.normal(size=(8, 4, 3, 3)), "t": rng.normal(size=(8, 4, 1, 1)), "g": rng.normal(size=(64, 8)),
               "m": rng.normal(size=(8, 2))}
    made, found = pruned(toy(nodes, tensors, (4, 4, 4)), context, rows(4, 4, 4), pattern="2:4")
    for name, axis in (("c", 1), ("t", 0), ("g", 0), ("m", 0)):
        groups = np.moveaxis(found[name], axis, -1)
        groups = groups.reshape(*groups.shape[:-1], -1, 4)
        assert ((groups != 0).sum(axis=-1) == 2).all(), name
    assert any("Ampere" in note for note in made.notes)
    assert graph.run(made.proto, np.ones((3, 4, 4, 4), np.float32))[0].shape == (3, 2)


def test_activations_decide_where_sizes_do_not(context):
    network = toy(TWO, {"a.weight": np.ones((2, 4)), "b": SECOND})
    part = Split(np.array([[1.0, 9, 2, 8]] * 8, np.float32), np.arange(8) % 2)
    data = Dataset(part, part, part, "array", "classification", ("a", "b"))
    _, found = pruned(network, context, data, share=0.5, scope="output", score="activation", keep=("second",))
    assert found["a.weight"].tolist() == [[0, 1, 0, 1]] * 2 and found["b"].tolist() == SECOND


def test_norms_of_grouped_convolutions_meet_their_own_group(context):
    nodes = [helper.make_node("Conv", ["x", "c"], ["y"], "grouped", group=2)]
    network = toy(nodes, {"c": np.ones((4, 2, 1, 1))}, (4, 2, 2))
    x = np.arange(1.0, 5)[:, None, None] * np.ones((8, 4, 2, 2), np.float32)
    norms = input_norms(network, [layer for weight in weights(network.proto) for layer in weight.layers], x, context)
    assert norms["x"] == pytest.approx(np.sqrt(8 * 4) * np.arange(1, 5) * 2)        # 32 rows: eight, repeated to a batch
    part = Split(x.astype(np.float32), np.arange(8) % 2)
    _, found = pruned(network, context, Dataset(part, part, part, "array", "classification", ("a", "b")), share=0.5, score="activation",
                      scope="layer")
    assert found["c"][..., 0, 0].tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]       # the second group sees the larger channels


def test_a_shared_weight_is_one_and_a_single_layer_keeps_one_weight(context):
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], "one"), helper.make_node("Gemm", ["h", "w"], ["y"], "two")]
    made, found = pruned(toy(nodes, {"w": np.arange(1.0, 17).reshape(4, 4)}), context, share=0.5)
    assert (found["w"] == 0).sum() == 8 and "16 weights in 1 layers" in made.notes[0]
    single = toy([helper.make_node("Gemm", ["x", "w"], ["y"], "one")], {"w": np.ones((4, 1))})
    for scope in ("layer", "network", "output"):
        _, found = pruned(single, context, share=0.99, scope=scope)
        assert (found["w"] != 0).sum() == 1


def test_what_is_named_or_at_an_end_stays(context):
    network = zoo.build("dscnn", (1, 28, 28), 10)
    data = rows(1, 28, 28)
    made, found = pruned(network, context, data, share=0.9, ends=False, keep=("block1.pointwise.conv",))
    whole = [name for name, array in found.items() if (array != 0).all()]
    assert whole == ["stem.conv.weight", "block1.pointwise.conv.weight", "head.weight"]
    assert "Without a zero: stem.conv, block1.pointwise.conv, head." in made.notes
    with pytest.raises(OptimizerError, match="There is no layer named 'nowhere'"):
        pruned(network, context, data, keep=("nowhere",))


def test_bad_weights_and_nothing_to_prune_are_told(context):
    broken = np.array([[np.nan, 1], [1, 1]])
    with pytest.raises(OptimizerError, match="infinite or no numbers") as error:
        pruned(toy(TWO, {"a.weight": FIRST, "b": broken}), context)
    assert error.value.refusal.where == "second"
    with pytest.raises(OptimizerError, match="No layer with weights is left"):
        pruned(toy([helper.make_node("Relu", ["x"], ["y"])], {}), context)


def card(*names, **fields):
    return ModelCard(kind="onnx", family="network", title="", layers=tuple(Layer(name=name, operator="Conv") for name in names), **fields)


def test_refusals_come_from_the_card():
    technique = WeightPruning()
    assert technique.refuse(card("a", "b"), None, DEVICE) is None and technique.refuse(None, None, DEVICE) is None
    assert technique.refuse(card("a", quantized=True), None, DEVICE).code == "already-quantized"
    assert WeightPruning(keep=("a", "b")).refuse(card("a", "b"), None, DEVICE).code == "nothing-to-prune"
    assert WeightPruning(ends=False).refuse(card("a", "b"), None, DEVICE).code == "nothing-to-prune"
    norm = ModelCard(kind="onnx", family="network", title="", layers=(Layer(name="n", operator="BatchNormalization"),))
    assert technique.refuse(norm, None, DEVICE).where == "model"
    two = card("a", "b", inputs=(Tensor(name="x", dtype="float32", shape=(None, 2)),) * 2)
    assert technique.refuse(two, None, DEVICE) is None
    assert WeightPruning(score="activation").refuse(two, None, DEVICE).code == "several-inputs"


def test_zeros_survive_fine_tuning_and_integers(trained, digits, context):
    sparse = WeightPruning(share=0.7, score="activation", rows=32).apply(trained, digits, context)
    before = {weight.name: weight.array == 0 for weight in weights(sparse.proto)}
    for optimizer in ("adamw", "sgd"):
        tuned = FineTuning(epochs=2, rate=0.02, optimizer=optimizer, clip=1.0).apply(sparse, digits, context)
        after = {weight.name: weight.array for weight in weights(tuned.proto)}
        assert tuned.sparse and all((after[name][zero] == 0).all() for name, zero in before.items())
        assert all((after[name] != weight.array).any() for name, weight in ((w.name, w) for w in weights(sparse.proto)))
    share = sum(int(zero.sum()) for zero in before.values()) / sum(zero.size for zero in before.values())
    for technique in (StaticQuantization(rows=32), StaticQuantization(rows=32, rounding="adaptive", iterations=40),
                      QuantizationAwareTraining(bits=8, epochs=1, rows=32), DynamicQuantization()):
        made = technique.apply(tuned, digits, context)
        integers = [array for array in graph.constants(made.proto).values() if array.dtype == np.int8 and array.ndim > 1]
        assert made.sparse and integers and scale_points_are_zero(made.proto)
        if not isinstance(technique, DynamicQuantization):
            stored = np.concatenate([array.reshape(-1) for array in integers])
            assert (stored == 0).mean() >= share - 0.02     # one layer may be left in float


def scale_points_are_zero(proto: onnx.ModelProto) -> bool:
    """Whether weights are symmetric, so that an integer zero is a zero."""
    stored = graph.constants(proto)
    points = [stored[node.input[2]] for node in proto.graph.node if node.op_type == "DequantizeLinear" and len(node.input) > 2
              and node.input[0] in stored and stored[node.input[0]].ndim > 1]
    return all((point == 0).all() for point in points)
