"""Weight sharing at work: k-means of each layer in one dimension, exact and sorted; then the shared values learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from optimizers.errors import OptimizerError
from optimizers.models.fold import fold_batch_norm
from optimizers.models.rewrite import recurrent, weighted, with_tensors
from optimizers.refusals import must_know
from optimizers.training.callback import Callback

if TYPE_CHECKING:
    from optimizers.compress.share.cluster_weights import WeightClustering
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MOST_ROUNDS = 300       # of k-means; some tens settle most layers


def cluster(settings: WeightClustering, network: Network, data: Dataset, ctx: Context) -> Network:
    """The network with shared weights. Raises OptimizerError for a layer whose weights are no numbers, and where there is none."""
    folded = network.with_(proto=fold_batch_norm(network.proto))     # folding later would scale each channel's values apart again
    tensors = shareable(folded, settings)
    made: dict[str, np.ndarray] = {}
    for place, (name, (weights, bits)) in enumerate(tensors.items()):
        ctx.report(0.1 * place / len(tensors), f"k-means, layer {place + 1} of {len(tensors)}")
        rng = np.random.default_rng([ctx.seed, place, 11])
        made[name] = shared(weights, 2**bits, settings.init, rng)
    clustered = folded.with_(proto=with_tensors(folded.proto, made), shared=True).noting(*told(tensors, made, settings))
    if not settings.epochs:
        return clustered
    from optimizers.training.loop import fit

    return fit(clustered, data, settings, ctx, Learning(set(made)))


def shareable(network: Network, settings: WeightClustering) -> dict[str, tuple[np.ndarray, int]]:
    """Weights and their bits by the name of their tensor, each once however many layers read it.

    Layers to keep and tensors of few values are left out.
    """
    layers = list(weighted(network.proto))
    kept = {layer.node.input[1] for layer in layers if layer.name in settings.keep}
    must_know((*(layer.name for layer in layers), *(name for name, _, _ in recurrent(network.proto))), settings.keep, "keep")
    found: dict[str, tuple[np.ndarray, int]] = {}
    for layer in layers:
        if layer.weight.dtype != np.float32 or layer.node.input[1] in kept:
            continue
        if not np.isfinite(layer.weight).all():
            raise OptimizerError("A weight is not a finite number, and means of it are not either.", layer.name,
                                 "Repair or retrain the network, or name this layer in 'keep'.", "weights-not-finite")
        bits = min(8, settings.bits + (settings.depthwise if layer.depthwise else 0))
        if layer.weight.size > 2**bits:
            found[layer.node.input[1]] = layer.weight, bits
    for layer_name, name, weight in recurrent(network.proto):
        if layer_name not in settings.keep and weight.dtype == np.float32 and weight.size > 2**settings.bits and np.isfinite(weight).all():
            found[name] = weight, settings.bits
    if not found:
        raise OptimizerError(f"No layer has more than {2**settings.bits} weights that could share values.", "model",
                             "Use fewer bits, or shorten the list of layers to keep.", "nothing-to-cluster")
    return found


def shared(weights: np.ndarray, k: int, init: str, rng: np.random.Generator) -> np.ndarray:
    """Each weight replaced by the nearest of at most k values, zeros by zero alone. Shape and float32 stay."""
    flat = weights.reshape(-1)
    live = flat[flat != 0]
    values = kmeans(live, k - (len(live) < len(flat)), init, rng) if len(live) else np.zeros(1)
    made = np.zeros(len(flat), np.float32)
    made[flat != 0] = values.astype(np.float32)[nearest(values, live)]
    return made.reshape(weights.shape)


def kmeans(points: np.ndarray, k: int, init: str, rng: np.random.Generator) -> np.ndarray:
    """At most k means, ascending, float64. points: (n,), n at least 1; k at least 1. Lloyd's rounds over sorted points: a cluster is a
    stretch, its mean a difference of running sums. Clusters that lose all their points go.
    """
    ordered = np.sort(points.astype(np.float64))
    distinct = ordered[np.r_[True, np.diff(ordered) > 0]]
    if len(distinct) <= k:
        return distinct
    sums = np.r_[0.0, np.cumsum(ordered)]
    means = np.unique(beginning(ordered, distinct, k, init, rng))
    edges = np.empty(0, np.int64)
    for _ in range(MOST_ROUNDS):
        fresh = np.r_[0, np.searchsorted(ordered, (means[1:] + means[:-1]) / 2, "right"), len(ordered)]
        held = np.diff(fresh) > 0
        fresh = np.r_[fresh[:-1][held], len(ordered)]
        if np.array_equal(fresh, edges):
            break
        edges = fresh
        means = np.diff(sums[edges]) / np.diff(edges)
    return means


def beginning(ordered: np.ndarray, distinct: np.ndarray, k: int, init: str, rng: np.random.Generator) -> np.ndarray:
    if init == "linear":
        return np.linspace(ordered[0], ordered[-1], k) if k > 1 else ordered[[len(ordered) // 2]]
    if init == "density":
        return ordered[((np.arange(k) + 0.5) / k * len(ordered)).astype(np.int64)]
    return rng.choice(distinct, k, replace=False)


def nearest(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Place of the nearest value of each point; values ascend, a tie goes to the upper."""
    return np.searchsorted((values[1:] + values[:-1]) / 2, points, "right")


class Learning(Callback):
    """Shared values as parameters: the gradient of a value is the sum over the weights that have it. tensors: names in the graph."""

    def __init__(self, tensors: set[str]) -> None:
        self.tensors = tensors

    def begin(self, module: fx.GraphModule) -> None:
        values: dict[str, nn.Parameter] = {}            # a tensor that two layers read stays one
        for binding in module.meta["bindings"]:
            if binding.name not in self.tensors:
                continue
            path, _, field = binding.path.rpartition(".")
            layer = module.get_submodule(path)
            weight = getattr(layer, field).requires_grad_(False)
            if field == "weight" and isinstance(layer, LAYERS):         # others keep the values that k-means gave them
                made = Shared(weight, values.get(binding.name))
                values[binding.name] = made.values
                parametrize.register_parametrization(layer, "weight", made)


class Shared(nn.Module):
    """weight -> values[place]. Zero, where it is among the values, does not learn."""

    def __init__(self, weight: Tensor, values: nn.Parameter | None) -> None:
        super().__init__()
        found, places = torch.unique(weight.detach(), return_inverse=True)
        self.values = nn.Parameter(found) if values is None else values
        self.shape = weight.shape
        self.places: Tensor
        self.free: Tensor
        self.register_buffer("places", places.reshape(-1).to(torch.int32))
        self.register_buffer("free", (found != 0).to(found.dtype))

    def forward(self, weight: Tensor) -> Tensor:
        return (self.values * self.free).index_select(0, self.places).view(self.shape)


def told(before: dict[str, tuple[np.ndarray, int]], after: dict[str, np.ndarray], settings: WeightClustering) -> list[str]:
    """Sentences: how many values, and how far the weights moved."""
    moved = sum(float(np.square(after[name] - weights, dtype=np.float64).sum()) for name, (weights, _) in before.items())
    whole = sum(float(np.square(weights, dtype=np.float64).sum()) for weights, _ in before.values())
    sizes = " or ".join(str(2**bits) for bits in sorted({bits for _, bits in before.values()}))
    said = [f"The weights of {len(before)} layers share {sizes} values each; k-means moved them by "
            f"{100 * (moved / max(whole, 1e-30)) ** 0.5:.1f}\u202f% of their size (root mean square)."]
    return said + ([f"Left whole: {', '.join(settings.keep[:12])}."] if settings.keep else [])
