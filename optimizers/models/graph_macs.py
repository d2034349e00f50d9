"""Multiply-accumulate counts: one line of arithmetic for each operator that has any."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import onnx
from onnx import helper

from optimizers.models.graph_shapes import Scope

WEIGHT = {"QLinearConv": 3, "QLinearMatMul": 3}        # which input holds the weights, where it is not the second
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Unknown(Exception):
    """A shape that the count needs is not known."""


def macs(node: onnx.NodeProto, scope: Scope) -> int:
    """Multiply-accumulates of one run of `node`; 0 for operators that only move, compare or add.  Raises Unknown."""
    count = COUNT.get(node.op_type)
    return count(node, scope) if count else 0


def known(scope: Scope, name: str) -> tuple[int, ...]:
    shape = scope.shape(name)
    if shape is None:
        raise Unknown(name)
    return shape


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def convolution(node: onnx.NodeProto, scope: Scope) -> int:
    """W: (filters, channels / group, *kernel); every output value takes one filter."""
    weight = known(scope, node.input[WEIGHT.get(node.op_type, 1)])
    return prod(known(scope, node.output[0])) * prod(weight[1:])


def transposed(node: onnx.NodeProto, scope: Scope) -> int:
    """W: (channels, filters / group, *kernel); every input value is spread by its row of W."""
    return prod(known(scope, node.input[0])) * prod(known(scope, node.input[1])[1:])


def gemm(node: onnx.NodeProto, scope: Scope) -> int:
    left = known(scope, node.input[0])
    return prod(known(scope, node.output[0])) * left[0 if attribute(node, "transA", 0) else -1]


def matmul(node: onnx.NodeProto, scope: Scope) -> int:
    return prod(known(scope, node.output[0])) * known(scope, node.input[0])[-1]


def recurrent(node: onnx.NodeProto, scope: Scope) -> int:
    """X: (steps, batch, inputs); W: (directions, gates * hidden, inputs); R: (directions, gates * hidden, hidden)."""
    x, w, r = (known(scope, node.input[i]) for i in range(3))
    return x[0] * x[1] * (prod(w) + prod(r)) if node.op_type in GATES else 0


def einsum(node: onnx.NodeProto, scope: Scope) -> int:
    equation = attribute(node, "equation", b"")
    terms = bytes(equation).decode().replace(" ", "").split("->")[0].split(",")  # type: ignore[arg-type]
    sizes: dict[str, int] = {}
    for name, term in zip(node.input, terms, strict=True):
        if "." in term:
            raise Unknown(name)
        sizes.update(zip(term, known(scope, name), strict=True))
    return prod(sizes.values()) if len(terms) > 1 else 0


def attention(node: onnx.NodeProto, scope: Scope) -> int:
    """Q K^T and its product with V; keys are (..., length, width) in both layouts."""
    length = known(scope, node.input[1])[-2]
    return (prod(known(scope, node.input[0])) + prod(known(scope, node.output[0]))) * length


COUNT: dict[str, Callable[[onnx.NodeProto, Scope], int]] = {
    "Conv": convolution, "ConvInteger": convolution, "QLinearConv": convolution, "ConvTranspose": transposed, "Gemm": gemm,
    "MatMul": matmul, "MatMulInteger": matmul, "QLinearMatMul": matmul, "LSTM": recurrent, "GRU": recurrent, "RNN": recurrent,
    "Einsum": einsum, "Attention": attention,
}
