"""Codes of our choosing in a QDQ graph: other scales, other roundings, fewer bits than the quantizer that wrote it knows.

Codes of 4 and 2 bits are stored as such and cast to int8 in the graph. The runtime does that once, when the file is opened, and then
runs the same integer kernels as for 8 bits: the file shrinks, the arithmetic does not get faster.
"""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from optimizers.compress.weight_grid import Codes
from optimizers.models.graph import copied, opset, without_unread

NARROW = {4: (ml_dtypes.int4, 21), 2: (ml_dtypes.int2, 25)}       # element type, and the first opset that can cast it


def place(proto: onnx.ModelProto, codes: Mapping[str, Codes], biases: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """A new graph in which each named layer holds the codes given. biases: the layers' own, in float.

    The layer's weight and bias must come from DequantizeLinear, as the static quantizer writes them.
    """
    made = copied(proto)
    makers = {name: node for node in made.graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in made.graph.initializer}
    for node in list(made.graph.node):
        if node.name not in codes:
            continue
        given, weight = codes[node.name], makers[node.input[1]]
        put(made, weight, given)
        if len(node.input) > 2 and node.input[2]:
            bias = biases[node.name] if given.bias is None else given.bias
            scale = numpy_helper.to_array(stored[makers[node.input[0]].input[1]]) * given.scales
            put_bias(made, makers[node.input[2]], bias, scale.astype(np.float32))
    needed = max([NARROW[given.bits][1] for given in codes.values() if given.bits in NARROW], default=0)
    order(without_unread(made))
    made.ir_version = max(made.ir_version, 13 if needed == 25 else 10 if needed else 0)
    return made if opset(made) >= needed else version_converter.convert_version(made, needed)


def put(proto: onnx.ModelProto, weight: onnx.NodeProto, codes: Codes) -> None:
    """Point a weight's DequantizeLinear at new codes and scales, in place."""
    name, whole = f"{weight.output[0]}.codes", len(codes.scales) == 1
    scales = codes.scales.reshape(()) if whole else codes.scales
    tensors = {f"{name}.scale": scales.astype(np.float32), f"{name}.zero": np.zeros(scales.shape, np.int8)}
    weight.input[:] = [name, *tensors]
    del weight.attribute[:]
    if not whole:
        weight.attribute.append(helper.make_attribute("axis", codes.axis % codes.values.ndim))
    narrow = NARROW.get(codes.bits)
    if narrow is None:
        tensors[name] = codes.values
    else:
        tensors[f"{name}.narrow"] = codes.values.astype(narrow[0])
        proto.graph.node.append(helper.make_node("Cast", [f"{name}.narrow"], [name], to=onnx.TensorProto.INT8))
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), key) for key, array in tensors.items())


def put_bias(proto: onnx.ModelProto, bias: onnx.NodeProto, values: np.ndarray, scale: np.ndarray) -> None:
    """A bias is stored in 32 bits at the scale of the sums it is added to."""
    name = f"{bias.output[0]}.codes"
    limit = 2**31 - 1
    codes = np.clip(np.rint(values.astype(np.float64) / scale), -limit, limit).astype(np.int32)
    bias.input[:] = [name, f"{name}.scale"]
    del bias.attribute[:]
    if scale.size > 1:
        bias.attribute.append(helper.make_attribute("axis", 0))
    proto.graph.initializer.extend([numpy_helper.from_array(codes, name),
                                    numpy_helper.from_array(scale if scale.size > 1 else scale.reshape(()), f"{name}.scale")])


def order(proto: onnx.ModelProto) -> None:
    """Casts of stored tensors come first: a graph lists its nodes in the order they run."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    first = [node for node in proto.graph.node if node.op_type == "Cast" and node.input[0] in stored]
    rest = [node for node in proto.graph.node if not (node.op_type == "Cast" and node.input[0] in stored)]
    ordered = [copied_node(node) for node in (*first, *rest)]
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)


def copied_node(node: onnx.NodeProto) -> onnx.NodeProto:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    return made
