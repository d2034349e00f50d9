"""Batch norm folded into the layer before it: the same numbers with fewer operators, for shipping and for quantization."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.models.axes import across
from optimizers.models.graph import attributes, constants, copied, uses, without_unread

AXIS = {"Conv": 0, "ConvTranspose": 1}       # where the output channels lie in the weights; Gemm depends on transB


def fold_batch_norm(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in which every BatchNormalization that alone reads a Conv, ConvTranspose or Gemm is part of it.

    weight' = weight * scale / sqrt(variance + epsilon);  bias' = (bias - mean) * scale / sqrt(variance + epsilon) + shift.
    Grouped transposed convolutions and layers with computed weights are left as they are.
    """
    fresh = copied(proto)
    stored, read = constants(fresh), uses(fresh)
    makers = {node.output[0]: node for node in fresh.graph.node}
    folded: list[onnx.NodeProto] = []
    for norm in fresh.graph.node:
        if norm.op_type == "BatchNormalization" and len([name for name in norm.output if name]) == 1:
            layer = makers.get(norm.input[0])
            if layer is not None and read[layer.output[0]] == 1 and join(fresh, layer, norm, stored):
                makers[norm.output[0]] = layer
                folded.append(norm)
    for norm in folded:
        fresh.graph.node.remove(norm)
    return without_unread(fresh)


def join(proto: onnx.ModelProto, layer: onnx.NodeProto, norm: onnx.NodeProto, stored: dict[str, np.ndarray]) -> bool:
    """Fold one norm into one layer, in place; False where it cannot be done."""
    axis = channel_axis(layer)
    needed = [*layer.input[1:3], *norm.input[1:5]]
    if axis is None or any(name not in stored for name in needed if name):
        return False
    scale, shift, mean, variance = (stored[name].astype(np.float64) for name in norm.input[1:5])
    factor = scale / np.sqrt(variance + attributes(norm).get("epsilon", 1e-5))
    weight = stored[layer.input[1]]
    if weight.shape[axis] != len(factor):
        return False
    bias = stored[layer.input[2]].astype(np.float64).reshape(-1) if len(layer.input) > 2 and layer.input[2] else 0.0
    names = (f"{layer.input[1]}_folded_{layer.output[0]}", f"{norm.input[2]}_folded_{layer.output[0]}")
    for name, value in zip(names, (weight * across(factor, weight.ndim, axis), (bias - mean) * factor + shift), strict=True):
        stored[name] = value.astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(stored[name], name))
    inputs = [layer.input[0], *names]
    del layer.input[:]
    layer.input.extend(inputs)
    layer.output[0] = norm.output[0]
    return True


def channel_axis(layer: onnx.NodeProto) -> int | None:
    """The axis of the weights that counts output channels, or None for a layer that is not folded into."""
    known = attributes(layer)
    if layer.op_type == "Gemm":
        plain = known.get("alpha", 1.0) == 1.0 and known.get("beta", 1.0) == 1.0 and not known.get("transA", 0)
        return (0 if known.get("transB", 0) else 1) if plain else None
    if layer.op_type == "ConvTranspose" and known.get("group", 1) != 1:
        return None
    return AXIS.get(layer.op_type)
