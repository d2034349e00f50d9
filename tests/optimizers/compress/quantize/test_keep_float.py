"""A layer kept in float stays in float, wherever it lies, and says the same numbers."""

import onnx
import pytest

from optimizers.compress.quantize.fused import count
from optimizers.compress.quantize.keep_float import shield
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.measure.shipped import Shipped


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_each_layer_alone(place, trained, digits, context):
    name = [node.name for node in trained.proto.graph.node if node.op_type in ("Conv", "Gemm")][place]
    made = StaticQuantization(rows=32, keep_float=(name,), first="int8").apply(trained, digits, context)
    assert count(made.proto).left == 1


def test_the_shield_changes_no_answer(trained, digits, context):
    """Over a quantized network with every convolution named: those with a dequantized input get one, and all answers stay."""
    quantized = StaticQuantization(rows=32, keep_float=("middle.conv",), first="int8").apply(trained, digits, context)
    names = {node.name for node in quantized.proto.graph.node if node.op_type == "Conv"}
    content = quantized.serialize()
    made = quantized.with_(proto=shield(quantized.proto, names))
    assert quantized.serialize() == content
    added = [len([node for node in proto.graph.node if node.op_type == "LeakyRelu"]) for proto in (quantized.proto, made.proto)]
    assert added[0] == 1 and added[1] > 1
    onnx.checker.check_model(made.proto)
    x = digits.test.x[:20]
    # other layers fall back to float now, so their weights' rounding differs by what int8 allows, not more
    assert (Shipped(made).predict(x).argmax(1) == Shipped(quantized).predict(x).argmax(1)).mean() >= 0.9
    first = {node.name for node in trained.proto.graph.node if node.op_type == "Conv"}
    assert shield(trained.proto, first) == trained.proto, "a float network has nothing to shield"
