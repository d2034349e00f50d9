"""A layer on flattened rows between two Reshapes, as some exporters write a linear layer on a sequence, put onto the sequence itself.

Read so, its last axis is the width everywhere, and a cut of the width needs no Reshape to follow.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.models.fold import channel_axis
from optimizers.models.graph import constants, copied, copy_of, set_nodes, uses, without_unread
from optimizers.models.graph_shapes import Scope, scope_of, with_shapes
from optimizers.models.rewrite import as_product


def on_sequences(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A graph in which (..., t, ins) -> Reshape (rows, ins) -> Gemm or MatMul -> Reshape (..., t, outs) is MatMul, and Add of the bias.

    The same numbers; the graph itself where nothing is of that form.
    """
    scope = scope_of(with_shapes(proto).graph, tuple(proto.graph.initializer))
    stored, read = constants(proto), uses(proto)
    readers = {name: node for node in proto.graph.node for name in node.input if read[name] == 1}
    found: dict[str, tuple[onnx.NodeProto, str]] = {}       # what the second Reshape makes -> the layer, and the sequence it reads
    for layer in proto.graph.node:
        after = readers.get(layer.output[0]) if layer.output else None
        if plain(layer, stored) and after is not None and after.op_type == "Reshape":
            before = scope.makers.get(layer.input[0])
            if before is not None and before.op_type == "Reshape" and same_places(scope, before.input[0], after.output[0], layer, stored):
                found[after.output[0]] = (layer, before.input[0])
    return rewritten(proto, found, stored) if found else proto


def plain(node: onnx.NodeProto, stored: dict[str, np.ndarray]) -> bool:
    """A product with a stored matrix, and a stored vector or nothing added."""
    if node.op_type not in ("Gemm", "MatMul") or len(node.input) < 2 or node.input[1] not in stored or stored[node.input[1]].ndim != 2:
        return False
    bias = node.input[2] if len(node.input) > 2 else ""
    return node.op_type == "MatMul" or (channel_axis(node) is not None and (not bias or (bias in stored and stored[bias].ndim == 1)))


def same_places(scope: Scope, source: str, made: str, layer: onnx.NodeProto, stored: dict[str, np.ndarray]) -> bool:
    """Whether the two Reshapes only fold and unfold the axes before the last, and the layer works on the last."""
    before, after, flat = scope.shape(source), scope.shape(made), scope.shape(layer.input[0])
    ins, outs = wide(layer, stored).shape
    return before is not None and after is not None and flat is not None and len(before) > 2 and len(flat) == 2 \
        and before[-1] == flat[-1] == ins and after == (*before[:-1], outs)


def wide(layer: onnx.NodeProto, stored: dict[str, np.ndarray]) -> np.ndarray:
    """The weight as (ins, outs)."""
    weight = stored[layer.input[1]]
    return weight.T if layer.op_type == "Gemm" and channel_axis(layer) == 0 else weight


def rewritten(proto: onnx.ModelProto, found: dict[str, tuple[onnx.NodeProto, str]], stored: dict[str, np.ndarray]) -> onnx.ModelProto:
    made = copied(proto)
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        if not node.output or node.output[0] not in found:
            nodes.append(copy_of(node))
            continue
        layer, source = found[node.output[0]]
        part = as_product(made, layer, stored[layer.input[1]], source, node.output[0])
        nodes.extend(part.nodes)
        made.graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in part.tensors.items())
    set_nodes(made, nodes)
    del made.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(without_unread(made))
