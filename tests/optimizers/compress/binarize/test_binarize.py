"""Binarization: gradients and norms worked by hand, graphs of several kinds, what ships, and what is refused."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.compress.binarize.binarize import Binarization
from optimizers.compress.binarize.graph import Place, bare, met, with_bits
from optimizers.compress.binarize.layers import chosen
from optimizers.compress.binarize.train import Binarizing, OneBit, Sign, sign_above
from optimizers.data.dataset import Dataset, Split
from optimizers.errors import OptimizerError
from optimizers.measure.memory import needs
from optimizers.measure.shipped import Shipped
from optimizers.models import graph
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.models.rewrite import weighted, with_tensors


def network(nodes, weights, row, outs=3):
    """A graph from x (n, *row) to y (n, outs)."""
    made = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outs])],
                             [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()])
    return Network(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), Preprocessing(scale="none"))


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 0.3, shape)


def residual(**changes):
    """Stem, a block with a skip and a depthwise layer, a strided layer that doubles the channels, and a head."""
    weights = {"w1": drawn(4, 1, 3, 3), "w2": drawn(4, 4, 3, 3), "wd": drawn(4, 1, 3, 3), "w3": drawn(8, 4, 3, 3), "w4": drawn(3, 8),
               "b2": drawn(4)} | changes
    node = helper.make_node
    nodes = [node("Conv", ["x", "w1"], ["c1"], name="stem", pads=[1] * 4), node("Relu", ["c1"], ["r1"]),
             node("Conv", ["r1", "w2", "b2"], ["c2"], name="inner", pads=[1] * 4),
             node("Add", ["c2", "r1"], ["a"]), node("Relu", ["a"], ["r2"]),
             node("Conv", ["r2", "wd"], ["d"], name="deep", pads=[1] * 4, group=4), node("Relu", ["d"], ["r3"]),
             node("Conv", ["r3", "w3"], ["c3"], name="strided", pads=[1] * 4, strides=[2, 2]), node("Relu", ["c3"], ["r4"]),
             node("GlobalAveragePool", ["r4"], ["p"]), node("Flatten", ["p"], ["f"]),
             node("Gemm", ["f", "w4"], ["y"], name="head", transB=1)]
    return network(nodes, weights, (1, 8, 8))


def rows(row, count=48):
    """Three classes, told apart by their mean."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 3
    x = rng.normal(y.reshape(-1, *[1] * len(row)), 0.3, (count, *row)).astype(np.float32)
    half, most = count // 2, 3 * count // 4
    return Dataset(Split(x[:half], y[:half]), Split(x[half:most], y[half:most]), Split(x[most:], y[most:]), kind="array",
                   task="classification", classes=("a", "b", "c"))


def done(net, context, row=(1, 8, 8), **settings):
    return Binarization(**{"epochs": 2, "batch": 8} | settings).apply(net, rows(row), context)


def test_weights_are_sign_times_mean_magnitude_and_pass_gradients_straight():
    bit = OneBit()
    weight = torch.tensor([[0.5, -1.5, 0.0], [-0.3, 0.3, -0.6]], requires_grad=True)
    assert torch.equal(bit(weight), weight)
    bit.on.fill_(True)
    np.testing.assert_allclose(bit(weight).detach(), [[2 / 3, -2 / 3, 2 / 3], [-0.4, 0.4, -0.4]], rtol=1e-6)
    bit(weight).sum().backward()
    assert weight.grad.tolist() == [[1, 0, 1], [1, 1, 1]]          # not beyond 1


def test_thresholds_learn_the_other_way_round():
    x, level = torch.tensor([[0.0, 0.25]]), torch.tensor([0.5, 0.0], requires_grad=True)
    made = sign_above(x, level)
    assert made.tolist() == [[-1, 1]] and Sign.apply(torch.zeros(1)).tolist() == [1]
    made.sum().backward()
    assert level.grad.tolist() == [-1.0, -1.5]                       # 2 - 2 |x - threshold|, negated


