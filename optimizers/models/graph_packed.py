"""Seeing through packed weights: how many bits a code has that a weight was rebuilt from (see `export/packed.py`, which writes them)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import onnx

from optimizers.models.graph_shapes import Scope

CODES_AT = {"Gather": 1}        # the input that leads on to the codes, where it is not the first
DYNAMIC_LSTM = "DynamicQuantizeLSTM"     # ONNX Runtime's LSTM with weights in int8, (directions, inputs, 4 * hidden)
BLOCKS = "MatMulNBits"          # ONNX Runtime's product with weights packed by blocks
PASSED = {"Reshape", "Split", "Mul", "Cast", "BitShift", "Gather", "Add"}
PLANE = 4               # nodes at most from a plane of codes to its bytes: Reshape, Cast and two BitShift


def trail(name: str, makers: Mapping[str, onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes that rebuild a value from its codes, last first; ends where something else computes it."""
    while (maker := makers.get(name)) is not None and maker.op_type in PASSED:
        yield maker
        name = maker.input[CODES_AT.get(maker.op_type, 0)]


def packed_bits(name: str, makers: Mapping[str, onnx.NodeProto], dims: Mapping[str, tuple[int, ...]]) -> int | None:
    """Bits of one code behind a rebuilt weight, None for a weight that is not packed. dims: extents of the stored tensors.

    A byte is shifted by as many amounts as it holds codes. Codes that lie in planes come together by Add, the upper bits first.
    """
    steps = list(trail(name, makers))
    if not any(node.op_type == "Gather" for node in steps):
        return None
    planes = [list(islice(trail(node.input[1], makers), PLANE)) for node in steps if node.op_type == "Add"]
    widths = [width_of(plane, dims) for plane in (steps, *planes)]
    return None if None in widths else sum(width for width in widths if width)


def width_of(steps: list[onnx.NodeProto], dims: Mapping[str, tuple[int, ...]]) -> int | None:
    """Bits that the last of these nodes takes from a byte at a time; None where it reads nothing that is stored."""
    if not steps or steps[-1].input[0] not in dims:
        return None
    if steps[-1].op_type != "BitShift":
        return 8
    amounts = dims.get(steps[-1].input[1], ())
    return 8 // amounts[0] if amounts and amounts[0] else None


def packed_weights(graph: onnx.GraphProto, scope: Scope) -> tuple[dict[str, int], set[str]]:
    """(weight -> how many numbers it holds, the float tensors it is rebuilt with), for every packed weight that a node reads."""
    dims = {name: shape for name in scope.constants if (shape := scope.shape(name)) is not None}
    inner = {name for node in graph.node if node.op_type in PASSED for name in node.input}
    counts: dict[str, int] = {}
    tables: set[str] = set()
    for name in {name for node in graph.node for name in node.input} - inner:
        if name in scope.constants and packed_bits(name, scope.makers, dims):
            size = 1
            for extent in dims.get(name, ()):
                size *= extent
            counts[name] = size
            tables |= {other for node in trail(name, scope.makers) for other in node.input}
    return counts, tables


def as_products(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with each MatMulNBits as the MatMul, and each DynamicQuantizeLSTM as the LSTM it stands for, weights without their
    numbers: what shapes are read from.
    """
    if not any(node.op_type in (BLOCKS, DYNAMIC_LSTM) for node in proto.graph.node):
        return proto
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    gone: set[str] = set()
    dims = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    for node in made.graph.node:
        if node.op_type == DYNAMIC_LSTM:
            weights = [f"{node.output[0] or node.name}.{place}" for place in ("weight", "recurrence")]
            for name, stored in zip(weights, node.input[1:3], strict=True):
                directions, rows, columns = dims[stored]
                made.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((directions, columns, rows), np.float32), name))
            gone.update((*node.input[1:3], *node.input[8:]))
            node.op_type, node.domain = "LSTM", ""
            node.input[:] = [node.input[0], *weights, *node.input[3:8]]
        if node.op_type == BLOCKS:
            rows, columns = (next(a.i for a in node.attribute if a.name == name) for name in ("K", "N"))
            weight = f"{node.output[0]}.weight"
            made.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((rows, columns), np.float32), weight))
            gone.update(node.input[1:])
            node.op_type, node.domain = "MatMul", ""
            node.input[:] = [node.input[0], weight]
            del node.attribute[:]
    kept = [tensor for tensor in made.graph.initializer if tensor.name not in gone]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made
