"""Codes of our choosing in a QDQ graph: other scales, other roundings, fewer bits than the quantizer that wrote it knows.

Codes of at most 4 bits are stored packed and widened to int8 in the graph. The runtime does that once, when the file is opened, and then
runs the same integer kernels as for 8 bits: the file shrinks, the arithmetic does not get faster.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.compress.quantize.weight_grid import Codes, top
from optimizers.export.packed import Coded, packed
from optimizers.models.graph import copied, without_unread

CODES = ".codes"


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
        if not weight.input[0].endswith(CODES):             # layers that share a weight get the codes of the first
            put(made, weight, given)
        if len(node.input) > 2 and node.input[2]:
            bias = biases[node.name] if given.bias is None else given.bias
            scale = numpy_helper.to_array(stored[makers[node.input[0]].input[1]]) * given.scales
            put_bias(made, makers[node.input[2]], bias, scale.astype(np.float32))
    narrow: dict[str, Codes] = {}
    for node in made.graph.node:
        if node.name in codes and codes[node.name].bits <= 4:      # 7 bits packed would save an eighth, and cost nodes
            narrow.setdefault(makers[node.input[1]].input[0], codes[node.name])
    return packed(without_unread(made), {name: coded(given) for name, given in narrow.items()})


def coded(codes: Codes) -> Coded:
    """Signed codes as places in a book of int8 values."""
    edge = top(codes.bits)
    return Coded(codes.values.astype(np.int16) + edge, np.arange(-edge, edge + 1, dtype=np.int8), codes.bits)


def put(proto: onnx.ModelProto, weight: onnx.NodeProto, codes: Codes) -> None:
    """Point a weight's DequantizeLinear at new codes and scales, in place."""
    name, whole = f"{weight.output[0]}{CODES}", len(codes.scales) == 1
    scales = codes.scales.reshape(()) if whole else codes.scales
    tensors = {f"{name}.scale": scales.astype(np.float32), f"{name}.zero": np.zeros(scales.shape, np.int8)}
    weight.input[:] = [name, *tensors]
    del weight.attribute[:]
    if not whole:
        weight.attribute.append(helper.make_attribute("axis", codes.axis % codes.values.ndim))
    tensors[name] = codes.values
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
