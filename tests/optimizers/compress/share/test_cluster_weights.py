"""Shared weights: k-means by hand, zeros that stay, values that learn, and what is refused."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import DatasetCard, Layer, ModelCard
from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.compress.share.cluster_weights import WeightClustering
from optimizers.compress.share.cluster_weights_work import kmeans, shared
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.measure.memory import needs, weight_bytes
from optimizers.measure.yardstick import shipped
from optimizers.models.graph import run
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.models.rewrite import weighted
from optimizers.training.fine_tune import FineTuning

DICE = np.random.default_rng(0)
PLAIN = WeightClustering(epochs=0, bits=3)


def weights_of(network):
    return {layer.name: layer.weight for layer in weighted(network.proto)}


def values_of(network):
    return {name: len(np.unique(weight)) for name, weight in weights_of(network).items()}


def plainly(network):
    """What would leave if shared weights were stored one by one."""
    return shipped(network.with_(shared=False))


def answers(network, split):
    return run(network.proto, network.feed(split.x))[0].argmax(1)


def network(weights, nodes=None):
    """A MatMul, or other nodes, over x of four features."""
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"], "dense")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(np.asarray(weights, np.float32), "w")])
    return Network(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), Preprocessing(scale="none"))


@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_two_heaps_have_two_means(init):
    assert kmeans(np.array([5.0, 1.0, 2.0, 6.0, 0.0, 7.0]), 2, init, np.random.default_rng(1)).tolist() == [1.0, 6.0]


def test_k_means_worked_by_hand():
    """From 0 and 8 over 0, 1, 2, 8: cut at 4, so the means are 1 and 8, and the cut at 4.5 changes nothing."""
    assert kmeans(np.array([0.0, 1.0, 2.0, 8.0]), 2, "linear", DICE).tolist() == [1.0, 8.0]
    assert kmeans(np.array([3.0, 1.0, 3.0]), 5, "linear", DICE).tolist() == [1.0, 3.0], "fewer numbers than values stay as they are"
    assert kmeans(np.array([1.0, 2.0, 9.0]), 1, "linear", DICE).tolist() == [4.0]
    lonely = kmeans(np.r_[np.zeros(50), np.ones(50), 100.0, 101.0], 4, "linear", DICE)
    assert lonely.tolist() == [0.5, 100.0, 101.0] or len(lonely) <= 4, "clusters that lose all their points go"


@pytest.mark.parametrize("init", ["linear", "density", "random"])
@pytest.mark.parametrize("k", [1, 2, 16, 256])
def test_no_weight_is_nearer_to_another_value(init, k):
    weights = DICE.standard_normal((40, 30)).astype(np.float32)
    made = shared(weights, k, init, np.random.default_rng(2))
    values = np.unique(made)
    assert made.shape == weights.shape and made.dtype == np.float32 and len(values) <= k
    apart = np.abs(weights.reshape(-1, 1) - values)
    assert np.all(np.abs(made - weights).reshape(-1) <= apart.min(axis=1) + 1e-6)


def test_zeros_stay_and_nothing_joins_them():
    weights = DICE.standard_normal(1000).astype(np.float32)
    weights[::2] = 0
    for k in (2, 4, 256):
        made = shared(weights, k, "linear", DICE)
        assert np.array_equal(made == 0, weights == 0) and len(np.unique(made)) <= k
    assert np.array_equal(shared(np.zeros(9, np.float32), 4, "linear", DICE), np.zeros(9))


def test_the_file_that_leaves_has_few_values(trained, digits, context):
    """Batch norm was folded before, so that leaving does not tear the values apart."""
    made = PLAIN.apply(trained, digits, context)
    held = values_of(plainly(made).network)
    assert held and all(1 < count <= 8 for count in held.values())
    assert shipped(made).transfer.size < 0.5 * shipped(trained).transfer.size
    assert "share 8 values each" in made.notes[-1]
    fine = WeightClustering(epochs=0, bits=6).apply(trained, digits, context)
    assert (answers(fine, digits.test) == answers(trained, digits.test)).mean() > 0.9


def test_the_file_holds_codes_and_answers_bit_for_bit_as_before(trained, digits, context):
    """Three bits a weight in the place of 32, looked up once: the operators that run, and every answer, are those of plain weights."""
    made = PLAIN.apply(trained, digits, context)
    small, plain = shipped(made), plainly(made)
    weights = sum(weight.size for weight in weights_of(made).values())
    stored = [tensor for tensor in small.network.proto.graph.initializer
              if tensor.data_type == TensorProto.UINT8 and tensor.dims[1:] == [1]]
    assert sum(tensor.dims[0] for tensor in stored) == -(-weights // 8) * 3, "a plane of 2 bits and one of 1"
    assert weight_bytes(small.network.proto) < 0.2 * weight_bytes(plain.network.proto) and small.bytes < 0.25 * plain.bytes
    assert np.array_equal(small.predict(digits.test.x), plain.predict(digits.test.x)) and small.fused == plain.fused
    assert needs(small.network).macs == needs(plain.network).macs and needs(small.network).parameters == needs(plain.network).parameters
    assert shipped(made.with_(coded=True)).transfer.size < 1.06 * plainly(made.with_(coded=True)).transfer.size


def test_what_comes_after_keeps_codes_where_values_are_few(trained, digits, context):
    """int8 of one scale a tensor has no more values than it had; half precision leaves codes alone; training tears the values apart."""
    made = PLAIN.apply(trained, digits, context)
    whole, quantized = (StaticQuantization(rows=32, per_channel=False).apply(network, digits, context) for network in (trained, made))
    assert shipped(quantized).bytes < 0.8 * shipped(whole).bytes
    assert np.array_equal(shipped(quantized).predict(digits.test.x), plainly(quantized).predict(digits.test.x))
    assert shipped(quantized).fused == plainly(quantized).fused
    halved = HalfPrecision().apply(made, digits, context)
    assert shipped(halved).bytes < shipped(made).bytes < 0.5 * shipped(HalfPrecision().apply(trained, digits, context)).bytes
    tuned = FineTuning(epochs=1).apply(made, digits, context)
    assert shipped(tuned).content == plainly(tuned).content


def test_values_learn_and_stay_few(trained, digits, context):
    start = WeightClustering(bits=2, epochs=0).apply(trained, digits, context)
    made = WeightClustering(bits=2, epochs=3, rate=0.005).apply(trained, digits, context)
    before, after = weights_of(start), weights_of(plainly(made).network)
    for name, weight in after.items():
        assert len(np.unique(weight)) <= 4
        assert not np.array_equal(weight, before[name]), "the values moved"
        for value in np.unique(before[name]):
            assert len(np.unique(weight[before[name] == value])) == 1, "weights that shared a value still do"
    right = [(answers(network, digits.validation) == digits.validation.y).mean() for network in (start, made)]
    assert right[1] > right[0]


def test_depthwise_layers_take_bits_of_their_own(digits, context):
    conv = helper.make_node("Conv", ["x", "w"], ["y"], "deep", group=40, kernel_shape=[3])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 40, None]) for name in "xy")
    tensor = numpy_helper.from_array(DICE.standard_normal((40, 1, 3)).astype(np.float32), "w")
    deep = Network(helper.make_model(helper.make_graph([conv], "g", [x], [y], [tensor]), opset_imports=[helper.make_opsetid("", 17)]))
    count = lambda **fields: values_of(WeightClustering(epochs=0, **fields).apply(deep, digits, context))["deep"]
    assert count(bits=2, depthwise=0) <= 4 < count(bits=2) <= 16 < count(bits=2, depthwise=4) <= 64


def test_zeros_stay_through_training(trained, digits, context):
    from optimizers.models.rewrite import with_tensors

    layers = {layer.node.input[1]: layer.weight for layer in weighted(trained.proto)}
    pruned = {name: np.where(np.abs(weight) < np.median(np.abs(weight)), 0, weight).astype(np.float32) for name, weight in layers.items()}
    made = WeightClustering(bits=3, epochs=1, rate=0.01).apply(trained.with_(proto=with_tensors(trained.proto, pruned)), digits, context)
    before = [layer.weight for layer in weighted(with_tensors(trained.proto, pruned))]
    assert [np.count_nonzero(layer.weight == 0) for layer in weighted(made.proto)] == [np.count_nonzero(weight == 0) for weight in before]
    assert all(np.array_equal(layer.weight == 0, weight == 0) for layer, weight in zip(weighted(made.proto), before, strict=True))


def test_a_tensor_that_two_layers_read_stays_one(digits, context):
    """Two layers, one plainly and one transposed, share a square matrix; values learn together."""
    from optimizers.compress.share.cluster_weights_work import Learning

    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], "one"), helper.make_node("Gemm", ["h", "w"], ["y"], "two", transB=1)]
    twice = PLAIN.model_copy(update={"bits": 2}).apply(network(DICE.standard_normal((4, 4)), nodes), digits, context)
    module = twice.to_torch()
    Learning({"w"}).begin(module)
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    assert len(learning) == 1 and learning[0].shape == (4,)
    learning[0].data *= 2
    assert np.allclose(weights_of(twice.with_module(module))["one"], 2 * weights_of(twice)["one"])


def test_layers_named_are_left_whole(trained, digits, context):
    first = next(weighted(trained.proto)).name
    made = PLAIN.model_copy(update={"keep": (first,)}).apply(trained, digits, context)
    assert values_of(made)[first] > 8 and f"Left whole: {first}." in made.notes[-1]
    with pytest.raises(OptimizerError) as error:
        PLAIN.model_copy(update={"keep": ("nowhere",)}).apply(trained, digits, context)
    assert error.value.refusal.code == "unknown-layer"


def test_what_cannot_be_shared_is_said_with_the_layer(digits, context):
    bad = np.ones((4, 4), np.float32)
    bad[1, 1] = np.nan
    with pytest.raises(OptimizerError) as error:
        PLAIN.apply(network(bad), digits, context)
    assert (error.value.refusal.where, error.value.refusal.code) == ("dense", "weights-not-finite")
    with pytest.raises(OptimizerError) as error:
        WeightClustering(epochs=0, bits=4).apply(network(np.ones((4, 4))), digits, context)
    assert error.value.refusal.code == "nothing-to-cluster"


def test_a_network_that_torch_cannot_hold_is_clustered_all_the_same(digits, context):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], "dense"), helper.make_node("CumSum", ["h", "a"], ["y"])]
    odd = network(DICE.standard_normal((4, 4)), nodes)
    odd.proto.graph.initializer.append(numpy_helper.from_array(np.array(1), "a"))
    assert values_of(PLAIN.apply(odd, digits, context)) == {"dense": 8}


def test_refusals_come_from_the_cards():
    device = catalogue()["this-server"]
    model = ModelCard(kind="onnx", family="network", title="", operators={"Conv": 1}, layers=(Layer(name="a", operator="Conv"),))
    data = DatasetCard(kind="array", title="", task="unlabelled", rows=10)
    code = lambda technique, model, dataset=None: getattr(technique.refuse(model, dataset, device), "code", None)
    assert code(PLAIN, model) is None
    assert code(PLAIN, model.model_copy(update={"quantized": True})) == "already-quantized"
    assert code(PLAIN, model.model_copy(update={"operators": {"Relu": 1}})) == "nothing-to-cluster"
    assert code(WeightClustering(epochs=0, keep=("b",)), model) == "unknown-layer"
    assert code(WeightClustering(), model) == "no-dataset"
    assert code(WeightClustering(), model, data) == "no-labels" and code(PLAIN, model, data) is None
