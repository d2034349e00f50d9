"""Networks go into torch and come back: equal outputs, shared weights, foreign files, and what cannot be read."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.models import graph, zoo
from optimizers.models.fold import fold_batch_norm
from optimizers.models.load import load_model
from optimizers.models.network import Network

SHARED = Path(os.environ.get("ESPALIER_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "data/models"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="real models are not beside the checkout (../shared/data)")


def row_of(name):
    return (20,) if name == "mlp" else (1, 28, 28)


def lively(network, seed=0):
    """The network with batch norms that have seen something, so that equality says more than for fresh ones."""
    module = network.to_torch()
    torch.manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 1.5)
    return network.with_module(module)


def outputs(module, x):
    with torch.no_grad():
        made = module(torch.from_numpy(x))
    return [part.numpy() for part in (made if isinstance(made, tuple) else (made,))]


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_zoo_networks_are_equal_in_torch_and_runtime_and_survive_the_way_back(name):
    network = lively(zoo.build(name, row_of(name), 7, seed=1))
    before = network.serialize()
    x = np.random.default_rng(0).random((3, *row_of(name)), np.float32)
    module = network.to_torch()
    assert np.allclose(outputs(module, x)[0], graph.run(network.proto, x)[0], atol=1e-5)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    changed = network.with_module(module)
    assert np.allclose(outputs(module, x)[0], graph.run(changed.proto, x)[0], rtol=1e-4, atol=1e-4)
    assert not np.allclose(graph.run(network.proto, x)[0], graph.run(changed.proto, x)[0], atol=1e-3)
    assert network.serialize() == before, "the network that came in is never changed"
    assert [node.op_type for node in changed.proto.graph.node] == [node.op_type for node in network.proto.graph.node]


@pytest.mark.parametrize("name", ["resnet8", "dscnn", "tiny-cnn"])
def test_zoo_layers_are_real_and_named_after_their_weights(name):
    module = zoo.build(name, (1, 28, 28), 10).to_torch()
    assert isinstance(module.get_submodule("head"), torch.nn.Linear)
    assert isinstance(module.get_submodule("stem.conv"), torch.nn.Conv2d)
    assert isinstance(module.get_submodule("stem.bn"), torch.nn.BatchNorm2d)


def test_same_seed_same_weights():
    assert zoo.build("resnet8", (1, 28, 28), 10, 5).serialize() == zoo.build("resnet8", (1, 28, 28), 10, 5).serialize()
    assert zoo.build("resnet8", (1, 28, 28), 10, 5).serialize() != zoo.build("resnet8", (1, 28, 28), 10, 6).serialize()


@pytest.mark.parametrize("name", ["resnet8", "dscnn", "mobilenet-small"])
def test_folding_batch_norm_changes_no_output(name):
    network = lively(zoo.build(name, (3, 32, 32), 10))
    folded = fold_batch_norm(network.proto)
    x = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    one, other = graph.run(network.proto, x, optimize=False)[0], graph.run(folded, x, optimize=False)[0]
    assert np.allclose(one, other, atol=1e-5 * max(1, np.abs(one).max()))
    assert not any(node.op_type == "BatchNormalization" for node in folded.graph.node)
    assert any(node.op_type == "BatchNormalization" for node in network.proto.graph.node)
    onnx.checker.check_model(folded)


def test_folding_into_gemm_and_transposed_convolution():
    rng = np.random.default_rng(0)
    w = {"t": rng.normal(size=(3, 4, 2, 2)), "g": rng.normal(size=(5, 36)), "gb": rng.normal(size=5)}
    w |= {f"{k}{n}": rng.uniform(0.5, 1.5, n) for k in "abcd" for n in (4, 5)}
    nodes = [helper.make_node("ConvTranspose", ["x", "t"], ["1"], strides=[1, 1]),
             helper.make_node("BatchNormalization", ["1", "a4", "b4", "c4", "d4"], ["2"]),
             helper.make_node("Flatten", ["2"], ["3"]), helper.make_node("Gemm", ["3", "g", "gb"], ["4"], transB=1),
             helper.make_node("BatchNormalization", ["4", "a5", "b5", "c5", "d5"], ["y"])]
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 2, 2])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                             [numpy_helper.from_array(array.astype(np.float32), name) for name, array in w.items()])
    proto = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = rng.random((3, 3, 2, 2), np.float32)
    folded = fold_batch_norm(proto)
    assert [node.op_type for node in folded.graph.node] == ["ConvTranspose", "Flatten", "Gemm"]
    assert np.allclose(graph.run(proto, x)[0], graph.run(folded, x)[0], rtol=1e-4, atol=1e-4)


def test_a_weight_used_twice_stays_one_parameter():
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["1"]), helper.make_node("Relu", ["1"], ["2"]),
             helper.make_node("MatMul", ["2", "w"], ["y"])]
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
                             [numpy_helper.from_array(rng.normal(size=(4, 4)).astype(np.float32), "w")])
    network = Network(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    module = network.to_torch()
    assert len(list(module.parameters())) == 1
    with torch.no_grad():
        next(module.parameters()).mul_(2)
    x = rng.random((2, 4), np.float32)
    assert np.allclose(graph.run(network.with_module(module).proto, x)[0], 4 * graph.run(network.proto, x)[0], rtol=1e-5)


@needs_shared
def test_an_old_detector_with_a_fixed_batch_is_read_whole():
    network = load_model(SHARED / "ultra-light-face/version-slim-320.onnx")
    assert any("batch axis" in note for note in network.notes) and graph.opset(network.proto) == 17
    original = onnx.load(SHARED / "ultra-light-face/version-slim-320.onnx")
    x = np.random.default_rng(0).random((2, 3, 240, 320), np.float32)
    module = network.to_torch()
    theirs = [np.concatenate(parts) for parts in zip(*(graph.run(original, x[at:at + 1]) for at in range(2)), strict=True)]
    for ours, other in zip(outputs(module, x), theirs, strict=True):
        assert np.allclose(ours, other, atol=1e-5)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in module.modules()) == 42


@needs_shared
def test_a_network_with_state_is_for_the_runtime_only():
    network = load_model(SHARED / "silero-vad/silero_vad_16k_op15.onnx")
    refusal = network.why_not_torch()
    assert refusal.code == "several-inputs" and "3 inputs (input, state, sr)" in refusal.wrong and refusal.mend
