"""Equalization at work: pairs of layers with nothing between them but what scales; each channel's size becomes the mean of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from optimizers.models.axes import across, unfolded
from optimizers.models.fold import channel_axis, fold_batch_norm
from optimizers.models.graph import uses
from optimizers.models.rewrite import Layer, weighted, with_tensors

if TYPE_CHECKING:
    from optimizers.compress.quantize.equalize import CrossLayerEqualization
    from optimizers.context import Context
    from optimizers.models.network import Network

SCALING = {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity"}
SMALLEST = 1e-8             # a channel whose weights are all below it is dead, and left


@dataclass(frozen=True)
class Pair:
    """first feeds second alone; outs, ins: the axes on which the channels between them lie."""

    first: Layer
    second: Layer
    outs: int
    ins: int


def equalize(technique: CrossLayerEqualization, model: Network, ctx: Context) -> Network:
    """The same function with evener weights; the note tells by how much."""
    proto = fold_batch_norm(model.proto)
    pairs = [pair for pair in pairs_of(proto) if all(np.isfinite(array).all() for array in tensors_of(pair).values())]
    held = {name: array.astype(np.float64) for pair in pairs for name, array in tensors_of(pair).items()}
    before = unevenness(pairs, held)
    for number in range(technique.rounds):
        ctx.report(number / technique.rounds, f"pass {number + 1} of {technique.rounds}")
        for pair in pairs:
            one(pair, held)
    made = model.with_(proto=with_tensors(proto, {name: array.astype(np.float32) for name, array in held.items()}))
    if not pairs:
        return made.noting("No two layers follow each other with nothing but ReLU or pooling between them, so nothing was equalized.")
    return made.noting(f"{len(pairs)} pairs of layers equalized: the largest channel of a layer was {before:.1f} times its median one, "
                       f"and is {unevenness(pairs, held):.1f} times now (means over the layers).")


def pairs_of(proto: onnx.ModelProto) -> list[Pair]:
    """Every pair, in the order of the graph; layers whose weights are read twice are left."""
    read = uses(proto)
    layers = {layer.at: layer for layer in weighted(proto) if all(read[name] == 1 for name in layer.node.input[1:] if name)}
    readers = {name: at for at, node in enumerate(proto.graph.node) for name in node.input}
    found = []
    for layer in layers.values():
        name = layer.node.output[0]
        while read[name] == 1 and (at := readers.get(name)) is not None and proto.graph.node[at].op_type in SCALING:
            name = proto.graph.node[at].output[0]
        second = layers.get(readers.get(name, -1)) if read[name] == 1 else None
        if second is not None and second.node.input[0] == name:
            outs, ins = out_axis(layer), in_axis(second)
            if outs is not None and ins is not None and layer.weight.shape[outs] == second.weight.shape[ins]:
                found.append(Pair(layer, second, outs, ins))
    return found


def out_axis(layer: Layer) -> int | None:
    """The axis of output channels; None for a layer that is not scaled by its rows."""
    if layer.kind == "MatMul":
        return 1 if layer.weight.ndim == 2 else None
    return channel_axis(layer.node) if layer.kind in ("Conv", "Gemm") else None


def in_axis(layer: Layer) -> int | None:
    """The axis of input channels; a depthwise layer has them where its outputs are."""
    outs = out_axis(layer)
    if layer.kind == "Conv" and layer.groups > 1:
        return 0 if layer.depthwise and layer.groups == layer.weight.shape[0] else None
    return None if outs is None else 1 - outs if layer.weight.ndim == 2 else 1


def tensors_of(pair: Pair) -> dict[str, np.ndarray]:
    found = {pair.first.node.input[1]: pair.first.weight, pair.second.node.input[1]: pair.second.weight}
    return found | ({pair.first.node.input[2]: pair.first.bias} if pair.first.bias is not None else {})


def one(pair: Pair, held: dict[str, np.ndarray]) -> None:
    """Scale each channel between two layers, in place, until it is as large in one as in the other."""
    first, second = held[pair.first.node.input[1]], held[pair.second.node.input[1]]
    large, small = largest(first, pair.outs), largest(second, pair.ins)
    alive = (large > SMALLEST) & (small > SMALLEST)
    factor = np.where(alive, np.sqrt(np.where(alive, large, 1.0) / np.where(alive, small, 1.0)), 1.0)
    held[pair.first.node.input[1]] = first / across(factor, first.ndim, pair.outs)
    held[pair.second.node.input[1]] = second * across(factor, second.ndim, pair.ins)
    if pair.first.bias is not None:
        held[pair.first.node.input[2]] = held[pair.first.node.input[2]] / factor


def largest(weight: np.ndarray, axis: int) -> np.ndarray:
    """Of each channel, the largest magnitude."""
    return np.abs(unfolded(weight, axis)).max(axis=1)


def unevenness(pairs: list[Pair], held: dict[str, np.ndarray]) -> float:
    """The mean over first layers of largest channel / median channel."""
    ratios = []
    for pair in pairs:
        ranges = largest(held[pair.first.node.input[1]], pair.outs)
        ratios.append(float(ranges.max() / max(float(np.median(ranges)), SMALLEST)))
    return float(np.mean(ratios)) if ratios else 1.0