def test_the_norm_becomes_a_factor_and_a_summand():
    """Weights of +-0.5; gamma 3, variance 4: factor 0.5 * 3 / 2; beta 1, mean 2: summand 1 - 2 * 3 / 2."""
    weights = {"w": np.array([[[[0.5]], [[-0.5]]]]), "gamma": np.array([3]), "beta": np.array([1]), "mean": np.array([2]),
               "variance": np.array([4])}
    net = network([helper.make_node("Conv", ["x", "w"], ["s"]),
                   helper.make_node("BatchNormalization", ["s", *list(weights)[1:]], ["m"], epsilon=0.0),
                   helper.make_node("Flatten", ["m"], ["y"])], weights, (2, 1, 1), 1)
    layer = next(iter(weighted(net.proto)))
    whole, signs = bare(net.proto, [Place(layer, "w", "", "m", False)])
    assert signs["w"].reshape(-1).tolist() == [1, -1]
    small = with_bits(whole, signs)
    x = np.array([[5, 1]], np.float32).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(graph.run(small, x)[0], [[0.75 * 4 - 2]])
    np.testing.assert_allclose(graph.run(small, x)[0], graph.run(net.proto, x)[0])


def test_two_branches_that_meet_share_one_summand_and_the_signs_of_what_both_read():
    """One layer makes 2 s + 3, the other 5 s + 7, and their sum is y: the second adds 10, the first nothing."""
    node = helper.make_node
    ones = {"gamma": np.ones(1), "zero": np.zeros(1), "one": np.ones(1), "three": np.full(1, 3), "seven": np.full(1, 7)}
    net = network([node("Conv", ["x", "a"], ["s"], kernel_shape=[1, 1]), node("Conv", ["x", "b"], ["t"], kernel_shape=[1, 1]),
                   node("BatchNormalization", ["s", "gamma", "three", "zero", "one"], ["m"], epsilon=0.0),
                   node("BatchNormalization", ["t", "gamma", "seven", "zero", "one"], ["n"], epsilon=0.0),
                   node("Add", ["m", "x"], ["o"]), node("Add", ["o", "n"], ["p"]), node("Flatten", ["p"], ["y"])],
                  ones | {"a": np.full((1, 1, 1, 1), 2), "b": np.full((1, 1, 1, 1), -5)}, (1, 1, 1), 1)
    layers = list(weighted(net.proto))
    places = [Place(layers[0], "a", "", "m", True), Place(layers[1], "b", "", "n", False)]
    whole, _ = bare(net.proto, places)
    assert met(net.proto, places) == {"m": "n"}
    stored = graph.constants(whole)
    assert sorted(array.item() for name, array in stored.items() if name not in "ab") == [2, 5, 10]
    assert [step.op_type for step in whole.graph.node] == ["Conv", "Conv", "Mul", "Mul", "Add", "Sum", "Flatten"]
    assert not any(attribute.name == "kernel_shape" for step in whole.graph.node for attribute in step.attribute)
    small = with_tensors(whole, {"a": np.ones((1, 1, 1, 1), np.float32), "b": -np.ones((1, 1, 1, 1), np.float32)})
    x = np.array([[4]], np.float32).reshape(1, 1, 1, 1)
    assert graph.run(small, x)[0].tolist() == [[2 * 4 + 3 + 4 - 5 * 4 + 7]]


def test_layers_that_read_one_value_read_the_same_signs(context):
    node = helper.make_node
    fork = network([node("Gemm", ["x", "a"], ["h"], name="one"), node("Relu", ["h"], ["r"]), node("Gemm", ["r", "b"], ["g"], name="two"),
                    node("Gemm", ["r", "c"], ["i"], name="three"), node("Add", ["g", "i"], ["s"]), node("Relu", ["s"], ["t"]),
                    node("Gemm", ["t", "d"], ["y"], name="four")],
                   {"a": drawn(6, 8), "b": drawn(8, 8), "c": drawn(8, 8), "d": drawn(8, 3)}, (6,))
    made = done(fork, context, row=(6,))
    kinds = [step.op_type for step in made.proto.graph.node]
    assert kinds.count("Where") == kinds.count("Less") == 1 and needs(made).macs["bit"] == 128


