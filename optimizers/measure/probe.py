"""What each layer can bear: every layer alone at each treatment, weights only, on validation rows. One look at the whole network.

Nothing is trained and activations stay in float, so a treatment that needs either comes out worse here than a recipe makes it; what the
rows tell is which layers to be careful with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from optimizers.candidate import Sensitivity
from optimizers.measure.sensitivity import by_layer
from optimizers.models.axes import across, unfolded
from optimizers.models.fold import fold_batch_norm
from optimizers.models.rewrite import Layer, weighted, with_tensors

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

MOST_LAYERS = 200           # the largest are looked at where there are more


def probe(network: Network, data: Dataset, ctx: Context) -> tuple[Sensitivity, ...]:
    """A row for each layer and treatment. network: float, of any family; batch norm is folded before."""
    folded = network.with_(proto=fold_batch_norm(network.proto))
    layers = {layer.name: layer for layer in weighted(folded.proto) if layer.weight.dtype == np.float32 and layer.weight.ndim > 1}
    largest = sorted(layers, key=lambda name: layers[name].weight.size, reverse=True)[:MOST_LAYERS]
    layers = {name: layer for name, layer in layers.items() if name in largest}
    rows: tuple[Sensitivity, ...] = ()
    base, span = ctx.base, ctx.span
    for number, (treatment, treat) in enumerate(TREATMENTS.items()):
        ctx.base, ctx.span = base + span * number / len(TREATMENTS), span / len(TREATMENTS)
        weights = {name: weight for name, layer in layers.items() if (weight := treat(layer)) is not None}

        def treated(name: str, weights: dict[str, np.ndarray] = weights) -> Network:
            return folded.with_(proto=with_tensors(folded.proto, {layers[name].node.input[1]: weights[name]}))

        rows += by_layer({name: layers[name].kind for name in weights}, treated, folded, data, ctx, treatment)
    ctx.base, ctx.span = base, span
    return rows


Treat = Callable[[Layer], "np.ndarray | None"]


def rounded(bits: int) -> Treat:
    """Nearest on a grid of so many bits, a scale for each output channel."""
    def treat(layer: Layer) -> np.ndarray:
        from optimizers.compress.quantize.weight_grid import on_grid

        return on_grid(layer.weight, bits, layer.channels).weight
    return treat


def signs(layer: Layer) -> np.ndarray:
    """One bit: the sign times the channel's mean magnitude (Rastegari et al. 2016, arXiv:1603.05279)."""
    scale = across(np.abs(unfolded(layer.weight, layer.channels)).mean(axis=1), layer.weight.ndim, layer.channels)
    return np.where(layer.weight >= 0, scale, -scale).astype(np.float32)


def half_gone(layer: Layer) -> np.ndarray | None:
    """The smaller half of the output channels set to zero, as pruning would take them; None for a layer of one."""
    norms = np.linalg.norm(unfolded(layer.weight, layer.channels), axis=1)
    if len(norms) < 2:
        return None
    stays = np.ones(len(norms), np.float32)
    stays[np.argsort(norms, kind="stable")[:len(norms) // 2]] = 0
    return layer.weight * across(stays, layer.weight.ndim, layer.channels)


def half_rank(layer: Layer) -> np.ndarray | None:
    """The nearest matrix of half the rank; None for a depthwise layer, which has none to lose."""
    rows = np.moveaxis(layer.weight, layer.channels, 0)
    matrix = unfolded(layer.weight, layer.channels)
    rank = min(matrix.shape) // 2
    if not rank or layer.groups > 1:
        return None
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    low = (u[:, :rank] * s[:rank]) @ v[:rank]
    return np.moveaxis(low.reshape(rows.shape), 0, layer.channels).astype(np.float32)


TREATMENTS: dict[str, Treat] = {"8 bits": rounded(8), "4 bits": rounded(4), "2 bits": rounded(2), "1 bit": signs, "half pruned": half_gone,
                                "half rank": half_rank}
