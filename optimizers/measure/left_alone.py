"""Which layers a candidate left as they were: read from the files, so that it holds whatever a technique decided on its way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from optimizers.models.graph import constants
from optimizers.models.rewrite import weighted

MOST = 500          # names that are told


def left_alone(original: onnx.ModelProto, made: onnx.ModelProto) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(layers whose weights are still float32, layers whose weights have the shape they had), by their names in the original.

    Layers are paired by the name of their node; the runtime's optimizer writes "fc/MatMulAddFusion" for a "fc" it merged with its bias.
    """
    before = {layer.name: layer.weight.shape for layer in weighted(original)}
    after = dict(weights(made))
    pairs = {name: found for name in before if (found := after.get(name) or fused(name, after))}
    return (tuple(name for name, (_shape, kind) in pairs.items() if kind == np.float32)[:MOST],
            tuple(name for name, (shape, _kind) in pairs.items() if shape == before[name])[:MOST])


Stored = tuple[tuple[int, ...], np.dtype]


def weights(proto: onnx.ModelProto) -> Iterator[tuple[str, Stored]]:
    """Name -> shape and type of the stored weight, seen through a DequantizeLinear."""
    stored = constants(proto)
    through = {node.output[0]: node.input[0] for node in proto.graph.node if node.op_type == "DequantizeLinear"}
    for node in proto.graph.node:
        source = through.get(node.input[1], node.input[1]) if node.op_type != "DequantizeLinear" and len(node.input) > 1 else ""
        if node.name and source in stored:
            yield node.name, (stored[source].shape, stored[source].dtype)


def fused(name: str, after: dict[str, Stored]) -> Stored | None:
    return next((found for other, found in after.items() if other.startswith(f"{name}/")), None)