def test_layers_left_in_float_are_stored_in_int8_or_as_asked(context):
    """A head of 32 x 64: eight bits a weight and one scale a row, within half a step of what it was."""
    node = helper.make_node
    net = network([node("Gemm", ["x", "a"], ["h"], name="one"), node("Relu", ["h"], ["r"]), node("Gemm", ["r", "b"], ["g"], name="two"),
                   node("Relu", ["g"], ["s"]), node("Gemm", ["s", "c"], ["y"], name="head", transB=1)],
                  {"a": drawn(6, 32), "b": drawn(32, 64), "c": drawn(3, 64)}, (6,))
    made = {rest: done(net, context, row=(6,), rest=rest).proto for rest in ("int8", "fp32")}
    stored = [tensor for tensor in made["int8"].graph.initializer if tensor.data_type == TensorProto.INT8]
    assert [list(tensor.dims) for tensor in stored] == [[3, 64]], "six by 32 with 32 scales is shorter in 16 bits"
    heads = {}
    for rest, proto in made.items():
        head = next(step for step in proto.graph.node if step.name == "head")
        probe = graph.copied(proto)
        probe.graph.output.append(helper.make_tensor_value_info(head.input[1], TensorProto.FLOAT, None))
        heads[rest] = graph.run(probe, np.zeros((1, 6), np.float32))[-1] if rest == "int8" else graph.constants(proto)[head.input[1]]
    step = np.abs(heads["fp32"]).max(1, keepdims=True) / 127
    assert np.all(np.abs(heads["int8"] - heads["fp32"]) <= 0.5001 * step) and np.any(heads["int8"] != heads["fp32"])


def test_first_last_depthwise_and_named_layers_stay_float():
    layers, left = chosen(residual().proto, ())
    assert [layer.name for layer in layers] == ["inner", "strided"]
    assert left == {"stem": "first layer", "deep": "depthwise", "head": "last layer"}
    assert [layer.name for layer in chosen(residual().proto, ("inner",))[0]] == ["strided"]


