"""The four ways a unit can be split: what each rank would cost, and the chain of layers at a rank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from optimizers.compress.factorize.chain import convolution
from optimizers.compress.factorize.factors import along, cp, gram, lost, principal, root, spatial, spatial_values, tucker, two_factors
from optimizers.compress.factorize.low_rank_budget import Point
from optimizers.compress.factorize.low_rank_seen import Unit
from optimizers.compress.prune.channels_widths import granule

if TYPE_CHECKING:
    from optimizers.compress.factorize.low_rank import LowRank

LEVELS = 1 - np.geomspace(0.0005, 0.9, 60)              # of energy, at which Tucker's two ranks are read off together
SHARES = (0.85, 0.6, 0.42, 0.3, 0.2, 0.14, 0.1)        # of the highest rank that pays, at which CP is tried
GLANCE = 8                                              # sweeps of such a trial; the rank that is taken gets all that were asked for


class Form(ABC):
    """points: all that pay, which is fewer multiply-accumulates and fewer weights than the whole layer."""

    def __init__(self, unit: Unit, settings: LowRank, seed: int) -> None:
        self.unit, self.settings, self.seed = unit, settings, seed
        self.whole = unit.weight
        self.prepare()
        self.points = [point for point in self.candidates() if 0 < point.macs < unit.macs and self.weights(point.ranks) < self.whole.size]

    def prepare(self) -> None:
        """What all ranks share; for convolutions the weights as seen through the inputs' covariance."""
        self.root, self.back = root(self.unit.ins)
        self.seen = along(self.root, self.whole, 1)

    @abstractmethod
    def candidates(self) -> Sequence[Point]:
        """Every rank that is worth a look, with what it costs and loses."""

    @abstractmethod
    def weights(self, ranks: tuple[int, ...]) -> int:
        """Stored numbers of the chain."""

    @abstractmethod
    def chains(self, ranks: tuple[int, ...]) -> list[nn.Sequential]:
        """A chain for each site of the unit."""

    def steps(self, most: int) -> range:
        step = granule(most, self.settings.round_to)
        return range(step, most + 1, step)

    @property
    def places(self) -> tuple[int, int]:
        return self.unit.sites[0].places

    def chain(self, *weights: np.ndarray, groups: Sequence[int] = ()) -> nn.Sequential:
        """Layers of these weights for the unit's one site; the last has the layer's bias."""
        old, bias = self.unit.sites[0].module, biases(self.unit)[0]
        groups = groups or [1] * len(weights)
        return nn.Sequential(*(convolution(old, weight, at == 0, groups[at], bias if at == len(weights) - 1 else None)
                               for at, weight in enumerate(weights)))


class Svd(Form):
    """(rank, ins) once, (outs, rank) for each layer of the unit. A convolution's stride is the first factor's."""

    def prepare(self) -> None:
        self.flat = self.whole.reshape(len(self.whole), -1)

    def candidates(self) -> Sequence[Point]:
        gone, outs_places = lost(principal(self.unit.outputs)[0]), self.places[1]
        return [Point((rank,), outs_places * self.weights((rank,)), float(gone[rank])) for rank in self.steps(min(self.flat.shape))]

    def weights(self, ranks: tuple[int, ...]) -> int:
        return ranks[0] * sum(self.flat.shape)

    def chains(self, ranks: tuple[int, ...]) -> list[nn.Sequential]:
        last, first = two_factors(self.flat, self.unit.outputs, ranks[0])
        sites = self.unit.sites
        shared = convolution(sites[0].module, first, True)
        return [nn.Sequential(shared, convolution(site.module, part, False, 1, bias))
                for site, part, bias in zip(sites, self.unit.split(last), biases(self.unit), strict=True)]


