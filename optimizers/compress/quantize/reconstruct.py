"""Weights in few bits, layer by layer: each is rounded so that its own output changes least, given what the layers before it became.

Adaptive rounding: Nagel et al. 2020, arXiv:2004.10568. Bias correction: Nagel et al. 2019, arXiv:1906.04721.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from optimizers.compress.quantize.weight_grid import Codes, best_scales, rounded, top
from optimizers.models.axes import across, unfolded
from optimizers.models.modules import CONVS
from optimizers.models.rewrite import weighted
from optimizers.models.tracing import Binding
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.models.network import Network

BATCH = 32
MOST_BYTES = 192 << 20          # of one layer's inputs held at once; fewer rows are taken beyond it
STRETCH = (-0.1, 1.1)           # the rectified sigmoid reaches 0 and 1 with a slope left
PULL = 0.01                     # weight of the term that drives roundings to 0 or 1


def reconstruct(network: Network, fed: np.ndarray, bits: Mapping[str, int], ctx: Context, *, per_channel: bool = True,
                iterations: int = 500, correct: bool = True) -> dict[str, Codes]:
    """Codes for the layers named in `bits` (layer -> bits), first to last. network: float, batch norm folded.  fed: calibration rows.

    iterations: steps of adaptive rounding for each layer; 0 rounds to nearest.  correct: give each bias the mean that rounding took away.
    Layers that torch does not hold as a layer are left out of the answer.
    """
    use_threads(ctx.threads)
    whole, shrunk = network.to_torch(), network.to_torch()
    rows = torch.from_numpy(np.ascontiguousarray(fed))
    found: dict[str, Codes] = {}
    places = list(places_of(network, whole, bits))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        for number, (name, path, layout) in enumerate(places):
            ctx.report(0.1 + 0.8 * number / len(places), f"rounding {name} to {bits[name]} bits")
            layer = whole.get_submodule(path)
            inputs = inputs_of(shrunk, path, rows)
            targets = outputs_of(layer, inputs_of(whole, path, rows))
            weight = layer.get_parameter("weight").detach()
            scales = best_scales(unfolded(weight.numpy(), 0) if per_channel else weight.numpy().reshape(1, -1), bits[name])
            codes = rounded(weight.numpy(), scales, bits[name], 0)
            if iterations:
                codes = adaptive(layer, inputs, targets, scales, bits[name], iterations, rectified(whole, path))
                codes[weight.numpy() == 0] = 0          # a pruned weight is not rounded up to life
            bias = adopt(shrunk.get_submodule(path), codes, scales, inputs, targets, correct)
            values = codes.T if layout == "transposed" else codes
            found[name] = Codes(np.ascontiguousarray(values), scales, 1 if layout == "transposed" else 0, bits[name], bias)
    return found


def places_of(network: Network, module: fx.GraphModule, wanted: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """(layer's name, module path, how its weight is laid out) in the order of the graph."""
    held: dict[str, list[Binding]] = {}         # a weight that several layers share has a place for each, in the order of the graph
    for binding in module.meta["bindings"]:
        if binding.path.endswith(".weight"):
            held.setdefault(binding.name, []).append(binding)
    for layer in weighted(network.proto):
        places = held.get(layer.node.input[1])
        binding = places.pop(0) if places else None
        if layer.name in wanted and binding is not None:
            path = binding.path.removesuffix(".weight")
            if isinstance(module.get_submodule(path), (*CONVS, nn.Linear)):
                yield layer.name, path, binding.layout


@torch.no_grad()
def adopt(layer: nn.Module, codes: np.ndarray, scales: np.ndarray, inputs: Tensor, targets: Tensor, correct: bool) -> np.ndarray | None:
    """Give the layer its rounded weights, in place; returns its new bias where it has one."""
    weight = codes * across(scales, codes.ndim, 0)
    layer.get_parameter("weight").copy_(torch.from_numpy(weight.astype(np.float32)))
    if layer.bias is None:
        return None
    if correct:
        axis = 1 if isinstance(layer, CONVS) else -1
        gap = (targets - outputs_of(layer, inputs)).movedim(axis, 0).flatten(1).mean(1)
        layer.get_parameter("bias").add_(gap)
    return layer.get_parameter("bias").detach().numpy().copy()


def adaptive(layer: nn.Module, inputs: Tensor, targets: Tensor, scales: np.ndarray, bits: int, iterations: int,
             rectify: bool) -> np.ndarray:
    """Round up or down, whichever keeps the layer's output: learned by gradient on a soft choice that hardens."""
    weight = layer.get_parameter("weight").detach()
    scale = torch.from_numpy(across(scales, weight.dim(), 0).astype(np.float32))
    floor = torch.floor(weight / scale)
    share = (weight / scale - floor).clamp(0.01, 0.99)
    low, high = STRETCH
    choice = nn.Parameter(torch.logit((share - low) / (high - low)))
    optimizer = torch.optim.Adam([choice], 0.01 if iterations >= 1000 else 0.03)
    pictures = torch.Generator().manual_seed(int(torch.randint(2**31, ()).item()))
    scaled = float(targets.square().mean()) or 1.0
    for step in range(iterations):
        some = torch.randint(len(inputs), (BATCH,), generator=pictures)
        up = (torch.sigmoid(choice) * (high - low) + low).clamp(0, 1)
        soft = (floor + up).clamp(-top(bits), top(bits)) * scale
        out, wanted = applied(layer, inputs[some], soft), targets[some]
        if rectify:
            out, wanted = F.relu(out), F.relu(wanted)
        loss = (out - wanted).square().mean() / scaled
        if step > 0.2 * iterations:                     # first fit, then decide
            sharp = 20 - 18 * (step / iterations - 0.2) / 0.8
            loss = loss + PULL * (1 - (2 * up - 1).abs().pow(sharp)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    up = (torch.sigmoid(choice.detach()) * (high - low) + low) >= 0.5
    return (floor + up).clamp(-top(bits), top(bits)).to(torch.int8).numpy()


def applied(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """The layer with another weight."""
    return torch.func.functional_call(layer, {"weight": weight}, (x,))


@torch.no_grad()
def outputs_of(layer: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([layer(part) for part in inputs.split(256)])


class Reached(Exception):
    """The layer asked for has its input: nothing behind it need run."""


@torch.no_grad()
def inputs_of(module: fx.GraphModule, path: str, rows: Tensor) -> Tensor:
    """What a layer is fed for these rows, as many of them as memory affords."""
    caught: list[Tensor] = []

    def catch(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        caught.append(given[0].detach().clone())
        raise Reached

    handle = module.get_submodule(path).register_forward_pre_hook(catch)
    try:
        for part in rows.split(64):
            if sum(tensor.nbytes for tensor in caught) > MOST_BYTES:
                break
            try:
                module(part)
            except Reached:
                pass
    finally:
        handle.remove()
    return torch.cat(caught)


def rectified(module: fx.GraphModule, path: str) -> bool:
    """Whether nothing but ReLU reads the layer: what it cuts off need not be kept."""
    node = next(node for node in module.graph.nodes if node.op == "call_module" and node.target == path)
    return len(node.users) == 1 and next(iter(node.users)).target is F.relu
