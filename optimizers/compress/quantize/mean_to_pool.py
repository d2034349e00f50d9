"""A mean over height and width is global average pooling; written as such it has an integer kernel, and C code too."""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from optimizers.models.graph import copied, set_nodes


def mean_to_pool(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which each ReduceMean over the last two of four axes is a GlobalAveragePool (and a Flatten where axes were dropped)."""
    fresh = copied(proto)
    constants = {tensor.name: tensor for tensor in fresh.graph.initializer}
    ranks = ranks_of(fresh)
    nodes: list[onnx.NodeProto] = []
    for node in fresh.graph.node:
        nodes.extend(pooled(node) if over_pictures(node, constants, ranks) else [node])
    set_nodes(fresh, nodes)
    return fresh


def over_pictures(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], ranks: dict[str, int]) -> bool:
    if node.op_type != "ReduceMean" or ranks.get(node.input[0]) != 4:
        return False
    axes = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "axes"), None)
    if axes is None and len(node.input) > 1 and node.input[1] in constants:
        axes = numpy_helper.to_array(constants[node.input[1]]).tolist()
    return axes is not None and sorted(axis % 4 for axis in axes) == [2, 3]


def pooled(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    keep = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
    name = node.name or node.output[0]
    if keep:
        return [helper.make_node("GlobalAveragePool", [node.input[0]], [node.output[0]], name=name)]
    return [helper.make_node("GlobalAveragePool", [node.input[0]], [f"{node.output[0]}.pooled"], name=name),
            helper.make_node("Flatten", [f"{node.output[0]}.pooled"], [node.output[0]], name=f"{name}.flat", axis=1)]


def ranks_of(proto: onnx.ModelProto) -> dict[str, int]:
    """Number of axes of each value whose shape is known."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    return {value.name: len(value.type.tensor_type.shape.dim) for value in (*graph.input, *graph.value_info, *graph.output)
            if value.type.tensor_type.HasField("shape")}
