"""Float32 tensors stored as fp16 in an ordinary ONNX file: a Cast, worked out when the session opens, makes them float32 again."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from optimizers.export.packed import Writer
from optimizers.models.graph import copied, keep

LEAST = 8               # numbers; below that the Cast costs more bytes than it saves
PRECISION = 1e-3        # of a tensor's largest number; one that fp16 changes by more (too small, too large) stays as it is


def halved(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph whose float32 initializers are stored in fp16 where that holds them to three digits; arithmetic stays float32.

    Tensors that differ in their first extent only share one initializer, and a Split takes it apart: a name costs as much as ten numbers.
    """
    made = copied(proto)
    groups: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.dims and fits(array := numpy_helper.to_array(tensor)):
            groups.setdefault(array.shape[1:], {})[tensor.name] = array.astype(np.float16)
    gone = {name for group in groups.values() for name in group}
    keep(made.graph.initializer, [tensor for tensor in made.graph.initializer if tensor.name not in gone])
    one = Writer(made, "half")
    for group in groups.values():
        whole = one.store("stored", np.concatenate(list(group.values())))
        if len(group) == 1:
            one.node("Cast", whole, makes=next(iter(group)), to=TensorProto.FLOAT)
        else:
            one.split(one.node("Cast", whole, to=TensorProto.FLOAT), [len(array) for array in group.values()], makes=list(group))
    rest = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend([*one.nodes, *rest])
    return made


def fits(array: np.ndarray) -> bool:
    """Whether fp16 says the same to three digits of the largest number."""
    if array.size < LEAST or not np.isfinite(array).all():
        return False
    with np.errstate(over="ignore"):
        error = np.abs(array.astype(np.float16).astype(np.float32) - array).max()
    return bool(error <= PRECISION * np.abs(array).max())
