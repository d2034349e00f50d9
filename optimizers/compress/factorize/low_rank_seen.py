"""Units of layers that are split together, and the covariances that say which directions of their inputs and outputs matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from optimizers.compress.factorize.factors import gram
from optimizers.compress.factorize.layerwise import Site

BATCH = 64
PLACES = 4096           # positions of one batch that a covariance looks at, at most
RIDGE = 1e-2            # power that counts as white beside what the rows show, so that few rows do not rule


@dataclass(eq=False)
class Unit:
    """Layers that read the same value through a matrix each, or one layer alone.

    outputs: (outs, outs) covariance of all their outputs one below the other, each as `scale` says; ins: (ins, ins) of the input channels.
    Without rows they are what the weights alone say.
    """

    sites: tuple[Site, ...]
    scale: np.ndarray = field(init=False)
    outputs: np.ndarray = field(init=False)
    ins: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.scale = np.concatenate([site.scale for site in self.sites])
        weight = self.weight
        self.ins = np.eye(weight.shape[1])
        self.outputs = gram(weight, 0)
        self.level()

    @property
    def name(self) -> str:
        return ", ".join(site.name for site in self.sites)

    @property
    def kind(self) -> str:
        return self.sites[0].layer.kind

    @property
    def macs(self) -> int:
        return sum(site.macs for site in self.sites)

    @property
    def weight(self) -> np.ndarray:
        """(all outs, ins, *kernel), each output times its scale."""
        weight = np.concatenate([site.weight for site in self.sites])
        return weight * self.scale.reshape(-1, *[1] * (weight.ndim - 1))

    def split(self, stacked: np.ndarray) -> list[np.ndarray]:
        """Rows (of outputs) as the sites have them, the scale taken out again."""
        plain = stacked / self.scale.reshape(-1, *[1] * (stacked.ndim - 1))
        return np.split(plain, np.cumsum([len(site.weight) for site in self.sites])[:-1])

    def level(self) -> None:
        """Layers of a unit count alike, however large their outputs are."""
        if len(self.sites) == 1:
            return
        sizes = [len(site.scale) for site in self.sites]
        power = [float(part.sum()) for part in np.split(np.diag(self.outputs), np.cumsum(sizes)[:-1])]
        factor = np.repeat([1 / np.sqrt(max(one, 1e-30)) for one in power], sizes)
        self.scale = self.scale * factor
        self.outputs = self.outputs * np.outer(factor, factor)

    def see(self, ins: np.ndarray, outputs: np.ndarray) -> None:
        """Take covariances over rows; a little of what the weights alone say stays, for directions the rows do not show.

        Where they are no finite numbers (a mask of minus infinity, sums beyond float32), what the weights say stands.
        """
        if not (np.isfinite(ins).all() and np.isfinite(outputs).all()):
            return
        power = RIDGE * float(np.diag(ins).mean())
        self.ins = ins
        self.outputs = outputs * np.outer(self.scale, self.scale) + power * gram(self.weight, 0)
        self.level()


def units_of(sites: Sequence[Site]) -> list[Unit]:
    """Linear layers of one kind that read the same value belong together; every other site is alone."""
    together: dict[Any, list[Site]] = {}
    for site in sites:
        key = (site.node.args[0], site.layer.kind) if isinstance(site.module, nn.Linear) else site.node
        together.setdefault(key, []).append(site)
    return [Unit(tuple(group)) for group in together.values()]


class Moments:
    """Sums of vectors and of their products."""

    def __init__(self, width: int) -> None:
        self.count, self.sum, self.products = 0, torch.zeros(width, dtype=torch.double), torch.zeros(width, width, dtype=torch.double)

    def add(self, rows: Tensor) -> None:
        self.count += len(rows)
        self.sum += rows.sum(0).double()
        self.products += (rows.T @ rows).double()

    def covariance(self, centred: bool) -> np.ndarray:
        mean = self.sum / max(self.count, 1)
        return (self.products / max(self.count, 1) - (torch.outer(mean, mean) if centred else 0)).numpy()


@torch.no_grad()
def observe(module: fx.GraphModule, x: Tensor, units: Sequence[Unit]) -> None:
    """Fill every unit's covariances from the rows x. Where a bias can take up the mean, only what varies counts."""
    wanted = {node for unit in units for site in unit.sites for node in (site.node, site.node.args[0])}
    seen: dict[fx.Node, Tensor] = {}

    class Noting(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            result = super().run_node(node)
            if node in wanted:
                seen[node] = result
            return result

    found = [(Moments(unit.weight.shape[1]), Moments(len(unit.scale))) for unit in units]
    for at in range(0, len(x), BATCH):
        Noting(module).run(x[at:at + BATCH])
        for unit, (ins, outs) in zip(units, found, strict=True):
            matrix = isinstance(unit.sites[0].module, nn.Linear)
            ins.add(vectors(seen[unit.sites[0].node.args[0]], matrix))      # type: ignore[index]
            outs.add(torch.cat([vectors(seen[site.node], matrix) for site in unit.sites], 1))
        seen.clear()
    for unit, (ins, outs) in zip(units, found, strict=True):
        unit.see(ins.covariance(False), outs.covariance(all(site.moves for site in unit.sites)))


def vectors(value: Tensor, matrix: bool) -> Tensor:
    """(positions, channels), thinned out evenly where there are very many positions."""
    flat = value.reshape(-1, value.shape[-1]) if matrix else value.movedim(1, -1).reshape(-1, value.shape[1])
    return flat[::max(1, len(flat) // PLACES)]
