"""Graphs in half or double precision as float32 graphs: weights, constants, casts, and the types noted on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from optimizers.models.graph import copied

OTHERS = {TensorProto.FLOAT16: "float16", TensorProto.DOUBLE: "float64", TensorProto.BFLOAT16: "bfloat16"}


def other_floats(proto: onnx.ModelProto) -> list[str]:
    """The names of other float types that the inputs or weights of the graph have."""
    kinds = {tensor.data_type for tensor in proto.graph.initializer if list(tensor.dims)}
    kinds |= {value.type.tensor_type.elem_type for value in proto.graph.input}
    return [name for kind, name in OTHERS.items() if kind in kinds]


def in_float32(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph with every float in float32. Graphs inside nodes (If, Loop) are turned as well."""
    fresh = copied(proto)
    for graph in graphs(fresh.graph):
        for tensor in graph.initializer:
            turn(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            if kind.elem_type in OTHERS:
                kind.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    turn(attribute.t)
                elif attribute.name in ("to", "dtype") and attribute.i in OTHERS:
                    attribute.i = TensorProto.FLOAT
    return fresh


def turn(tensor: TensorProto) -> None:
    """One stored tensor, in place."""
    if tensor.data_type in OTHERS:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and every graph inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)
