"""Channels evened out between layers: the same outputs, weights that one scale fits."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.compress.quantize.equalize import CrossLayerEqualization
from optimizers.compress.quantize.equalize_work import pairs_of
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.measure.shipped import Shipped
from optimizers.models.graph import run
from optimizers.models.network import Network
from optimizers.models.rewrite import weighted


def dense(between="Relu", second=((1.0, 0.1), (1.0, 0.1))) -> onnx.ModelProto:
    """x (n, 2) -> Gemm with rows of size 4 and 1 -> between -> Gemm."""
    tensors = {"w1": np.array([[4, 0], [0, 1]], np.float32), "b1": np.array([8, 1], np.float32), "w2": np.array(second, np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="one", transB=1), helper.make_node(between, ["h"], ["r"]),
         helper.make_node("Gemm", ["r", "w2"], ["y"], name="two", transB=1)], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_each_channel_becomes_the_geometric_mean_of_its_two_sides(context):
    made = CrossLayerEqualization(rounds=1).apply(Network(dense()), None, context)
    one, two = weighted(made.proto)
    np.testing.assert_allclose(np.abs(one.weight).max(axis=1), [2, np.sqrt(0.1)], rtol=1e-6)        # sqrt(4 * 1), sqrt(1 * 0.1)
    np.testing.assert_allclose(np.abs(two.weight).max(axis=0), [2, np.sqrt(0.1)], rtol=1e-6)
    np.testing.assert_allclose(one.bias, [4, np.sqrt(0.1)], rtol=1e-6)
    x = np.array([[1, -2], [3, 0.5]], np.float32)
    np.testing.assert_allclose(run(made.proto, x)[0], run(dense(), x)[0], rtol=1e-5)


@pytest.mark.parametrize("between", ["Sigmoid", "Tanh"])
def test_curves_are_not_reached_through(between, context):
    made = CrossLayerEqualization().apply(Network(dense(between)), None, context)
    assert pairs_of(dense(between)) == [] and "nothing was equalized" in made.notes[-1]


def test_a_dead_channel_is_left(context):
    made = CrossLayerEqualization().apply(Network(dense(second=((1.0, 0.0), (1.0, 0.0)))), None, context)
    assert np.isfinite(next(iter(weighted(made.proto))).weight).all()


def test_a_real_network_answers_the_same_and_rounds_better_with_one_scale(trained, digits, context):
    made = CrossLayerEqualization().apply(trained, digits, context)
    plain, even = (Shipped(network).predict(digits.validation.x) for network in (trained, made))
    np.testing.assert_allclose(even, plain, rtol=1e-3, atol=1e-3 * np.abs(plain).max())
    gap = [float(((Shipped(StaticQuantization(rows=100, bits=4, per_channel=False).apply(network, digits, context))
                   .predict(digits.validation.x) - plain) ** 2).mean()) for network in (trained, made)]
    assert gap[1] < gap[0]
