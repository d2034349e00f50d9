"""What follows any cut: fresh batch norm statistics, proof that the file computes what torch computes, and what it cost."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import fx, nn

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.measure.quality import OF_TASK, decide, score
from optimizers.measure.shipped import Shipped
from optimizers.models.network import Network
from optimizers.models.prove import prove
from optimizers.training.batches import Rows

ROWS = 1000                 # validation rows that costs are measured on
SCORED = 512                # train rows that scores and fresh batch norm statistics are taken from


def few(data: Dataset, seed: int) -> Split:
    """At most SCORED rows of the train split."""
    chosen = np.sort(np.random.default_rng([seed, 7]).permutation(len(data.train))[:SCORED])
    return Split(np.asarray(data.train.x[chosen]), np.asarray(data.train.y[chosen]))


@torch.no_grad()
def refresh(module: fx.GraphModule, rows: Rows) -> None:
    """New statistics for every batch norm: the old ones describe channels that are gone."""
    norms = [layer for layer in module.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))]
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


class Gauge:
    """What a change costs, on at most 1,000 validation rows (train rows where there are none)."""

    def __init__(self, network: Network, data: Dataset, ctx: Context) -> None:
        rows = data.validation if len(data.validation) else data.train
        self.network, self.x, self.y, self.task = network, np.asarray(rows.x[:ROWS]), np.asarray(rows.y[:ROWS]), data.task
        self.metric = ctx.metric or OF_TASK.get(data.task, (None,))[0]
        self.before = Shipped(network).predict(self.x)
        self.spread = float(np.var(self.before)) or 1.0
        self.whole = self.quality(self.before)

    def cost(self, proto: onnx.ModelProto) -> tuple[float, float]:
        """(points of the metric lost, squared change of the outputs relative to their variance); 0 points without labels."""
        after = Shipped(self.network.with_(proto=proto)).predict(self.x)
        return 100 * (self.whole - self.quality(after)), float(np.mean((after - self.before) ** 2)) / self.spread

    def quality(self, outputs: np.ndarray) -> float:
        return score(self.metric, self.y, decide(outputs, self.task)) if self.metric else 0.0
