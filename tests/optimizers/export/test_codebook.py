"""Which tensors become codes: by hand, bit for bit, and only where that is smaller."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.export.codebook import in_codes, with_books
from optimizers.models import graph


def test_the_most_frequent_number_comes_first():
    made = in_codes(np.repeat(np.array([[7, -2, 0, 0, 0, 7]], np.int8), 100, axis=0))
    assert (made.book.tolist(), made.codes[4].tolist(), made.bits, made.book.dtype) == ([0, 7, -2], [1, 2, 0, 0, 0, 1], 2, np.int8)


@pytest.mark.parametrize("count", [2, 3, 5, 16, 17, 100, 256])
def test_every_number_comes_back_bit_for_bit(count):
    rng = np.random.default_rng(count)
    numbers = np.r_[0.0, -0.0, np.nan, 1e-42, rng.normal(size=count)].astype(np.float32)[:count]
    array = np.r_[numbers, rng.choice(numbers, 64 * 64 - count)].reshape(64, 64)
    made = in_codes(array)
    assert made.bits == (count - 1).bit_length() and np.array_equal(made.values.view(np.uint32), array.view(np.uint32))


@pytest.mark.parametrize("array", [np.arange(257, dtype=np.float32).reshape(1, -1).repeat(9, 0), np.zeros(4000, np.float32),
                                   np.zeros((7, 7), np.float32), np.zeros((99, 99), np.int64), np.zeros((0, 4), np.float32),
                                   np.arange(-128, 128, dtype=np.int8).reshape(16, 16), np.arange(200, dtype=np.float32).reshape(2, 100)],
                         ids=["many", "a bias", "small", "whole numbers", "empty", "full int8", "each once"])
def test_what_would_not_be_smaller_stays(array):
    assert in_codes(array) is None


def test_a_graph_of_an_old_operator_set_stays_as_it_is():
    weight = np.ones((64, 64), np.float32)
    made = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
                             [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])], [numpy_helper.from_array(weight, "w")])
    old, new = (helper.make_model(made, opset_imports=[helper.make_opsetid("", version)], ir_version=8) for version in (12, 13))
    assert with_books(old) is old and len(with_books(new).SerializeToString()) < 0.1 * len(new.SerializeToString())
    x = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    assert np.array_equal(graph.run(with_books(new), x)[0], graph.run(new, x)[0])
