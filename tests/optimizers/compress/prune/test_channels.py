"""Channels go for good: narrower layers in the file, equal outputs in torch and runtime, couplings held, the last layer whole."""

import time

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import DatasetCard, Layer, ModelCard
from optimizers.compress.prune.channels import ChannelPruning
from optimizers.compress.prune.channels_reach import prunable
from optimizers.compress.prune.channels_score import squared_gradients
from optimizers.compress.prune.channels_widths import Cost, Group, granule, macs, widths_by_layer, widths_by_network
from optimizers.compress.prune.channels_work import within
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.models import graph, zoo
from optimizers.models.network import Network
from optimizers.models.sequences import on_sequences


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    rows = Split(rng.integers(0, 256, (64, 1, 28, 28)).astype(np.uint8), rng.integers(0, 10, 64))
    return Dataset(rows, rows, rows, "images", "classification", tuple("0123456789"))


def weights(network):
    return {name: array.shape for name, array in graph.constants(network.proto).items() if name.endswith("conv.weight")}


@pytest.mark.parametrize("name", ["resnet8", "dscnn", "tiny-cnn", "mobilenet-small", "mlp"])
@pytest.mark.parametrize("how", [{}, {"scope": "network", "score": "l1"}, {"score": "taylor", "iterations": 2},
                                 {"round_to": 1, "score": "batch-norm"}, {"score": "hessian", "scope": "network"}],
                         ids=["layer", "network", "taylor", "odd", "hessian"])
def test_half_of_the_work_goes_and_the_file_shrinks(noise, tmp_path, name, how):
    network = zoo.build(name, (1, 28, 28), 10, seed=2)
    before = network.serialize()
    pruned = ChannelPruning(share=0.5, **how).apply(network, noise, Context(tmp_path))
    assert len(pruned.serialize()) < 0.8 * len(before) and network.serialize() == before
    x = network.feed(noise.test.x[:3])
    module = pruned.to_torch()
    ours, theirs = module(torch.from_numpy(x)).detach().numpy(), graph.run(pruned.proto, x)[0]
    assert theirs.shape == (3, 10) and np.allclose(ours, theirs, atol=1e-4 * max(1, np.abs(theirs).max()))
    removed = float(pruned.notes[0].rsplit("(", 1)[1].split("%")[0])
    assert 48 <= removed <= 65
    assert graph.constants(pruned.proto)["head.weight"].shape[0] == 10
    if not how:
        assert all(shape[0] % 4 == 0 for shape in weights(pruned).values())


def test_residual_and_depthwise_partners_stay_equal(noise, tmp_path):
    resnet = weights(ChannelPruning(round_to=1).apply(zoo.build("resnet8", (1, 28, 28), 10), noise, Context(tmp_path)))
    assert resnet["stem.conv.weight"][0] == resnet["block1.second.conv.weight"][0]
    assert resnet["block3.second.conv.weight"][0] == resnet["block3.shortcut.conv.weight"][0]
    small = ChannelPruning(round_to=1).apply(zoo.build("dscnn", (1, 28, 28), 10), noise, Context(tmp_path))
    for node in small.proto.graph.node:
        group = graph.attributes(node).get("group", 1)
        if group > 1:
            assert group == graph.constants(small.proto)[node.input[1]].shape[0]


def test_layers_named_in_keep_stay_whole(noise, tmp_path):
    network = zoo.build("tiny-cnn", (1, 28, 28), 10)
    after = weights(ChannelPruning(share=0.4, keep=("middle.conv",)).apply(network, noise, Context(tmp_path)))
    assert after["middle.conv.weight"][0] == 32 and after["top.conv.weight"][0] < 64
    with pytest.raises(OptimizerError, match="no layer named 'nowhere'"):
        ChannelPruning(keep=("nowhere",)).apply(network, noise, Context(tmp_path))
    with pytest.raises(OptimizerError, match="No layer of this network can lose channels"):
        ChannelPruning(keep=("stem.conv", "middle.conv", "top.conv")).apply(network, noise, Context(tmp_path))


