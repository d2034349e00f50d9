"""A layer kept in float stays in float, wherever it lies, and says the same numbers."""

import numpy as np
import onnx
import pytest

from optimizers.compress.fused import count
from optimizers.compress.keep_float import shield
from optimizers.compress.quantize_static import StaticQuantization
from optimizers.measure.shipped import Shipped


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_each_layer_alone(place, trained, digits, context):
    name = [node.name for node in trained.proto.graph.node if node.op_type in ("Conv", "Gemm")][place]
    made = StaticQuantization(rows=32, keep_float=(name,), first="int8").apply(trained, digits, context)
    assert count(made.proto).left == 1


def test_the_shield_changes_no_answer(trained, digits):
    names = {node.name for node in trained.proto.graph.node if node.op_type == "Conv"}
    content = trained.serialize()
    made = trained.with_(proto=shield(trained.proto, names))
    assert trained.serialize() == content
    onnx.checker.check_model(made.proto)
    x = digits.test.x[:20]
    np.testing.assert_allclose(Shipped(made).predict(x), Shipped(trained).predict(x), rtol=1e-5, atol=1e-6)
