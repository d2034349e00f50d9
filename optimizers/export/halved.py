"""Float32 tensors stored as fp16 or bf16 in an ordinary ONNX file: a Cast, worked out when the session opens, makes them float32 again."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from optimizers.export.packed import Writer
from optimizers.models.graph import copied, keep, set_nodes

LEAST = 8               # numbers; a tensor of fewer stays as it is
ALONE = 15              # numbers; below that the Cast costs more bytes than it saves
# the type, and how much of a tensor's largest number it may change; a tensor it changes by more (too small, too large) stays as it is
KINDS = {"fp16": (np.float16, 1e-3), "bf16": (ml_dtypes.bfloat16, 1e-2)}


def halved(proto: onnx.ModelProto, kind: str = "fp16") -> onnx.ModelProto:
    """A new graph whose float32 initializers are stored in 16 bits where that holds them to a few digits; arithmetic stays float32.

    kind: "fp16" or "bf16". Constant nodes become initializers first.

    Tensors that differ in their first extent only share one initializer, and a Split takes it apart: a name costs as much as ten numbers.
    """
    made = stored(copied(proto))
    groups: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.dims and fits(array := numpy_helper.to_array(tensor), kind):
            groups.setdefault(array.shape[1:], {})[tensor.name] = array.astype(KINDS[kind][0])
    groups = {rest: group for rest, group in groups.items() if sum(array.size for array in group.values()) >= ALONE}
    gone = {name for group in groups.values() for name in group}
    keep(made.graph.initializer, [tensor for tensor in made.graph.initializer if tensor.name not in gone])
    one = Writer(made, "h")
    for group in groups.values():
        whole = one.store(np.concatenate(list(group.values())))
        if len(group) == 1:
            one.node("Cast", whole, makes=next(iter(group)), to=TensorProto.FLOAT)
        else:
            one.split(one.node("Cast", whole, to=TensorProto.FLOAT), [len(array) for array in group.values()], makes=list(group))
    set_nodes(made, [*one.nodes, *made.graph.node])
    return made


def stored(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Constant nodes of tensors as initializers, in place."""
    nodes = [node for node in proto.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    for node in nodes:
        proto.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(node.attribute[0].t), node.output[0]))
        proto.graph.node.remove(node)
    return proto


def fits(array: np.ndarray, kind: str) -> bool:
    """Whether 16 bits say the same to a few digits of the largest number."""
    if array.size < LEAST or not np.isfinite(array).all():
        return False
    with np.errstate(over="ignore"):
        error = np.abs(array.astype(KINDS[kind][0]).astype(np.float32) - array).max()
    return bool(error <= KINDS[kind][1] * np.abs(array).max())
