"""The graph of a binary layer, while it is trained and as it ships.

Trained:  x -> (x < threshold ? -1 : +1) -> Conv or Gemm, no bias -> BatchNormalization -> + shortcut of x -> (PRelu where ReLU was)
Shipped:  the same with weights of +1 and -1, and the norm as one factor and one summand a channel, the scale of the weights in the factor.

Padding stays zero, as in any Conv: a place outside the picture adds nothing to the sum, neither +1 nor -1.
ReActNet's shifts around PReLU are left out: batch norm's own shift and the next threshold say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.compress.binarize.layers import Seen
from optimizers.export.packed import Coded, packed
from optimizers.models.axes import across
from optimizers.models.fold import channel_axis
from optimizers.models.graph import attributes, constants, copied, copy_of, extents, keep, set_nodes, uses, without_unread
from optimizers.models.rewrite import Layer, Part, fresh, replaced

EPSILON = 1e-5
SLOPE = 0.25            # below zero, to begin with
MOST_REPEATS = 4        # of the channels of a shortcut
SIGNS = np.array([-1, 1], np.float32)
APPLIED = {"factor": "Mul", "summand": "Add"}


@dataclass(frozen=True)
class Place:
    """Where a layer became binary. sign: the value that holds its input in one bit, "" where that stays float.  norm: what the batch
    norm makes."""

    layer: Layer
    weight: str
    sign: str
    norm: str
    shortcut: bool


def with_binary(proto: onnx.ModelProto, layers: list[Layer], seen: dict[str, Seen], activations: bool, shortcuts: bool,
                slopes: bool) -> tuple[onnx.ModelProto, list[Place]]:
    """A new graph ready to be trained, whose batch norms start at the mean and spread the float layers had."""
    own_way = joined(proto, {layer.node.output[0] for layer in layers})
    parts: dict[str, Part] = {}
    places = []
    made_of: dict[tuple[Any, ...], str] = {}
    for layer in layers:
        builder = Builder(proto, layer, seen[layer.name], made_of)
        places.append(builder.build(activations, shortcuts and layer.node.output[0] not in own_way))
        parts[layer.name] = Part(builder.nodes, builder.tensors)
    made = replaced(proto, parts)
    return (with_slopes(made, proto, layers) if slopes else made), places


def joined(proto: onnx.ModelProto, binary: set[str]) -> set[str]:
    """Outputs of binary layers that an Add joins with something no binary layer made: a real-valued way around them is there already."""
    return {name for node in proto.graph.node if node.op_type == "Add" for name in node.input
            if name in binary and any(other not in binary for other in node.input)}


class Builder:
    """Nodes and tensors of one binary layer. made_of: signs and shortcuts so far, for layers that want the same of the same value."""

    def __init__(self, proto: onnx.ModelProto, layer: Layer, seen: Seen, made_of: dict[tuple[Any, ...], str]) -> None:
        self.proto, self.layer, self.seen, self.made_of = proto, layer, seen, made_of
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, np.ndarray] = {}

    def name(self, wish: str) -> str:
        return fresh(self.proto, f"{self.layer.name}.{wish}")

    def node(self, kind: str, inputs: list[str], makes: str = "", **more: Any) -> str:
        output = makes or self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [output], name=self.name(f"{kind}_{len(self.nodes)}"), **more))
        return output

    def tensor(self, wish: str, array: np.ndarray) -> str:
        name = self.name(wish)
        self.tensors[name] = array.astype(np.float32)
        return name

    def build(self, activations: bool, shortcut: bool) -> Place:
        node, seen = self.layer.node, self.seen
        x = node.input[0]
        sign = self.sign(x) if activations else x
        product = copy_of(node)
        del product.input[:]
        product.input.extend([sign, node.input[1]])
        product.output[0] = self.name("sum")
        self.nodes.append(product)
        ones = np.ones(seen.shape_out[0])
        norm = [self.tensor("gamma", np.where(seen.spread_out > 0, seen.spread_out, 1)), self.tensor("beta", seen.mean_out),
                self.tensor("mean", 0 * ones), self.tensor("variance", ones)]
        way = self.shortcut(x) if shortcut else ""
        made = self.node("BatchNormalization", [product.output[0], *norm], "" if way else node.output[0], epsilon=EPSILON)
        if way:
            self.node("Add", [made, way], node.output[0])
        return Place(self.layer, node.input[1], sign if activations else "", made, bool(way))

    def sign(self, x: str) -> str:
        """Which side of its channel's threshold a value lies on; layers that read one value share the answer."""
        if (x,) not in self.made_of:
            below = self.node("Less", [x, self.tensor("threshold", self.thresholds())])
            self.made_of[x,] = self.node("Where", [below, self.tensor("minus", SIGNS[0]), self.tensor("plus", SIGNS[1])])
        return self.made_of[x,]

    def thresholds(self) -> np.ndarray:
        """Zero, or the mean where a channel is never negative (behind ReLU), which would else always be +1."""
        start = np.where(self.seen.least >= 0, self.seen.mean_in, 0)
        return start.reshape(-1, *[1] * (len(self.seen.shape_in) - 1))

    def shortcut(self, x: str) -> str:
        """The input in the shape of the output: means over what a stride skips, channels repeated. "" where no such thing fits."""
        (ins, *size_in), (outs, *size_out) = self.seen.shape_in, self.seen.shape_out
        strides = [a // b for a, b in zip(size_in, size_out, strict=False)]
        fits = len(size_in) == len(size_out) and all(a == b * s for a, b, s in zip(size_in, size_out, strides, strict=True))
        if not fits or outs % ins or outs // ins > MOST_REPEATS or max(strides, default=1) > MOST_REPEATS:
            return ""
        wish = (x, *strides, outs // ins)
        if wish not in self.made_of:
            pooled = self.node("AveragePool", [x], kernel_shape=strides, strides=strides) if max(strides, default=1) > 1 else x
            self.made_of[wish] = self.node("Concat", [pooled] * (outs // ins), axis=1) if outs > ins else pooled
        return self.made_of[wish]


def with_slopes(made: onnx.ModelProto, before: onnx.ModelProto, layers: list[Layer]) -> onnx.ModelProto:
    """Every ReLU that a binary layer feeds (an Add between does not matter) or reads becomes a PRelu with one slope a channel."""
    binary, read = {layer.node.output[0] for layer in layers}, {layer.node.input[0] for layer in layers}
    fed = binary | {node.output[0] for node in before.graph.node if node.op_type == "Add" and binary & set(node.input)}
    shapes = {value.name: extents(value) for value in made.graph.value_info}
    fresh_graph, stored = copied(made), constants(made)
    for node in fresh_graph.graph.node:
        shape = shapes.get(node.output[0]) or shapes.get(node.input[0] if node.input else "")
        if is_relu(node, stored) and (node.input[0] in fed or node.output[0] in read) and shape and len(shape) > 1 and shape[1]:
            slope = fresh(fresh_graph, f"{node.output[0]}.slope")
            fresh_graph.graph.initializer.append(numpy_helper.from_array(
                np.full((shape[1], *[1] * (len(shape) - 2)), SLOPE, np.float32), slope))
            node.op_type = "PRelu"
            del node.attribute[:]
            del node.input[1:]
            node.input.append(slope)
    return without_unread(fresh_graph)


def is_relu(node: onnx.NodeProto, stored: dict[str, np.ndarray]) -> bool:
    """A Relu, or a Clip from zero to some bound (ReLU6)."""
    return node.op_type == "Relu" or (node.op_type == "Clip" and len(node.input) > 1 and node.input[1] in stored
                                      and float(stored[node.input[1]].reshape(-1)[0]) == 0)


def bare(proto: onnx.ModelProto, places: list[Place]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """(the graph with norms as Mul and Add, the weights of +1 and -1 by name): what ships, before it is packed.

    factor = scale of the weights * gamma / sqrt(variance + epsilon);  summand = beta - mean * gamma / sqrt(variance + epsilon).
    """
    stored, made = constants(proto), copied(proto)
    norms = {place.norm: place for place in places}
    numbers = {node.output[0]: in_numbers(node, norms[node.output[0]], stored) for node in made.graph.node if node.output[0] in norms}
    other = met(proto, places)
    for norm, keeper in other.items():
        numbers[keeper]["summand"] += numbers[norm].pop("summand")
    nodes: list[onnx.NodeProto] = []
    for node in made.graph.node:
        if node.output[0] not in norms:
            nodes.append(node)
            continue
        value, layer = node.input[0], norms[node.output[0]].layer
        for kind, array in numbers[node.output[0]].items():
            name = fresh(made, f"{layer.name}.{kind}")
            made.graph.initializer.append(numpy_helper.from_array(across(array.astype(np.float32), layer.weight.ndim - 1, 0), name))
            nodes.append(helper.make_node(APPLIED[kind], [value, name], [value := fresh(made, f"{layer.name}.scaled")]))
        nodes[-1].output[0] = node.output[0]
    set_nodes(made, nodes)
    for node in made.graph.node:
        if node.op_type == "Conv":                      # its weight says it
            keep(node.attribute, [attribute for attribute in node.attribute if attribute.name != "kernel_shape"])
    signs = {place.weight: np.where(stored[place.weight] < 0, -1, 1).astype(np.float32) for place in places}
    return without_unread(summed(made)), signs


def summed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Adds of computed values that feed nothing but another such Add become one Sum with it, in place."""
    stored, read = constants(proto), uses(proto)
    sums = {node.output[0]: node for node in proto.graph.node if node.op_type == "Add" and not stored.keys() & set(node.input)}
    for node in list(sums.values()):                    # in the order of the file: what feeds a node was widened before it
        terms = [term for name in node.input for term in (sums[name].input if name in sums and read[name] == 1 else (name,))]
        node.op_type, node.input[:] = "Add" if len(terms) == 2 else "Sum", terms
    return without_unread(proto)


def in_numbers(norm: onnx.NodeProto, place: Place, stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """factor and summand, (channels,) float64 each."""
    weight, axis = stored[place.weight], channel_axis(place.layer.node) or 0
    gamma, beta, mean, variance = (stored[name].astype(np.float64) for name in norm.input[1:5])
    slope = gamma / np.sqrt(variance + attributes(norm).get("epsilon", EPSILON))
    rest = tuple(other for other in range(weight.ndim) if other != axis)
    return {"factor": np.abs(weight).mean(rest, np.float64) * slope, "summand": beta - mean * slope}


def met(proto: onnx.ModelProto, places: list[Place]) -> dict[str, str]:
    """Norm -> the norm whose summand may hold that one's too: what comes of both goes into one Add, and nowhere else."""
    read = uses(proto)
    ends: dict[str, str] = {}
    for place in places:
        end = place.norm
        if place.shortcut:
            end = next(node.output[0] for node in proto.graph.node if node.op_type == "Add" and end in node.input)
        if read[place.norm] == read[end] == 1:
            ends[end] = place.norm
    return {ends[node.input[0]]: ends[node.input[1]] for node in proto.graph.node
            if node.op_type == "Add" and all(name in ends for name in node.input)}


def with_bits(proto: onnx.ModelProto, signs: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph with those weights stored in one bit each."""
    return packed(proto, {name: Coded((array > 0).astype(np.uint8), SIGNS, 1) for name, array in signs.items()})