def test_attention_stays_whole_and_its_mlp_shrinks(noise, tmp_path):
    network = zoo.build("vit-small", (1, 28, 28), 10)
    x = torch.rand(2, 1, 28, 28)
    assert prunable(network.to_torch(), x) == {f"block{number}.up" for number in range(1, 5)}
    pruned = ChannelPruning(share=0.2).apply(network, noise, Context(tmp_path))
    assert graph.constants(pruned.proto)["block1.up.weight"].shape[1] < 128
    assert graph.constants(pruned.proto)["block1.attention.query.weight"].shape == (64, 64)


def net(nodes, stored, outputs=("y",)):
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
                             [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                             [numpy_helper.from_array(array, name) for name, array in stored.items()])
    return Network(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def small(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def on_small(noise):
    rows = Split(noise.train.x[:, :, :8, :8], noise.train.y)
    return Dataset(rows, rows, rows, "images", "classification", noise.classes)


BRANCHES = [helper.make_node("Conv", ["x", "a"], ["1"], "left", pads=[1] * 4),
            helper.make_node("Conv", ["x", "b"], ["2"], "right", pads=[1] * 4),
            helper.make_node("Concat", ["1", "2"], ["3"], axis=1), helper.make_node("Relu", ["3"], ["4"])]


def test_a_concat_and_a_reshape_with_a_width_in_the_file(noise, tmp_path):
    """Two branches joined by channels, a convolution, flattened to a width that the file spells out, then a linear layer."""
    nodes = [*BRANCHES, helper.make_node("Conv", ["4", "c"], ["5"], "joint"), helper.make_node("Reshape", ["5", "to"], ["6"]),
             helper.make_node("Gemm", ["6", "w", "wb"], ["y"], "last", transB=1)]
    stored = {"a": small(8, 1, 3, 3), "b": small(16, 1, 3, 3), "c": small(12, 24, 1, 1), "w": small(10, 12 * 64), "wb": small(10),
              "to": np.array([-1, 12 * 64], np.int64)}
    data = on_small(noise)
    pruned = ChannelPruning(share=0.5, round_to=1).apply(net(nodes, stored), data, Context(tmp_path))
    after = graph.constants(pruned.proto)
    assert after["c"].shape[1] == after["a"].shape[0] + after["b"].shape[0] < 24
    assert after["w"].shape[1] == 64 * after["c"].shape[0] < 12 * 64
    x = pruned.feed(data.test.x[:2])
    assert np.allclose(pruned.to_torch()(torch.from_numpy(x)).detach().numpy(), graph.run(pruned.proto, x)[0], atol=1e-3)


@pytest.mark.parametrize("right", [8, 16])
def test_a_flattened_concat_is_left_whole(noise, tmp_path, right):
    """torch-pruning takes it for a concat of another axis; nothing may be cut on a misunderstanding."""
    width = (8 + right) * 64
    nodes = [*BRANCHES, helper.make_node("Flatten", ["4"], ["5"]), helper.make_node("Gemm", ["5", "w", "wb"], ["y"], "last", transB=1)]
    stored = {"a": small(8, 1, 3, 3), "b": small(right, 1, 3, 3), "w": small(10, width), "wb": small(10)}
    with pytest.raises(OptimizerError, match="No layer of this network can lose channels"):
        ChannelPruning(share=0.5, round_to=1).apply(net(nodes, stored), on_small(noise), Context(tmp_path))


def test_what_is_kept_is_what_is_worth_most(noise, tmp_path):
    """Four of eight filters are a thousand times larger: they must be the ones that stay."""
    weight = small(8, 1, 3, 3)
    weight[[1, 3, 4, 6]] *= 1000
    nodes = [helper.make_node("Conv", ["x", "a"], ["1"]), helper.make_node("Relu", ["1"], ["2"]),
             helper.make_node("Conv", ["2", "b"], ["y"])]
    pruned = ChannelPruning(share=0.45, round_to=4).apply(net(nodes, {"a": weight, "b": small(3, 8, 3, 3)}), on_small(noise),
                                                          Context(tmp_path))
    assert np.array_equal(graph.constants(pruned.proto)["a"], weight[[1, 3, 4, 6]])


def test_a_channel_constant_in_the_graph_keeps_its_layer_whole():
    nodes = [helper.make_node("Conv", ["x", "a"], ["1"]), helper.make_node("Mul", ["1", "scale"], ["2"]),
             helper.make_node("Conv", ["2", "b"], ["3"]),
             helper.make_node("Relu", ["3"], ["4"]), helper.make_node("Conv", ["4", "c"], ["y"])]
    network = net(nodes, {"a": small(8, 1, 3, 3), "scale": small(1, 8, 1, 1), "b": small(8, 8, 3, 3), "c": small(2, 8, 3, 3)})
    assert prunable(network.to_torch(), torch.rand(2, 1, 8, 8)) == {"b"}


def test_the_hessians_diagonal_by_hand():
    """Squared error (w x - y)^2 has the gradient 2 (w x - y) x: rows (1, 2) -> 0 and (3, 1) -> 1 at w = (1, 1) give (6, 12), (18, 6)."""
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data[:] = torch.tensor([[1.0, 1.0]])
    given = [(torch.tensor([[1.0, 2.0]]), torch.tensor([0.0])), (torch.tensor([[3.0, 1.0]]), torch.tensor([1.0]))]

    class Two:
        def __len__(self):
            return 2

        def take(self, which):
            return given[int(which[0])]

    squared_gradients(layer, layer, Two(), regression=True)
    assert layer.weight.grad.tolist() == [[(6**2 + 18**2) / 2, (12**2 + 6**2) / 2]]


def test_training_between_rounds_is_told_and_counted(digits, trained, context):
    pruned = ChannelPruning(iterations=2, tune_epochs=1).apply(trained, digits, context)
    assert pruned.notes[-1].startswith("After round 1 of 2: Trained 1 of 1 epochs") and context.epochs is None
    assert (context.base, context.span, context.training_share) == (0.0, 1.0, 0.9)
    quick, slow = ChannelPruning(iterations=3), ChannelPruning(iterations=3, tune_epochs=2)
    assert (quick.between(), slow.between()) == (0, 2) and slow.seconds(None, None) > quick.seconds(None, None)
    unlabelled = DatasetCard(kind="array", title="", task="unlabelled")
    assert slow.refuse(None, unlabelled, None).code == "no-labels" and quick.refuse(None, unlabelled, None) is None


BENT = [helper.make_node("Mul", ["h", "h"], ["h2"]), helper.make_node("Mul", ["h2", "h"], ["h3"]),
        helper.make_node("Mul", ["h3", "bend"], ["h4"]), helper.make_node("Add", ["h", "h4"], ["h5"]),
        helper.make_node("Mul", ["h5", "slope"], ["h6"]), helper.make_node("Tanh", ["h6"], ["h7"]),
        helper.make_node("Add", ["h7", "one"], ["h8"]), helper.make_node("Mul", ["h", "half"], ["h9"]),
        helper.make_node("Mul", ["h9", "h8"], ["g"])]


@pytest.mark.parametrize("form", ["matmul", "gemm between reshapes", "matmul between reshapes"])
def test_the_mlp_of_a_transformer_loses_width_whatever_its_form(noise, tmp_path, form):
    """Five tokens of 8 numbers, a layer to 32, GELU spelled out, a layer back and a sum; half of the hidden width may go."""
    first = {"matmul": [helper.make_node("MatMul", ["t", "up"], ["u"], "wide"), helper.make_node("Add", ["u", "upb"], ["h"])],
             "gemm between reshapes": [helper.make_node("Reshape", ["t", "rows"], ["f"]),
                                       helper.make_node("Gemm", ["f", "up_turned", "upb"], ["u"], "wide", transB=1),
                                       helper.make_node("Reshape", ["u", "back"], ["h"])],
             "matmul between reshapes": [helper.make_node("Reshape", ["t", "rows"], ["f"]),
                                         helper.make_node("MatMul", ["f", "up"], ["u"], "wide"),
                                         helper.make_node("Reshape", ["u", "back"], ["v"]), helper.make_node("Add", ["v", "upb"], ["h"])]}
    nodes = [helper.make_node("Reshape", ["x", "to"], ["t"]), *first[form], *BENT,
             helper.make_node("MatMul", ["g", "down"], ["d"], "narrow"),
             helper.make_node("Add", ["d", "t"], ["s"]), helper.make_node("ReduceMean", ["s"], ["m"], axes=[1], keepdims=0),
             helper.make_node("Gemm", ["m", "w"], ["y"], "last", transB=1)]
    up = small(8, 32)
    stored = {"to": np.array([-1, 8, 8]), "rows": np.array([-1, 8]), "back": np.array([-1, 8, 32]), "up": up, "up_turned": up.T.copy(),
              "upb": small(32), "down": small(32, 8), "w": small(10, 8), "bend": np.float32(0.044715), "slope": np.float32(0.7978846),
              "one": np.float32(1), "half": np.float32(0.5)}
    stored = {name: array for name, array in stored.items() if any(name in node.input for node in nodes)}
    network, data = net(nodes, stored), on_small(noise)
    pruned = ChannelPruning(share=0.45).apply(network, data, Context(tmp_path))
    after = graph.constants(pruned.proto)
    assert after["down"].shape == (16, 8) and after["upb"].shape == (16,)
    assert any(array.shape == (8, 16) for array in after.values()) and len(pruned.proto.graph.node) <= len(network.proto.graph.node)
    x = network.feed(data.test.x[:3])
    assert np.allclose(graph.run(network.proto, x)[0], graph.run(on_sequences(network.proto), x)[0], atol=1e-5)


def test_widths_by_hand():
    assert [granule(width, 8) for width in (64, 16, 15, 2)] == [8, 8, 4, 1]
    groups = [Group(np.ones(16), 8, {"a": 16}, {"b": 16}), Group(np.repeat([0.0, 2.0], 16), 8, {"b": 32}, {"c": 32})]
    costs = {"a": Cost(1000, 16, 3), "b": Cost(8000, 32, 16), "c": Cost(1000, 10, 32)}
    assert macs(groups, [16, 32], costs) == 10000 and macs(groups, [8, 16], costs) == 500 + 2000 + 500
    equal = widths_by_layer(groups, costs, 0.5)
    assert macs(groups, equal, costs) <= 5000 and all(width % 8 == 0 for width in equal)
    ranked = widths_by_network(groups, costs, 0.3)
    assert ranked[0] == 16 and ranked[1] < 32, "the first group's channels are all worth as much; the second has worthless ones"


def test_a_clock_stops_a_runaway():
    with pytest.raises(OptimizerError, match="took more than"), within(0.05):
        time.sleep(5)


def test_refusals_and_label():
    device = next(iter(catalogue().values()))
    model = ModelCard(kind="onnx", family="network", title="", layers=(Layer(name="a", operator="Conv"), Layer(name="b", operator="Gemm")))
    assert ChannelPruning().refuse(model, None, device) is None
    assert ChannelPruning().refuse(model.model_copy(update={"family": "graph"}), None, device).code == "graph-only"
    assert ChannelPruning().refuse(model.model_copy(update={"layers": model.layers[:1]}), None, device).code == "nothing-to-prune"
    assert ChannelPruning(share=0.35).label() == "prune 35\u202f%"
