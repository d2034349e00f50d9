"""Which layers become binary, and what the float network computes there: shapes, means and spreads to start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor, fx, nn

from optimizers.compress.binarize.binarize import KINDS
from optimizers.errors import OptimizerError
from optimizers.models.fold import channel_axis
from optimizers.models.graph import uses
from optimizers.models.rewrite import Layer, weighted
from optimizers.refusals import must_know


@dataclass(frozen=True)
class Seen:
    """What one layer reads and makes over some rows. shape: of one row (channels first).  Statistics are by channel."""

    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    least: np.ndarray
    mean_in: np.ndarray
    mean_out: np.ndarray
    spread_out: np.ndarray


def chosen(proto: onnx.ModelProto, keep: tuple[str, ...]) -> tuple[list[Layer], dict[str, str]]:
    """(layers that become binary, name -> reason for those with weights that do not). Raises OptimizerError where none is left."""
    layers = list(weighted(proto))
    must_know((layer.name for layer in layers), keep, "keep")
    read, before, after = uses(proto), *ends(proto, layers)
    left: dict[str, str] = {}
    for layer in layers:
        if reason := why_not(layer, keep, before, after, read):
            left[layer.name] = reason
        elif not np.isfinite(layer.weight).all():
            raise OptimizerError("The weights hold numbers that are not finite.", layer.name,
                                 "Train the network again, or keep the layer in float.", "not-finite")
    if len(left) == len(layers):
        why = "; ".join(f"{name}: {reason}" for name, reason in list(left.items())[:4]) or "it has no layer with weights"
        raise OptimizerError(f"No layer can become binary ({why}).", "model", "Use 'quantize-static'.", "nothing-to-binarize")
    return [layer for layer in layers if layer.name not in left], left


def why_not(layer: Layer, keep: tuple[str, ...], before: set[str], after: set[str], read: dict[str, int]) -> str:
    """Why a layer stays float; "" where it need not."""
    if layer.name in keep:
        return "asked for"
    if layer.name not in before:
        return "first layer"
    if layer.name not in after:
        return "last layer"
    if layer.kind not in KINDS or channel_axis(layer.node) is None:
        return f"{layer.kind} of this form"
    if read[layer.node.input[1]] > 1:
        return "shares its weights"
    return "depthwise" if layer.depthwise else ""


def ends(proto: onnx.ModelProto, layers: list[Layer]) -> tuple[set[str], set[str]]:
    """(layers with a weighted layer somewhere before them, layers with one somewhere behind them)."""
    named = {layer.at: layer.name for layer in layers}
    before, after = set[str](), set[str]()
    fed, feeding = set[str](), set[str]()
    for at, node in enumerate(proto.graph.node):
        if fed & set(node.input):
            before |= {named[at]} if at in named else set()
            fed.update(node.output)
        fed.update(node.output if at in named else ())
    for at, node in reversed(list(enumerate(proto.graph.node))):
        if feeding & set(node.output):
            after |= {named[at]} if at in named else set()
            feeding.update(node.input)
        feeding.update(node.input if at in named else ())
    return before, after


def paths(module: fx.GraphModule, names: set[str]) -> dict[str, str]:
    """Path of the layer that holds each weight tensor."""
    return {binding.name: binding.path.rpartition(".")[0] for binding in module.meta["bindings"] if binding.name in names}


@torch.no_grad()
def look(module: fx.GraphModule, layers: list[Layer], batches: list[Tensor]) -> dict[str, Seen]:
    """Layer name -> what it saw over the batches, in eval mode; layers that torch holds in another form are left out."""
    where = paths(module, {layer.node.input[1] for layer in layers})
    kept: dict[str, list[tuple[Tensor, Tensor]]] = {path: [] for path in where.values()}
    hooks = [module.get_submodule(path).register_forward_hook(noting(kept[path])) for path in where.values()]
    for x in batches:
        module.eval()(x)
    for hook in hooks:
        hook.remove()
    return {layer.name: summed_up(kept[where[layer.node.input[1]]]) for layer in layers if kept.get(where.get(layer.node.input[1], ""))}


def noting(kept: list[tuple[Tensor, Tensor]]):
    def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept.append((inputs[0].detach(), output.detach()))
    return hook


def summed_up(pairs: list[tuple[Tensor, Tensor]]) -> Seen:
    read, made = (torch.cat([pair[side] for pair in pairs]) for side in (0, 1))
    channels_in, channels_out = (whole.transpose(0, 1).flatten(1) for whole in (read, made))
    return Seen(tuple(read.shape[1:]), tuple(made.shape[1:]), channels_in.amin(1).numpy(), channels_in.mean(1).numpy(),
                channels_out.mean(1).numpy(), channels_out.std(1).numpy())
