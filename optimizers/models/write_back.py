"""Weights of a torch module written back into the ONNX graph it was read from; shapes may have shrunk."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper
from torch import nn

from optimizers.models.graph import copied, without_unread


def write_back(proto: onnx.ModelProto, module: nn.Module) -> onnx.ModelProto:
    """A new graph with the module's tensors under the names they came from.

    Group counts follow the layers, and shapes noted inside the graph are inferred anew where a tensor's shape changed.
    """
    fresh = copied(proto)
    tensors = {binding.name: array_of(module, binding.path, binding.layout) for binding in module.meta["bindings"]}
    shrunk = store(fresh, tensors)
    if shrunk:
        set_groups(fresh, module)
        loosen_flattening(fresh, set(module.meta["flattening"]))
        del fresh.graph.value_info[:]
        fresh = onnx.shape_inference.infer_shapes(fresh)
    return fresh


def array_of(module: nn.Module, path: str, layout: str) -> np.ndarray:
    """The tensor at a dotted path, laid out as the graph stores it."""
    owner, _, field = path.rpartition(".")
    tensor = getattr(module.get_submodule(owner), field).detach().cpu()
    if layout == "transposed":
        tensor = tensor.t()
    elif layout == "row":
        tensor = tensor.reshape(1, -1)
    return np.ascontiguousarray(tensor.numpy())


def store(proto: onnx.ModelProto, tensors: dict[str, np.ndarray]) -> bool:
    """Replace initializers and Constant nodes in place; whether any shape changed."""
    shrunk = False
    for tensor in proto.graph.initializer:
        if tensor.name in tensors:
            shrunk |= list(tensor.dims) != list(tensors[tensor.name].shape)
            tensor.CopyFrom(numpy_helper.from_array(tensors[tensor.name], tensor.name))
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.output[0] in tensors:
            array = tensors[node.output[0]]
            shrunk |= list(numpy_helper.to_array(node.attribute[0].t).shape) != list(array.shape)
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(array)))
    return shrunk


def set_groups(proto: onnx.ModelProto, module: nn.Module) -> None:
    """Grouped and depthwise convolutions that lost channels have fewer groups: as many as their layers have now."""
    groups = {}
    for binding in module.meta["bindings"]:
        owner, _, field = binding.path.rpartition(".")
        if field == "weight" and hasattr(module.get_submodule(owner), "groups"):
            groups[binding.name] = module.get_submodule(owner).groups
    for node in proto.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in groups:
            for attribute in node.attribute:
                if attribute.name == "group":
                    attribute.i = groups[node.input[1]]


def loosen_flattening(proto: onnx.ModelProto, flattening: set[str]) -> None:
    """A Reshape that flattens rows to a width named in the file takes whatever width is left."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Reshape" and node.output[0] in flattening:
            name = f"{node.output[0]}_rows"
            if name not in weights:
                proto.graph.initializer.append(numpy_helper.from_array(np.array([0, -1], np.int64), name))
            node.input[1] = name
            del node.attribute[:]
    without_unread(proto)
