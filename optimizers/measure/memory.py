"""What one inference needs beside its time: multiply-accumulates by type, bytes of weights, the peak of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import onnx

from optimizers.models.graph_facts import analyse
from optimizers.models.graph_packed import BLOCKS, DYNAMIC_LSTM, packed_bits
from optimizers.models.trees_onnx import trees_in
from optimizers.technique import ARITHMETIC

if TYPE_CHECKING:
    from optimizers.models.network import Network

INTEGER = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", DYNAMIC_LSTM}
NODE_BYTES = 10         # of a node in tables of C: feature, threshold, two children
PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


@dataclass(frozen=True)
class Needs:
    """macs: by element type, for one row, None where shapes are free.  weight_bytes: all stored tensors, and trees as tables of C.
    peak_bytes: activations.  comparisons: of one row in trees, on the longest way of each.
    """

    macs: dict[str, int] | None
    weight_bytes: int
    peak_bytes: int | None
    parameters: int
    comparisons: int = 0

    @property
    def total_macs(self) -> int | None:
        return None if self.macs is None else sum(self.macs.values())


def needs(network: Network) -> Needs:
    facts = analyse(network.proto)
    macs = None if facts.macs is None else by_type(network, {layer.name: layer.macs for layer in facts.layers}, facts.macs)
    trees = trees_in(network.proto) if network.state == "estimator" else []
    held = sum(NODE_BYTES * tree.nodes + tree.values.nbytes for tree in trees)
    return Needs(macs, weight_bytes(network.proto) + held, facts.activation_bytes, facts.parameters,
                 sum(int(tree.depths.sum()) for tree in trees))


def by_type(network: Network, layers: dict[str, int], total: int) -> dict[str, int]:
    """Multiply-accumulates in "bit", in "int8" and in "fp32" (or "fp16"). What no layer owns counts with the majority.

    "bit": both factors are +1 or -1, so that XNOR and a count of ones do it where a backend can; stock ONNX Runtime multiplies in fp32.
    """
    if network.state == "half":
        return {arithmetic(network): total}
    bits = in_bits(network.proto)
    made = {name: node.op_type for node in network.proto.graph.node for name in node.output}
    counts = dict.fromkeys(("bit", "int8", "fp32"), 0)
    owners = {node.name or node.output[0]: node for node in network.proto.graph.node}
    for name, macs in layers.items():
        node = owners.get(name)
        integer = node is not None and in_integers(node, made)
        counts["bit" if name in bits else "int8" if integer else "fp32"] += macs
    most = max(reversed(counts), key=counts.__getitem__)
    counts[most] += total - sum(counts.values())
    return {name: count for name, count in counts.items() if count}


def arithmetic(network: Network) -> str:
    """What the runtime computes most products in. 16-bit weights that only a Cast reads are stored so, no more."""
    if network.state != "half":
        return ARITHMETIC[network.state]
    short = {tensor.name for tensor in network.proto.graph.initializer
             if tensor.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)}
    readers = {node.op_type for node in network.proto.graph.node if short.intersection(node.input)}
    return "fp32" if readers <= {"Cast"} else "fp16"


def in_bits(proto: onnx.ModelProto) -> set[str]:
    """Names of the products of a weight in packed single bits and of activations that a Where made +1 or -1."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    dims = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    units = {tensor.name for tensor in proto.graph.initializer
             if prod(tensor.dims) == 1 and abs(onnx.numpy_helper.to_array(tensor).item()) == 1}
    return {node.name or node.output[0] for node in proto.graph.node
            if node.op_type in PRODUCTS and packed_bits(node.input[1], makers, dims) == 1
            and (sign := makers.get(node.input[0])) is not None and sign.op_type == "Where" and units.issuperset(sign.input[1:])}


def in_integers(node: onnx.NodeProto, made: dict[str, str]) -> bool:
    """A product whose two factors come out of DequantizeLinear is one that a backend runs in integers."""
    if node.op_type in INTEGER:
        return True
    if node.op_type == BLOCKS:          # accuracy_level 4: activations are rounded to int8 on the fly
        return any(a.name == "accuracy_level" and a.i == 4 for a in node.attribute)
    return node.op_type in PRODUCTS and all(made.get(name) == "DequantizeLinear" for name in node.input[:2])


def weight_bytes(proto: onnx.ModelProto) -> int:
    """Bytes of every stored tensor, scales and biases too."""
    return sum(prod(tensor.dims) * item_bytes(tensor.data_type) for tensor in proto.graph.initializer)


def item_bytes(data_type: int) -> int:
    return onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize
