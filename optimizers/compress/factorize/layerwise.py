"""Layer by layer: which layers can be replaced, what they see and answer on training rows, and a walk that fits one after another.

The walk keeps two networks going side by side on the same rows: the original, whose answers are the target, and the one in which
earlier layers are already replaced, whose features each new layer must live with (Zhang et al. 2015, arXiv:1505.06798).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models.graph import constants, uses
from optimizers.models.graph_facts import analyse
from optimizers.models.modules import NORMS, layers, shapes, shared
from optimizers.models.network import Network
from optimizers.models.rewrite import Layer, weighted
from optimizers.refusals import must_know

BYTES = 2**29           # of tensors alive at once in a walk; fewer rows are taken where they would need more
SAMPLES = 20_000        # positions that a least squares fit is made of, at most (or ten for each unknown)
HOLD = 1e-3             # how much a fit holds on to the weights it starts from, in units of the mean power of the features


@dataclass(frozen=True, eq=False)
class Site:
    """A layer that may be replaced. path: of its module.  rows: shapes of one row going in and coming out.  macs: of one row.

    bias: the graph's name for what a following Add adds, where the layer is a MatMul whose Add can be given other numbers.
    scale: (outs,) by which each output channel is multiplied before anything else looks at it (a batch norm behind it), else ones.
    """

    layer: Layer
    path: str
    node: fx.Node
    module: nn.Module
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    macs: int
    scale: np.ndarray
    bias: str | None = None

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def weight(self) -> np.ndarray:
        """(outs, ins, *kernel), float64."""
        return self.module.get_parameter("weight").detach().numpy().astype(np.float64)

    @property
    def moves(self) -> bool:
        """Whether the chain may have another bias than the layer."""
        return self.layer.kind != "MatMul" or self.bias is not None

    @property
    def places(self) -> tuple[int, int]:
        """Positions of one row before and after: pixels, tokens; 1 and 1 where a row is one vector."""
        if isinstance(self.module, nn.Linear):
            return (int(np.prod(self.ins[:-1], dtype=int)),) * 2
        return int(np.prod(self.ins[1:], dtype=int)), int(np.prod(self.outs[1:], dtype=int))


def find(network: Network, module: fx.GraphModule, example: Tensor, keep: Sequence[str]) -> tuple[list[Site], dict[str, str]]:
    """The sites in the order they are computed, and for each other layer with weights why it is none.

    Raises OptimizerError for a name in `keep` that no layer has, and for weights that are not finite.
    """
    search = Search(network, module, shapes(module, example))
    must_know((layer.name for layer in search.named), keep, "keep")
    left = {layer.name: "asked for" if layer.name in keep else search.why_not(layer) for layer in search.named}
    found = {site.node: site for layer in search.named if not left[layer.name] for site in [search.site(layer)]}
    return [found[node] for node in module.graph.nodes if node in found], {name: why for name, why in left.items() if why}


class Search:
    """The layers of a graph, and which torch layer each became."""

    def __init__(self, network: Network, module: fx.GraphModule, extents: dict[fx.Node, tuple[int, ...]]) -> None:
        self.module, self.extents = module, extents
        self.named = list(weighted(network.proto))
        self.often, self.read = Counter(layer.name for layer in self.named), uses(network.proto)
        self.stored, self.tied = constants(network.proto), shared(module)
        self.bound = {binding.path: binding.name for binding in module.meta["bindings"]}
        self.spent = {layer.name: layer.macs for layer in analyse(network.proto).layers}
        self.places = {self.bound[f"{node.target}.weight"]: (node, layer) for node, layer in layers(module)
                       if f"{node.target}.weight" in self.bound}

    def why_not(self, layer: Layer) -> str:
        """Why a layer cannot be replaced; empty where it can."""
        node, held = self.places.get(layer.node.input[1], (None, None))
        if self.often[layer.name] > 1:
            return "its name is not its own"
        if self.read[layer.node.input[1]] > 1 or (node is not None and str(node.target) in self.tied):
            return "it shares weights"
        if isinstance(bias := getattr(held, "bias", None), Tensor) and not bool(torch.isfinite(bias).all()):
            return "something infinite is added to it"
        return "it is no plain layer" if node is None else "it works in groups" if layer.groups > 1 else ""

    def site(self, layer: Layer) -> Site:
        if not np.isfinite(layer.weight).all():
            raise OptimizerError("Some weights are not finite numbers.", layer.name, "Train the network again with a smaller rate.",
                                 "nan-weights")
        node, torch_layer = self.places[layer.node.input[1]]
        source = node.args[0]
        assert isinstance(source, fx.Node)
        bias = self.bound.get(f"{node.target}.bias", "")
        added = layer.kind == "MatMul" and self.read[bias] == 1 and bias in self.stored
        return Site(layer, str(node.target), node, torch_layer, self.extents[source][1:], self.extents[node][1:],
                    self.spent.get(layer.name, 0), scale_of(node, self.module, len(torch_layer.get_parameter("weight"))),
                    bias if added else None)


def scale_of(node: fx.Node, module: fx.GraphModule, outs: int) -> np.ndarray:
    """|scale / deviation| of a batch norm that alone reads the node, else ones."""
    users = list(node.users)
    layer = module.get_submodule(str(users[0].target)) if len(users) == 1 and users[0].op == "call_module" else None
    if not isinstance(layer, NORMS) or layer.running_var is None or layer.weight is None:
        return np.ones(outs)
    return np.maximum((layer.weight.abs() / (layer.running_var + layer.eps).sqrt()).detach().numpy().astype(np.float64), 1e-6)


def rows_of(network: Network, data: Dataset, sites: Sequence[Site], rows: int, seed: int) -> Tensor:
    """Training rows as the network takes them; fewer than asked where its tensors would not fit in memory."""
    largest = max((int(np.prod(shape, dtype=int)) for site in sites for shape in (site.ins, site.outs)), default=1)
    affordable = max(16, BYTES // (4 * 6 * largest))
    return torch.from_numpy(network.feed(data.calibration(min(rows, affordable), seed)))


def walk(module: fx.GraphModule, x: Tensor, sites: Sequence[Site], fit: Callable[[Site, Tensor, Tensor], nn.Module]) -> None:
    """Replace the sites in place, in order. fit(site, what the new network feeds it, what the old layer answered) -> what replaces it."""
    at = {site.node: site for site in sites}
    last = {source: node for node in module.graph.nodes for source in node.all_input_nodes}
    before, now = (fx.Interpreter(module, garbage_collect_values=False) for _ in range(2))
    before.args_iter, now.args_iter = iter([x]), iter([x])
    for node in module.graph.nodes:
        same = all(before.env[source] is now.env[source] for source in node.all_input_nodes)
        with torch.no_grad():
            before.env[node] = before.run_node(node)
        if node in at:
            source = node.args[0]
            replace(module, at[node].path, fit(at[node], now.env[source], before.env[node]))
            same = False
        with torch.no_grad():
            now.env[node] = before.env[node] if same else now.run_node(node)
        for source in node.all_input_nodes:
            if last[source] is node:
                before.env.pop(source), now.env.pop(source)


def replace(module: nn.Module, path: str, layer: nn.Module) -> None:
    owner, _, name = path.rpartition(".")
    setattr(module.get_submodule(owner), name, layer)


def features(layer: nn.Module, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """What a layer multiplies its weights with, (n, unknowns), at some positions, and where those are: (n,) in rows-by-positions order."""
    if isinstance(layer, nn.Linear):
        flat = x.reshape(-1, x.shape[-1])
        chosen = sampled(len(flat), flat.shape[1], seed)
        return flat[chosen], chosen
    weight = layer.get_parameter("weight")
    outs = [(size + 2 * int(pad) - step * (extent - 1) - 1) // stride + 1 for size, pad, step, extent, stride in
            zip(x.shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True)]       # type: ignore[arg-type]
    chosen = sampled(len(x) * int(np.prod(outs)), weight[0].numel(), seed)
    padded = F.pad(x, [int(pad) for pad in reversed(layer.padding) for _ in range(2)])        # type: ignore[arg-type]
    rows, *spots = np.unravel_index(chosen.numpy(), (len(x), *outs))
    window = [np.add.outer(spot * stride, np.arange(extent) * step) for spot, stride, extent, step in
              zip(spots, layer.stride, layer.kernel_size, layer.dilation, strict=True)]       # type: ignore[arg-type]
    index: list[np.ndarray] = [rows.reshape(-1, *[1] * len(window))]
    for at, spots_of_axis in enumerate(window):
        index.append(spots_of_axis.reshape(len(chosen), *[-1 if other == at else 1 for other in range(len(window))]))
    patches = padded.movedim(1, -1)[tuple(torch.from_numpy(part) for part in index)]          # (n, *kernel, ins)
    return patches.movedim(-1, 1).flatten(1), chosen


def sampled(count: int, unknowns: int, seed: int) -> Tensor:
    most = max(SAMPLES, 10 * unknowns)
    if count <= most:
        return torch.arange(count)
    return torch.from_numpy(np.sort(np.random.default_rng(seed).choice(count, most, replace=False)))


def answers(y: Tensor, chosen: Tensor, layer: nn.Module) -> Tensor:
    """The outputs at the chosen positions: (n, outs)."""
    flat = y.reshape(-1, y.shape[-1]) if isinstance(layer, nn.Linear) else y.movedim(1, -1).reshape(-1, y.shape[1])
    return flat[chosen]


@torch.no_grad()
def refit(last: nn.Module, x: Tensor, y: Tensor, moves: bool, seed: int) -> None:
    """Least squares in place for the last layer of a chain: its weights (and bias, where it moves) so that x gives y.

    The change is held back by a ridge, so that directions the rows do not show keep the weights they have.
    """
    z, chosen = features(last, x, seed)
    weight, bias = last.get_parameter("weight"), getattr(last, "bias", None)
    z, target = z.double(), answers(y, chosen, last).double()
    w = weight.double().flatten(1)
    if bias is not None and not moves:
        target = target - bias.double()
    shift = (z.mean(0), target.mean(0)) if moves and bias is not None else (torch.zeros(()).double(), torch.zeros(()).double())
    z, target = z - shift[0], target - shift[1]
    power = z.T @ z
    power += HOLD * max(float(power.diagonal().mean()), 1e-30) * torch.eye(len(power), dtype=torch.double)
    w = w + torch.linalg.solve(power, z.T @ (target - z @ w.T)).T
    weight.copy_(w.reshape(weight.shape))
    if moves and bias is not None:
        bias.copy_(shift[1] - w @ shift[0])
