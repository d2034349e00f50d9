"""One look at every layer: treatments worked by hand, rows for all that applies."""

import numpy as np
from onnx import helper

from optimizers.measure import probe
from optimizers.models.rewrite import Layer


def layer(weight, kind="Conv", **attributes):
    return Layer("a", helper.make_node(kind, ["x", "w"], ["y"], **attributes), np.asarray(weight, np.float32), None, 0)


def test_the_smaller_half_of_the_channels_goes():
    small = layer([[[[3.0]]], [[[-1.0]]], [[[2.0]]], [[[1.0]]]])
    assert probe.half_gone(small).ravel().tolist() == [3, 0, 2, 0]
    assert probe.half_gone(layer([[[[3.0]]]])) is None


def test_one_bit_is_the_sign_times_the_mean_magnitude():
    assert probe.signs(layer([[[[1.0, -3.0]]], [[[0.0, -2.0]]]])).tolist() == [[[[2.0, -2.0]]], [[[1.0, -1.0]]]]


def test_half_the_rank_keeps_the_larger_direction():
    made = probe.half_rank(layer(np.diag([4.0, 1.0]), "MatMul"))
    np.testing.assert_allclose(made, np.diag([4.0, 0.0]), atol=1e-6)
    assert probe.half_rank(layer(np.ones((4, 1, 3, 3)), group=4)) is None, "a depthwise layer has no rank to lose"


def test_every_layer_has_a_row_for_every_treatment(trained, digits, context):
    rows = probe.probe(trained, digits, context)
    layers = [node.name for node in trained.proto.graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(rows) == len(layers) * len(probe.TREATMENTS) and [row.layer for row in rows[:len(layers)]] == layers
    error = {treatment: np.mean([row.error for row in rows if row.treatment == treatment]) for treatment in probe.TREATMENTS}
    assert error["8 bits"] < error["4 bits"] < error["2 bits"], "fewer bits move the outputs further"
    assert (context.base, context.span) == (0.0, 1.0)
