"""Layers, multiply-accumulates and peak activation bytes, worked by hand on toy graphs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.models.graph_facts import analyse


def weights(name: str, *shape: int, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, kind), name)


def model(nodes: list, inits: list, shape: tuple, outputs: list[str], opset: int = 17, **more) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def small_cnn(batch: int | str = "n") -> onnx.ModelProto:
    """Conv 3 -> 4 (3x3, padded) on 8x8, Relu, global pool, Gemm 4 -> 5."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], "head", transB=1),
    ]
    inits = [weights("w", 4, 3, 3, 3), weights("b", 4), weights("w2", 5, 4), weights("b2", 5)]
    return model(nodes, inits, (batch, 3, 8, 8), ["y"])


@pytest.mark.parametrize("batch", ["n", 1, 6])
def test_a_small_network_by_hand(batch: int | str) -> None:
    facts = analyse(small_cnn(batch))
    assert facts.parameters == 108 + 4 + 20 + 5
    assert facts.operators == {"Conv": 1, "Relu": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    assert next((layer.name, layer.macs, layer.parameters) for layer in facts.layers) == ("conv", 4 * 64 * 27, 112)
    if batch != 6:
        assert facts.macs == 4 * 64 * 27 + 20
        assert facts.activation_bytes == (3 * 64 + 4 * 64) * 4      # x and c; Relu works in place
        assert facts.layers[0].input_shape == (3, 8, 8)
        assert facts.layers[1].output_shape == (5,)
    assert facts.inputs[0].shape == (None if batch == "n" else batch, 3, 8, 8)


def test_a_residual_keeps_its_shortcut_alive() -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("Add", ["c", "x"], ["y"])]
    facts = analyse(model(nodes, [weights("w", 2, 2, 3, 3)], ("n", 2, 4, 4), ["y"]))
    assert facts.activation_bytes == 3 * 2 * 16 * 4      # x, c and y at once


def qdq() -> onnx.ModelProto:
    """Conv 1 -> 2 (1x1) on 4x4 with int8 weights and uint8 activations: Q DQ Conv Q DQ."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]), helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "wz"], ["w"]), helper.make_node("DequantizeLinear", ["bq", "s", ""], ["b"]),
        helper.make_node("Conv", ["xf", "w", "b"], ["c"], "conv"), helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"]),
    ]
    inits = [weights("s"), weights("z", kind=np.uint8), weights("wz", kind=np.int8), weights("wq", 2, 1, 1, 1, kind=np.int8),
             weights("bq", 2, kind=np.int32)]
    return model(nodes, inits, ("n", 1, 4, 4), ["y"])


def test_a_quantized_graph_counts_its_weights_once_and_its_bytes_as_stored() -> None:
    facts = analyse(qdq())
    assert facts.quantized
    assert facts.parameters == 4
    assert facts.macs == 2 * 16
    assert [(layer.operator, layer.parameters, layer.macs) for layer in facts.layers] == [("Conv", 4, 32)]
    assert facts.activation_bytes == 16 + 32      # int8 in and out: what lies between Conv and QuantizeLinear never exists


def test_free_shapes_give_no_count_instead_of_a_wrong_one() -> None:
    facts = analyse(model([helper.make_node("Conv", ["x", "w"], ["y"])], [weights("w", 2, 3, 3, 3)], ("n", 3, "h", "w_"), ["y"]))
    assert facts.macs is None
    assert facts.activation_bytes is None
    assert facts.parameters == 54


def test_the_input_model_stays_as_it_is() -> None:
    proto = small_cnn()
    before = proto.SerializeToString(deterministic=True)
    analyse(proto)
    assert proto.SerializeToString(deterministic=True) == before
