"""Putting other nodes in the place of one: how a technique changes the structure of an ONNX graph.

The file stays what the user uploaded, but for the nodes a technique replaced; `Network.to_torch` reads the new ones like any others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.cards import WEIGHTED
from optimizers.models.graph import attributes, constants, copied, set_nodes, uses, without_unread


@dataclass(frozen=True)
class Layer:
    """A node with stored weights. weight: as stored in the graph.  bias: (outs,), or None.  at: place in the node list."""

    name: str
    node: onnx.NodeProto
    weight: np.ndarray
    bias: np.ndarray | None
    at: int

    @property
    def kind(self) -> str:
        return self.node.op_type

    @property
    def groups(self) -> int:
        return int(attributes(self.node).get("group", 1))

    @property
    def channels(self) -> int:
        """The axis of the weight that counts output channels."""
        if self.kind == "ConvTranspose":
            return 1
        turned = self.kind == "Gemm" and attributes(self.node).get("transB", 0)
        return 0 if self.kind == "Conv" or turned else self.weight.ndim - 1

    @property
    def depthwise(self) -> bool:
        """Whether each output channel of a convolution reads one input channel of several."""
        return self.kind == "Conv" and self.groups > 1 and self.weight.shape[1] == 1

    @property
    def kernel(self) -> tuple[int, ...]:
        """Extents of a convolution's window, () for a matrix product."""
        return self.weight.shape[2:] if self.kind in ("Conv", "ConvTranspose") else ()


@dataclass(frozen=True)
class Part:
    """What stands in the place of a node: nodes in order, and the tensors they read. The last node makes the old node's output."""

    nodes: Sequence[onnx.NodeProto]
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def weighted(proto: onnx.ModelProto) -> Iterator[Layer]:
    """Every Conv, ConvTranspose, Gemm and MatMul whose second input is stored, in file order.

    name: the node's, else its output's: what the model's page calls it.
    """
    stored = constants(proto)
    for at, node in enumerate(proto.graph.node):
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in stored:
            bias = stored.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
            yield Layer(node.name or node.output[0], node, stored[node.input[1]], None if bias is None else bias.reshape(-1), at)


def recurrent(proto: onnx.ModelProto) -> Iterator[tuple[str, str, np.ndarray]]:
    """(the node's name, the tensor's, its numbers) of every weight of an LSTM, GRU or RNN, (directions, gates * hidden, inputs)."""
    known = constants(proto)
    for node in proto.graph.node:
        if node.op_type in ("LSTM", "GRU", "RNN"):
            yield from ((node.name or node.output[0], name, known[name]) for name in node.input[1:3] if name in known)


def replaced(proto: onnx.ModelProto, parts: dict[str, Part]) -> onnx.ModelProto:
    """A new graph with each layer (by `Layer.name`) replaced by its part; tensors nobody reads any more are dropped.

    Names of tensors in a part must be new: take them from `fresh`.
    """
    made = copied(proto)
    places = {layer.name: layer.at for layer in weighted(proto)}
    nodes: list[onnx.NodeProto] = []
    at_place = {places[name]: part for name, part in parts.items()}
    for at, node in enumerate(made.graph.node):
        part = at_place.get(at)
        nodes.extend([node] if part is None else part.nodes)
        for name, array in (part.tensors if part is not None else {}).items():
            made.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    set_nodes(made, nodes)
    del made.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(without_unread(made))


def as_product(proto: onnx.ModelProto, node: onnx.NodeProto, weight: np.ndarray, source: str, made: str) -> Part:
    """A product with a stored matrix, Gemm or MatMul, as a MatMul that reads `source`, and the Add of its bias; the last makes `made`.

    A Gemm must be plain: `fold.channel_axis` says so.
    """
    tensors, name = {}, node.input[1]
    if node.op_type == "Gemm" and attributes(node).get("transB", 0):
        name = fresh(proto, f"{name}_turned")
        tensors[name] = weight.T
    bias = node.input[2] if len(node.input) > 2 else ""
    product = fresh(proto, f"{node.output[0]}_product") if bias else made
    nodes = [onnx.helper.make_node("MatMul", [source, name], [product], node.name)]
    if bias:
        nodes.append(onnx.helper.make_node("Add", [product, bias], [made], f"{node.name}_bias" if node.name else ""))
    return Part(nodes, tensors)


def with_tensors(proto: onnx.ModelProto, tensors: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A new graph in which the named initializers (or Constant nodes) hold other numbers of the same shape."""
    made = copied(proto)
    for tensor in made.graph.initializer:
        if tensor.name in tensors:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(tensors[tensor.name]), tensor.name))
    for node in made.graph.node:
        if node.op_type == "Constant" and node.output[0] in tensors:
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(tensors[node.output[0]])))
    return made


def fresh(proto: onnx.ModelProto, wish: str) -> str:
    """A name near the wish that no tensor or node of the graph has."""
    taken = set(uses(proto)) | {tensor.name for tensor in proto.graph.initializer}
    taken |= {name for node in proto.graph.node for name in (node.name, *node.output)}
    name, number = wish, 1
    while name in taken:
        number += 1
        name = f"{wish}_{number}"
    return name
