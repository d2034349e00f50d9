"""Float32 weights stored as int8 codes with a scale for each output channel in an ordinary ONNX file: Cast and Mul of constants, worked out
when the session opens, make them float32 again.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from optimizers.export.packed import Writer
from optimizers.models.axes import across
from optimizers.models.graph import copied, keep, set_nodes
from optimizers.models.rewrite import weighted

TOP = 127               # codes reach from -127 to 127
BESIDE = 100            # bytes of the nodes that rebuild one tensor, at most


def scaled(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in which the weights of each layer are int8 where that is smaller than 16 bits; arithmetic stays float32."""
    made = copied(proto)
    axes = {layer.node.input[1]: layer.channels for layer in weighted(proto) if pays(layer.weight, layer.channels)}
    weights = {layer.node.input[1]: layer.weight for layer in weighted(proto) if layer.node.input[1] in axes}
    keep(made.graph.initializer, [tensor for tensor in made.graph.initializer if tensor.name not in weights])
    nodes = [node for node in made.graph.node if node.op_type != "Constant" or node.output[0] not in weights]
    one = Writer(made, "i8")
    for name, weight in weights.items():
        codes, scale = in_int8(weight, axes[name])
        one.node("Mul", one.node("Cast", one.store(codes), to=TensorProto.FLOAT), one.store(scale), makes=name)
    set_nodes(made, [*one.nodes, *nodes])
    return made


def pays(weight: np.ndarray, axis: int) -> bool:
    finite = weight.dtype == np.float32 and bool(np.isfinite(weight).all())
    return finite and weight.size + 4 * weight.shape[axis] + BESIDE < 2 * weight.size


def in_int8(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(codes, scale that broadcasts against them): weight is about codes * scale.

    >>> codes, scale = in_int8(np.array([[0.5, -1.27], [0, 0]], np.float32), 0)
    >>> codes.tolist(), scale.tolist()[0] == [np.float32(0.01)], scale.tolist()[1]
    ([[50, -127], [0, 0]], True, [1.0])
    """
    largest = np.abs(weight).max(axis=tuple(other for other in range(weight.ndim) if other != axis))
    scale = across(np.where(largest > 0, largest / TOP, 1), weight.ndim, axis).astype(np.float32)
    return np.clip(np.rint(weight / scale), -TOP, TOP).astype(np.int8), scale