def test_a_residual_network_ships_bits(context):
    net = residual()
    made = done(net, context)
    assert made.state == "binarized" and made.with_(state="float").serialize() != net.serialize()
    counted = needs(made)
    assert counted.macs == {"bit": 4 * 4 * 9 * 64 + 8 * 4 * 9 * 16, "fp32": 4 * 9 * 64 + 4 * 9 * 64 + 24}
    stored = [tensor for tensor in made.proto.graph.initializer if tensor.data_type == TensorProto.UINT8 and len(tensor.raw_data) > 8]
    assert [len(tensor.raw_data) for tensor in stored] == [(144 + 288) // 8]
    assert "2 of 5 layers have weights and inputs in one bit: 432 of 528 weights; 1 got a real-valued shortcut." in made.notes
    assert any("executes the layers in fp32" in note for note in made.notes)
    kinds = [node.op_type for node in made.proto.graph.node]
    assert kinds.count("Where") == 2 and kinds.count("AveragePool") == 1 and "BatchNormalization" not in kinds and kinds.count("PRelu") == 4
    onnx.checker.check_model(made.proto, full_check=True)


def test_what_ships_answers_as_with_unpacked_weights(context):
    """The same numbers stored plainly: outputs equal bit for bit."""
    made = done(residual(), context, rest="fp32")
    makers = {node.output[0]: node for node in made.proto.graph.node}
    plain = graph.copied(made.proto)
    for name in ("inner", "strided"):
        node = next(node for node in plain.graph.node if node.name == name)
        probe = graph.copied(made.proto)
        probe.graph.output.append(helper.make_tensor_value_info(node.input[1], TensorProto.FLOAT, None))
        values = graph.run(probe, np.zeros((1, 1, 8, 8), np.float32))[-1]
        assert set(np.unique(values)) == {-1, 1} and makers[node.input[1]].op_type == "Reshape"
        plain.graph.initializer.append(numpy_helper.from_array(values, f"{name}.plain"))
        node.input[1] = f"{name}.plain"
    x = rows((1, 8, 8)).test.x
    assert np.array_equal(graph.run(made.proto, x)[0], graph.run(graph.without_unread(plain), x)[0])


def test_without_activations_only_weights_are_binary(context):
    made = done(residual(), context, activations=False)
    assert "bit" not in needs(made).macs and "Where" not in [node.op_type for node in made.proto.graph.node]
    assert any("have weights in one bit" in note for note in made.notes)


@pytest.mark.parametrize("settings", [{"shortcuts": False}, {"learned": False}, {"stages": "one"}, {"optimizer": "sgd", "rate": 0.01}])
def test_other_settings_run(settings, context):
    assert Shipped(done(residual(), context, **settings)).predict(rows((1, 8, 8)).test.x).shape == (12, 3)


def test_a_perceptron_and_one_dimensional_convolutions(context):
    node = helper.make_node
    dense = network([node("Gemm", ["x", "a"], ["h"], name="one"), node("Relu", ["h"], ["r"]),
                     node("Gemm", ["r", "b", "bias"], ["g"], name="two"), node("Relu", ["g"], ["s"]),
                     node("Gemm", ["s", "c"], ["y"], name="three")],
                    {"a": drawn(6, 10), "b": drawn(10, 20), "bias": drawn(20), "c": drawn(20, 3)}, (6,))
    made = done(dense, context, row=(6,))
    assert needs(made).macs == {"bit": 200, "fp32": 120}
    line = network([node("Conv", ["x", "a"], ["h"], name="one"), node("Relu", ["h"], ["r"]),
                    node("Conv", ["r", "b"], ["g"], name="two", pads=[1, 1]), node("Relu", ["g"], ["s"]),
                    node("GlobalAveragePool", ["s"], ["p"]), node("Flatten", ["p"], ["f"]),
                    node("Gemm", ["f", "c"], ["y"], name="three")],
                   {"a": drawn(5, 2, 3), "b": drawn(5, 5, 3), "c": drawn(5, 3)}, (2, 9))
    assert needs(done(line, context, row=(2, 9))).macs["bit"] == 5 * 5 * 3 * 7


def test_weights_become_binary_half_way_and_only_then_count_as_best():
    layer = next(iter(weighted(residual().proto)))
    stages = Binarizing([Place(layer, "w1", "", "", False)], 0.5, True)
    module = residual().to_torch()
    stages.begin(module)

    class Run:
        class progress:
            total = 10

    for step, on in ((0, False), (3, False), (4, True), (9, True)):
        stages.stepped(Run, step)
        assert stages.judged(Run) is on
    again = Binarizing([Place(layer, "w1", "", "", False)], 0.5, True)
    other = residual().to_torch()
    again.begin(other)
    other.load_state_dict(module.state_dict())
    assert again.judged(Run), "a resumed run knows its stage from the saved weights"


def test_a_shared_tensor_is_left_and_nothing_left_is_refused(context):
    node = helper.make_node
    twice = network([node("Gemm", ["x", "a"], ["h"], name="one"), node("Gemm", ["h", "b"], ["g"], name="two"),
                     node("Gemm", ["g", "b"], ["i"], name="three"), node("Gemm", ["i", "c"], ["y"], name="four")],
                    {"a": drawn(6, 6), "b": drawn(6, 6), "c": drawn(6, 3)}, (6,))
    with pytest.raises(OptimizerError, match="shares its weights") as error:
        done(twice, context, row=(6,))
    assert error.value.refusal.code == "nothing-to-binarize"


@pytest.mark.parametrize(("change", "settings", "code"), [
    ({"w2": np.full((4, 4, 3, 3), np.nan)}, {}, "not-finite"), ({}, {"keep": ("nowhere",)}, "unknown-layer"),
    ({}, {"keep": ("inner", "strided")}, "nothing-to-binarize")])
def test_bad_input_is_refused_by_name(change, settings, code, context):
    with pytest.raises(OptimizerError) as error:
        done(residual(**change), context, **settings)
    assert error.value.refusal.code == code and error.value.refusal.mend


def test_the_cards_refuse_what_has_no_hidden_layer():
    from optimizers.cards import Layer, ModelCard
    from optimizers.device import catalogue

    layers = tuple(Layer(name=name, operator="Gemm", parameters=10, macs=10) for name in "ab")
    card = ModelCard.model_construct(family="network", task="classification", layers=layers, outputs=(), classes=None)
    data = type("Card", (), {"task": "classification", "classes": ("a",)})()
    assert Binarization().refuse(card, data, catalogue()["this-server"]).code == "nothing-to-binarize"
    assert Binarization().refuse(card, None, catalogue()["this-server"]).code == "no-dataset"
    assert Binarization(keep=("c",)).refuse(card, data, catalogue()["this-server"]).code == "unknown-layer"


def test_every_state_has_a_word_and_an_arithmetic():
    from optimizers.technique import ARITHMETIC, STATES, WORDS

    assert set(WORDS) == set(ARITHMETIC) == set(STATES)
    assert ARITHMETIC["binarized"] == "fp32", "stock ONNX Runtime rebuilds the weights"


def test_a_plan_orders_it_by_bits_and_models_no_time_for_them():
    from optimizers.body import Body
    from optimizers.device import catalogue
    from optimizers.search import estimate

    after = Binarization().body(Body(parameters=80_000, macs=9e6, activations=50_000))
    assert after.weight_bytes == 80_000 * 1.7 / 8
    assert "device_latency_ms" not in estimate.on_device(after, catalogue()["raspberry-pi-4"])
