"""Compact filters at work: start each form from its layer, fit one after another, write the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from optimizers.compress.factorize import layerwise
from optimizers.compress.factorize.chain import CONVS, written
from optimizers.compress.factorize.compact_filters_forms import cost, started
from optimizers.compress.factorize.layerwise import Site
from optimizers.compress.factorize.low_rank_seen import Unit, observe
from optimizers.compress.factorize.low_rank_work import listed
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models.graph_facts import analyse
from optimizers.models.network import Network
from optimizers.models.prove import prove
from optimizers.models.rewrite import replaced
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.compress.factorize.compact_filters import CompactFilters

BATCH = 32
PACE = 0.02             # how far a weight moves at first in one step, in units of the root mean square of its tensor


def compact(network: Network, data: Dataset, settings: CompactFilters, ctx: Context) -> Network:
    """The network with compact forms. Raises OptimizerError where no layer gains enough from one."""
    use_threads(ctx.threads)
    module = network.to_torch()
    example = torch.from_numpy(network.feed(data.calibration(2, ctx.seed)))
    sites, left = layerwise.find(network, module, example, settings.keep)
    wide = [site for site in sites if site.layer.kind == "Conv" and int(np.prod(site.layer.kernel)) > 1 and len(site.layer.kernel) < 3]
    x = layerwise.rows_of(network, data, wide, settings.rows, ctx.seed)
    units = [Unit((site,)) for site in wide]
    ctx.report(0.02, f"looking at the outputs of {len(wide)} layers on {len(x):,} rows")
    observe(module, x, units)
    chains, told = choose(units, settings, ctx.seed)
    if not chains:
        first = next((f"{name}: {why}" for name, why in told.items()), "model")
        raise OptimizerError(f"No convolution of this network would lose {settings.minimum_gain:.0%} as {settings.form} filters.", first,
                             "Lower 'minimum_gain', or use 'low-rank' or 'prune-channels'.", "nothing-to-compact")
    errors: dict[str, float] = {}

    def fit(site: Site, now: Tensor, before: Tensor) -> nn.Module:
        def tell(done: float) -> None:
            ctx.report(0.1 + 0.85 * (len(errors) + done) / len(chains), f"{site.name} as {settings.form} filters")

        tell(0.0)
        errors[site.name] = regress(chains[site], now, before, site, settings.steps, ctx, tell)
        return chains[site]

    layerwise.walk(module, x, list(chains), fit)
    parts = {site.name: written(network.proto, site.layer, chain, site.outs)[0] for site, chain in chains.items()}
    made = network.with_(proto=replaced(network.proto, parts))
    prove(made, module, example)
    return made.noting(*sentences(network, made, errors, told | {name: why for name, why in left.items() if why == "it works in groups"}))


def choose(units: list[Unit], settings: CompactFilters, seed: int) -> tuple[dict[Site, nn.Sequential], dict[str, str]]:
    """A started chain for each site that gains enough, and for each other why not."""
    chains, told = {}, {}
    for unit in units:
        site, chain = unit.sites[0], started(unit, settings, seed)
        if chain is None:
            told[unit.name] = "its channels do not fit the form"
            continue
        macs, weights = cost(chain, torch.zeros(1, *site.ins))
        gain = 1 - max(macs / max(site.macs, 1), weights / site.layer.weight.size)
        if gain < max(settings.minimum_gain, 1e-9):
            told[unit.name] = f"it would lose {gain:.0%}" if gain > 0 else "it would grow"
        else:
            chains[site] = chain
    return chains, told


def regress(chain: nn.Sequential, x: Tensor, y: Tensor, site: Site, steps: int, ctx: Context, tell: Callable[[float], None]) -> float:
    """Fit a chain in place so that x gives y; the share of the variance of y it misses at the end.

    Least squares for the last layer where it is a plain one, Adam for all, least squares again. What got worse is taken back.
    """
    scale = torch.from_numpy(site.scale.astype(np.float32)).reshape(-1, *[1] * (y.dim() - 2))
    spread = float((y - y.mean((0, *range(2, y.dim())), keepdim=True)).mul(scale).square().mean()) or 1.0
    best = error(chain, x, y, scale, spread)
    for move in (lambda: solve(chain, x, y, site, ctx.seed), lambda: descend(chain, x, y, scale, spread, steps, ctx, tell),
                 lambda: solve(chain, x, y, site, ctx.seed)):
        before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
        move()
        now = error(chain, x, y, scale, spread)
        if now < best:
            best = now
        else:
            chain.load_state_dict(before)
    return best


def solve(chain: nn.Sequential, x: Tensor, y: Tensor, site: Site, seed: int) -> None:
    if isinstance(chain[-1], CONVS) and chain[-1].groups == 1:
        with torch.no_grad():
            features = chain[:-1](x)
        layerwise.refit(chain[-1], features, y, site.moves, seed)


def descend(chain: nn.Sequential, x: Tensor, y: Tensor, scale: Tensor, spread: float, steps: int, ctx: Context,
            tell: Callable[[float], None]) -> None:
    """Adam on batches of rows, each tensor at a rate of its own size, falling to nothing along a cosine; ends early when time is up."""
    if steps == 0:
        return
    rng = np.random.default_rng(ctx.seed)
    groups = [{"params": [weight], "lr": PACE * max(float(weight.detach().square().mean().sqrt()), 1e-3)} for weight in chain.parameters()]
    optimizer = torch.optim.Adam(groups)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = torch.from_numpy(rng.choice(len(x), min(BATCH, len(x)), replace=False))
        loss = (chain(x[rows]) - y[rows]).mul(scale).square().mean() / spread
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        plan.step()
        if step % 20 == 19:
            tell(step / steps)
            if ctx.remaining() == 0:
                return


@torch.no_grad()
def error(chain: nn.Sequential, x: Tensor, y: Tensor, scale: Tensor, spread: float) -> float:
    return sum(float((chain(part) - target).mul(scale).square().sum()) for part, target in batches(x, y)) / y.numel() / spread


def batches(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(x.split(2 * BATCH), y.split(2 * BATCH), strict=True)


def sentences(before: Network, after: Network, errors: dict[str, float], left: dict[str, str]) -> list[str]:
    """What went, how near each form came, and what was left whole and why."""
    whole, now = analyse(before.proto), analyse(after.proto)
    found = [f"Multiply-accumulates {whole.macs:,} \u2192 {now.macs:,} ({1 - now.macs / whole.macs:.0%} removed), weights "
             f"{whole.parameters:,} \u2192 {now.parameters:,}."] if whole.macs and now.macs else []
    found.append("Share of each layer's outputs that its new form misses, on training rows: "
                 + listed([f"{name} {share:.1%}" for name, share in errors.items()]) + ".")
    return found + ([f"Left whole: {listed([f'{name} ({why})' for name, why in left.items()])}."] if left else [])
