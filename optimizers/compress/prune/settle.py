"""What follows any cut: fresh batch norm statistics, proof that the file computes what torch computes, and what it cost."""

from __future__ import annotations

import numpy as np
import torch
from torch import fx

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.models.modules import NORMS
from optimizers.models.network import Network
from optimizers.models.prove import prove
from optimizers.training.batches import Rows

SCORED = 512                # train rows that scores and fresh batch norm statistics are taken from


def few(data: Dataset, seed: int) -> Split:
    """At most SCORED rows of the train split."""
    chosen = np.sort(np.random.default_rng([seed, 7]).permutation(len(data.train))[:SCORED])
    return Split(np.asarray(data.train.x[chosen]), np.asarray(data.train.y[chosen]))


@torch.no_grad()
def refresh(module: fx.GraphModule, rows: Rows) -> None:
    """New statistics for every batch norm: the old ones describe channels that are gone."""
    norms = [layer for layer in module.modules() if isinstance(layer, NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None            # the plain mean over the batches
        norm.train()
    for x, _ in rows.in_order(128) if norms else ():
        if len(x) > 1:
            module(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()


def settled(network: Network, data: Dataset, ctx: Context) -> Network:
    """New batch norm statistics, and proof that torch reads what the runtime runs; a graph torch cannot hold stays as it is."""
    if network.why_not_torch() is not None:
        return network
    module = network.to_torch()
    rows = Rows(network, few(data, ctx.seed), data.task == "regression")
    refresh(module, rows)
    fresh = network.with_module(module)
    prove(fresh, module, rows.take(np.arange(2))[0])
    return fresh
