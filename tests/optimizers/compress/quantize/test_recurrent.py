"""LSTMs and convolutions without labels: dynamic int8, stored weights and clusters, with the sequence's own state."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.compress.quantize.dynamic import DynamicQuantization
from optimizers.compress.quantize.weights import WeightQuantization
from optimizers.compress.quantize.weights_work import codes
from optimizers.compress.share.cluster_weights import WeightClustering
from optimizers.device import catalogue
from optimizers.measure.memory import needs
from optimizers.measure.shipped import Shipped
from optimizers.models.audit_card import card_of
from optimizers.models.load import from_proto

HIDDEN, WIDTH, GATES = 16, 32, 4
ROWS = np.random.default_rng(5).normal(size=(60, WIDTH)).astype(np.float32)


def listener() -> onnx.ModelProto:
    """x: (batch, 32), h, c: (1, batch, 16) -> y (batch, 1), hn, cn; one Conv of width 1, then an LSTM of one step."""
    rng = np.random.default_rng(2)
    weights = {"k": rng.normal(0, 0.3, (WIDTH, WIDTH, 1)), "w": rng.normal(0, 0.3, (1, GATES * HIDDEN, WIDTH)),
               "r": rng.normal(0, 0.3, (1, GATES * HIDDEN, HIDDEN)), "b": np.zeros((1, 2 * GATES * HIDDEN)),
               "v": rng.normal(0, 1, (HIDDEN, 1))}
    nodes = [
        helper.make_node("Unsqueeze", ["x", "two"], ["x3"]), helper.make_node("Conv", ["x3", "k"], ["c3"], "front"),
        helper.make_node("Squeeze", ["c3", "two"], ["flat"]), helper.make_node("Unsqueeze", ["flat", "zero"], ["step"]),
        helper.make_node("LSTM", ["step", "w", "r", "b", "", "h", "c"], ["", "hn", "cn"], "memory", hidden_size=HIDDEN),
        helper.make_node("Squeeze", ["hn", "zero"], ["last"]), helper.make_node("MatMul", ["last", "v"], ["z"], "top"),
        helper.make_node("Sigmoid", ["z"], ["y"])]
    state = [1, "batch", HIDDEN]
    graph = helper.make_graph(
        nodes, "listener", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH]),
                            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, state) for name in "hc")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1]),
         *(helper.make_tensor_value_info(name, TensorProto.FLOAT, state) for name in ("hn", "cn"))],
        [*(numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()),
         numpy_helper.from_array(np.array([2]), "two"), numpy_helper.from_array(np.array([0]), "zero")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def network():
    return from_proto(listener())


@pytest.fixture(scope="module")
def before(network):
    return Shipped(network).answers(ROWS)[0]


def test_both_states_are_carried(network):
    assert network.preprocessing.carried == {"h": "hn", "c": "cn"}
    assert needs(network).total_macs == WIDTH * WIDTH + GATES * HIDDEN * (WIDTH + HIDDEN) + HIDDEN


def test_dynamic_int8_reaches_the_lstm(network, before, context):
    made = DynamicQuantization().apply(network, None, context)
    assert "0 of 1 convolution, 1 of 1 matrix product and 1 of 1 LSTM run in int8." in made.notes
    assert np.abs(Shipped(made).answers(ROWS)[0] - before).max() < 0.05
    assert len(made.serialize()) < 0.65 * len(network.serialize())
    found = needs(made).macs
    assert found["int8"] >= GATES * HIDDEN * (WIDTH + HIDDEN) and sum(found.values()) == needs(network).total_macs
    assert needs(made).parameters == needs(network).parameters + 1         # the product's one scale


@pytest.mark.parametrize(("bits", "closeness", "share"), [(8, 0.03, 0.45), (4, 0.3, 0.35)])
def test_other_weights_are_stored_in_few_bits(bits, closeness, share, network, before, context):
    made = WeightQuantization(bits=bits, others="stored").apply(network, None, context)
    assert np.abs(Shipped(made).answers(ROWS)[0] - before).max() < closeness
    assert len(made.serialize()) < share * len(network.serialize()) and needs(made).total_macs == needs(network).total_macs
    assert "3 weights of convolutions and recurrent layers" in made.notes[-1]


def test_codes_worked_by_hand():
    found = codes(np.array([[[7.0, -3.2], [0.5, 0.25]]], np.float32), 8, 1)
    assert found.scale.shape == (1, 2, 1) and np.allclose(found.scale.ravel(), [7 / 127, 0.5 / 127])
    assert found.codes.tolist() == [[[254, 127 - 58], [254, 127 + 64]]]            # 0.25 is 63.5 steps: a tie goes to the even 64
    assert np.abs(found.values - [[[7.0, -3.2], [0.5, 0.25]]]).max() <= 7 / 127 / 2


def test_clusters_share_the_weights_of_an_lstm(network, context):
    made = WeightClustering(bits=3, epochs=0).apply(network, None, context)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer}
    assert all(len(np.unique(stored[name])) <= 8 for name in "kwr")


def test_what_trains_is_refused_by_the_layers_name(tmp_path):
    from optimizers.compress.prune.channels import ChannelPruning

    onnx.save(listener(), tmp_path / "net.onnx")
    card = card_of(tmp_path / "net.onnx", "onnx", {})
    refused = ChannelPruning().refuse(card, None, catalogue()["this-server"])
    assert refused.where == "LSTM memory" and "an LSTM" in refused.wrong and "quantize-dynamic" in refused.mend
    assert DynamicQuantization().refuse(card, None, catalogue()["this-server"]) is None