class Tucker(Form):
    """1x1 (r, ins), K x K (s, r), 1x1 (outs, s). The two ranks keep the same share of energy each; a 1x1 of full rank is merged into
    the K x K layer."""

    def prepare(self) -> None:
        super().prepare()
        self.values_in, self.basis_in = principal(gram(self.seen, 1))
        self.values_out, self.basis_out = principal(self.unit.outputs)

    def candidates(self) -> Sequence[Point]:
        gone_in, gone_out = lost(self.values_in), lost(self.values_out)
        ins, outs = (np.array(self.steps(len(values))) for values in (self.values_in, self.values_out))
        found = {}
        for level in LEVELS:
            r, s = (int(steps[min(np.searchsorted(-gone[steps], -(1 - level)), len(steps) - 1)])
                    for steps, gone in ((ins, gone_in), (outs, gone_out)))
            found[r, s] = Point((r, s), self.macs(r, s), float(min(1.0, gone_in[r] + gone_out[s])))
        return list(found.values())

    def parts(self, r: int, s: int) -> tuple[int, int, int]:
        """Weights of the three layers, 0 for one that is merged."""
        outs, ins = self.whole.shape[:2]
        return r * ins * (r < ins), r * s * int(np.prod(self.whole.shape[2:])), s * outs * (s < outs)

    def macs(self, r: int, s: int) -> int:
        first, core, last = self.parts(r, s)
        return self.places[0] * first + self.places[1] * (core + last)

    def weights(self, ranks: tuple[int, ...]) -> int:
        return sum(self.parts(*ranks))

    def chains(self, ranks: tuple[int, ...]) -> list[nn.Sequential]:
        outs, ins = self.whole.shape[:2]
        first, core, last = tucker(self.seen, self.basis_in[:, :ranks[0]], self.basis_out[:, :ranks[1]])
        first, last, layers = first @ self.back, self.unit.split(last)[0], [core]
        layers = [first, *layers] if ranks[0] < ins else [along(first.T, core, 1)]
        return [self.chain(*([*layers, last] if ranks[1] < outs else [*layers[:-1], along(last, layers[-1], 0)]))]


class Cp(Form):
    """1x1 (rank, ins), K x 1 and 1 x K on each of the rank channels alone, 1x1 (outs, rank)."""

    def candidates(self) -> Sequence[Point]:
        (outs, ins, *kernel), (before, after) = self.whole.shape, self.places
        most = int(self.unit.macs / (before * ins + after * (sum(kernel) + outs)))
        ranks = sorted({rank for share in SHARES if (rank := int(share * most) // (step := granule(most, self.settings.round_to)) * step)})
        sweeps = min(GLANCE, self.settings.sweeps)
        return [Point((rank,), rank * (before * ins + after * (sum(kernel) + outs)), cp(self.seen, rank, sweeps, self.seed)[1])
                for rank in ranks]

    def weights(self, ranks: tuple[int, ...]) -> int:
        return ranks[0] * sum(self.whole.shape)

    def chains(self, ranks: tuple[int, ...]) -> list[nn.Sequential]:
        return [self.chain_of(cp(self.seen, ranks[0], self.settings.sweeps, self.seed)[0])]

    def chain_of(self, factors: list[np.ndarray]) -> nn.Sequential:
        outs, ins, *along_kernel = factors
        rank, n = outs.shape[1], len(along_kernel)
        middle = [factor.T.reshape(rank, 1, *[-1 if at == axis else 1 for at in range(n)]) for axis, factor in enumerate(along_kernel)]
        return self.chain(ins.T @ self.back, *middle, self.unit.split(outs)[0], groups=[1, *[rank] * n, 1])


class Spatial(Form):
    """K x 1 (rank, ins), 1 x K (outs, rank)."""

    def candidates(self) -> Sequence[Point]:
        gone, (outs, ins, height, width) = lost(spatial_values(self.seen)), self.whole.shape
        tall = self.unit.sites[0].outs[1] * self.unit.sites[0].ins[2]
        return [Point((rank,), rank * (tall * ins * height + self.places[1] * outs * width), float(gone[rank]))
                for rank in self.steps(len(gone) - 1)]

    def weights(self, ranks: tuple[int, ...]) -> int:
        outs, ins, height, width = self.whole.shape
        return ranks[0] * (ins * height + outs * width)

    def chains(self, ranks: tuple[int, ...]) -> list[nn.Sequential]:
        tall, wide = spatial(self.seen, ranks[0])
        return [self.chain(along(self.back, tall, 1), self.unit.split(wide)[0])]


FORMS: dict[str, type[Form]] = {"svd": Svd, "tucker": Tucker, "cp": Cp, "spatial": Spatial}


def biases(unit: Unit) -> list[np.ndarray | None]:
    """What the last layer of each chain adds: the old bias, zeros where the fit may find one, nothing where it may not."""
    return [site.module.bias.detach().numpy() if getattr(site.module, "bias", None) is not None      # type: ignore[union-attr, operator]
            else np.zeros(len(site.scale), np.float32) if site.moves else None for site in unit.sites]
