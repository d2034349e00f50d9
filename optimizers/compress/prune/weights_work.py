"""Weight pruning at work: scores, masks, zeros in the graph's own tensors. Torch is not needed, so any graph with weights will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from optimizers.compress.prune.weights_layers import Weight, treated, weights
from optimizers.compress.prune.weights_ranking import across, by_output, least, n_of_m
from optimizers.errors import OptimizerError
from optimizers.measure.shipped import open_session
from optimizers.models.graph import as_input, attributes, copied, inputs
from optimizers.models.rewrite import Layer, with_tensors

if TYPE_CHECKING:
    from optimizers.compress.prune.weights import WeightPruning
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

BATCH = 32


def prune(network: Network, data: Dataset, technique: WeightPruning, ctx: Context) -> Network:
    """The network with zeros in the place of its weights of least worth; raises OptimizerError when there is nothing to prune."""
    ctx.report(0.0, "ranking weights")
    chosen = treated(network.proto, technique.keep, technique.ends, technique.name)
    if technique.score == "activation":
        norms = input_norms(network, [layer for weight in chosen for layer in weight.layers],
                            data.calibration(technique.rows, ctx.seed), ctx)
        scores = {weight.name: activation_score(weight, norms) for weight in chosen}
    else:
        scores = {weight.name: np.abs(weight.array) for weight in chosen}
    gone = masks(chosen, scores, technique)
    tensors = {weight.name: np.where(gone[weight.name], weight.array.dtype.type(0), weight.array) for weight in chosen}
    ctx.report(0.9, "writing zeros")
    made = network.with_(proto=with_tensors(network.proto, tensors), sparse=True)
    return made.noting(*told(made, [weight.name for weight in chosen], technique.pattern))


def masks(chosen: list[Weight], scores: dict[str, np.ndarray], technique: WeightPruning) -> dict[str, np.ndarray]:
    """By tensor, True where a weight goes. No layer loses its last weight."""
    if technique.pattern != "free":
        n, m = map(int, technique.pattern.split(":"))
        return {weight.name: turned(weight, lambda score: n_of_m(score, n, m), scores[weight.name]) for weight in chosen}
    if technique.scope == "output":
        return {weight.name: turned(weight, lambda score: by_output(score, technique.share), scores[weight.name]) for weight in chosen}
    if technique.scope == "network":
        kept = across(scores, technique.share)
        return {name: least(score, score.size - kept[name]) for name, score in scores.items()}
    return {name: least(score, min(round(technique.share * score.size), score.size - 1)) for name, score in scores.items()}


def turned(weight: Weight, rule, score: np.ndarray) -> np.ndarray:
    """A rule for (outs, ins, ...) applied to a score laid out as the graph stores the tensor."""
    mask = np.zeros(score.shape, bool)
    weight.outs_ins(mask)[...] = rule(weight.outs_ins(score))       # a view, so the mask itself is filled
    return mask


def activation_score(weight: Weight, norms: dict[str, np.ndarray]) -> np.ndarray:
    """|w| times the norm of the input channel it meets; a shared tensor meets the inputs of all its layers."""
    squares = sum(np.square(met(layer, norms[layer.node.input[0]])) for layer in weight.layers)
    return np.abs(weight.array) * np.sqrt(squares)


def met(layer: Layer, norms: np.ndarray) -> np.ndarray:
    """Norms of the input channels, (channels,), laid out to multiply the layer's weight."""
    shape = layer.weight.shape
    if layer.kind == "Conv":            # weight (outs, ins / groups, ...): output o sees the channels of its own group
        grouped = np.repeat(norms.reshape(layer.groups, -1), shape[0] // layer.groups, axis=0)
        return grouped.reshape(*grouped.shape, *[1] * (len(shape) - 2))
    if layer.kind == "ConvTranspose":
        return norms.reshape(-1, *[1] * (len(shape) - 1))
    across_columns = layer.kind == "Gemm" and attributes(layer.node).get("transB", 0)
    return norms if across_columns else norms[:, None]


def input_norms(network: Network, layers: list[Layer], rows: np.ndarray, ctx: Context) -> dict[str, np.ndarray]:
    """By name of the value each layer reads, the L2 norm of every channel over rows and places, as ONNX Runtime computes it."""
    proto = copied(network.proto)
    if len(inputs(proto)) != 1:
        raise OptimizerError(f"The network has {len(inputs(proto))} inputs, and calibration rows fill one.", "prune-weights.score",
                             "Use 'magnitude', which needs no rows.", "several-inputs")
    axes = {layer.node.input[0]: axis(layer) for layer in layers}
    source = inputs(proto)[0].name
    shown = [name for name in axes if name not in {source, *(value.name for value in proto.graph.output)}]
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in shown)
    session = open_session(proto.SerializeToString(), ctx.threads)
    wanted = [name for name in axes if name != source]
    first = session.get_inputs()[0].shape[0]
    size = first if isinstance(first, int) and first > 0 else BATCH
    squares = dict.fromkeys(axes, np.zeros(1))
    for at in range(0, len(rows), size):
        ctx.report(0.1 + 0.7 * at / len(rows), "looking at activations")
        fed = as_input(network.feed(np.resize(rows[at:at + size], (size, *rows.shape[1:]))), session.get_inputs()[0].type)
        found = dict(zip(wanted, session.run(wanted, {source: fed}) if wanted else [], strict=True)) | {source: fed}
        for name, channel in axes.items():
            values = np.moveaxis(np.asarray(found[name], np.float64), channel, -1)
            squares[name] = squares[name] + np.square(values).reshape(-1, values.shape[-1]).sum(axis=0)
    return {name: np.sqrt(total) for name, total in squares.items()}


def axis(layer: Layer) -> int:
    """The axis of a layer's input that holds its channels."""
    if layer.kind in ("Conv", "ConvTranspose"):
        return 1
    return 0 if layer.kind == "Gemm" and attributes(layer.node).get("transA", 0) else -1


def told(network: Network, chosen: list[str], pattern: str = "free") -> list[str]:
    """Sentences: how many weights are zero, which layers are densest and thinnest, and which are as they were."""
    found = weights(network.proto)
    densities = {weight.called: float((weight.array != 0).mean()) for weight in found}
    total = sum(weight.array.size for weight in found)
    zeros = sum(int((weight.array == 0).sum()) for weight in found)
    treated_ones = {weight.called: densities[weight.called] for weight in found if weight.name in chosen}
    thin, dense = min(treated_ones, key=treated_ones.__getitem__), max(treated_ones, key=treated_ones.__getitem__)
    spread = f": {thin} keeps {densities[thin]:.1%}, {dense} keeps {densities[dense]:.1%}" if thin != dense else ""
    said = [f"{zeros / total:.1%} of {total:,} weights in {len(found)} layers are zero{spread}."]
    if whole := [name for name, density in densities.items() if density == 1]:
        said.append(f"Without a zero: {', '.join(whole[:8])}" + (f" and {len(whole) - 8} more." if len(whole) > 8 else "."))
    if pattern != "free":
        said.append(f"The pattern {pattern} runs faster only on sparse tensor cores (NVIDIA Ampere and newer, 2:4 alone), "
                    "not in ONNX Runtime on a processor and not in C.")
    return said
