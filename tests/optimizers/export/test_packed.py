"""Packed weights: bytes worked by hand, the graph that rebuilds them, and what measures see of it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.export.halved import halved
from optimizers.export.packed import Coded, pack, packed
from optimizers.export.slim import slim
from optimizers.measure.memory import needs, weight_bytes
from optimizers.measure.shipped import fused_operators
from optimizers.models import graph
from optimizers.models.network import Network

SIGNS = np.array([-1, 1], np.float32)


def two_layers(first, second):
    """x (n, 2, 4, 4) -> Conv (3, 2, 3, 3) -> mean -> Gemm (3, 5)."""
    nodes = [helper.make_node("Conv", ["x", "first"], ["c"], name="one", pads=[1, 1, 1, 1]),
             helper.make_node("GlobalAveragePool", ["c"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Gemm", ["f", "second"], ["y"], name="two")]
    made = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 4, 4])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
                             [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_bytes_by_hand():
    assert pack(np.array([1, 0, 1, 1, 0, 0, 0, 1, 1]), 1).tolist() == [0b10110001, 0b10000000]
    assert pack(np.array([3, 9]), 4).tolist() == [0x39]
    assert pack(np.array([200, 7]), 8).tolist() == [200, 7]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("scaled", [False, True])
def test_the_packed_graph_answers_bit_for_bit_what_the_unpacked_one_does(bits, scaled):
    rng = np.random.default_rng(bits)
    codes = [rng.integers(0, 2**bits, shape) for shape in ((3, 2, 3, 3), (3, 5))]      # 54 and 15 codes: no whole bytes
    scales = [rng.random((3, 1, 1, 1), np.float32) + 0.5, rng.random((1, 5), np.float32)] if scaled else [None, None]
    coded = [Coded(code, rng.normal(size=2**bits).astype(np.float32), bits, scale) for code, scale in zip(codes, scales, strict=True)]
    plain = two_layers(coded[0].values, coded[1].values)
    small = packed(plain, {"first": coded[0], "second": coded[1]})
    onnx.checker.check_model(small, full_check=True)
    x = rng.normal(size=(7, 2, 4, 4)).astype(np.float32)
    for one in (small, slim(small)):
        assert np.array_equal(graph.run(one, x)[0], graph.run(plain, x)[0])
    assert set(fused_operators(small.SerializeToString())) == set(fused_operators(plain.SerializeToString()))     # folded when it opens
    assert needs(Network(small)).macs == needs(Network(plain)).macs == {"fp32": 54 * 16 + 15}
    assert needs(Network(small)).parameters == 69


def test_widths_can_differ_and_a_book_may_be_shared():
    rng = np.random.default_rng(0)
    one = Coded(rng.integers(0, 2, (3, 2, 3, 3)), SIGNS, 1)
    two = Coded(rng.integers(0, 3, (3, 5)), np.array([-0.5, 0, 0.5], np.float32), 2)       # three levels in two bits
    x = rng.normal(size=(2, 2, 4, 4)).astype(np.float32)
    plain = two_layers(one.values, two.values)
    small = packed(plain, {"first": one, "second": two})
    assert np.array_equal(graph.run(small, x)[0], graph.run(plain, x)[0])
    assert weight_bytes(plain) == 4 * 69
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    # 15 codes of 2 bits, 54 of 1
    assert sorted(array.size for array in stored.values() if array.dtype == np.uint8 and array.ndim == 2) == [4, 7]


def test_equal_books_of_different_types_stay_apart():
    """Integer weights and float ones of the same numbers: each is rebuilt in its own type."""
    whole, real = Coded(np.array([0, 1, 1]), SIGNS.astype(np.int8), 1), Coded(np.array([1, 0]), SIGNS, 1)
    nodes = [helper.make_node("Cast", ["whole"], ["c"], to=TensorProto.FLOAT), helper.make_node("Concat", ["c", "real"], ["k"], axis=0),
             helper.make_node("Add", ["x", "k"], ["y"])]
    made = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
                             [numpy_helper.from_array(whole.values, "whole"), numpy_helper.from_array(real.values, "real")])
    small = packed(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), {"whole": whole, "real": real})
    assert graph.run(small, np.zeros((1, 5), np.float32))[0].tolist() == [[-1, 1, 1, 1, -1]]


def test_wrong_codes_are_refused():
    with pytest.raises(ValueError, match="not 9"):
        Coded(np.zeros(2, int), SIGNS, 9)
    with pytest.raises(ValueError, match="covers"):
        Coded(np.array([0, 2]), SIGNS, 1)


def test_halved_keeps_three_digits_and_leaves_what_fp16_cannot_hold():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(3, 2, 3, 3)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    x = rng.normal(size=(4, 2, 4, 4)).astype(np.float32)
    plain = two_layers(first, second)
    small = halved(plain)
    rounded = two_layers(*(array.astype(np.float16).astype(np.float32) for array in (first, second)))
    assert np.array_equal(graph.run(small, x)[0], graph.run(rounded, x)[0])
    assert weight_bytes(small) == weight_bytes(plain) / 2
    assert weight_bytes(halved(two_layers(first * 1e6, second * 1e-9))) == weight_bytes(plain)
