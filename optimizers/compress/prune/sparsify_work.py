"""The four ways to become sparse while training, as callbacks of the training loop.

All of them follow from the weights and the step number, so a run that was killed and resumed goes on as if nothing had been.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, fx, nn

from optimizers.compress.prune.weights_layers import treated
from optimizers.compress.prune.weights_ranking import across, dealt, erdos_renyi, least
from optimizers.compress.prune.weights_work import told
from optimizers.training.callback import Callback
from optimizers.training.loop import Run, fit
from optimizers.training.zeros import prunable

if TYPE_CHECKING:
    from optimizers.compress.prune.sparsify import Sparsifying
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

DRAWN = 64          # layers whose density is drawn at most; a job's events are counted


def sparsify(network: Network, data: Dataset, settings: Sparsifying, ctx: Context) -> Network:
    """The network trained to the share of zeros that was asked for."""
    from optimizers.compress.prune.sparsify_movement import Movement

    chosen = treated(network.proto, settings.keep, settings.ends, settings.name)
    ways = {"gradual": Gradual, "rigl": Rigl, "reallocate": Reallocating, "movement": Movement}
    sparse = network.with_(sparse=True)
    callback = ways[settings.method](settings, sparse, {weight.name: weight.called for weight in chosen}, ctx)
    made = fit(sparse, data, settings, ctx, callback)
    return made.noting(*callback.notes, *told(made, [weight.name for weight in chosen]))


class Gradual(Callback):
    """Weights of least size go for good, more and more of them: Zhu and Gupta 2017.

    weights: by the layer's short name.  budget: how many of their weights may be left at the end.
    """

    def __init__(self, settings: Sparsifying, network: Network, called: dict[str, str], ctx: Context) -> None:
        self.settings, self.network, self.called, self.ctx = settings, network, called, ctx
        self.notes: list[str] = []

    def begin(self, module: fx.GraphModule) -> None:
        self.weights = {self.called[name]: weight for name, weight in prunable(module, self.network) if name in self.called}
        left, size = sum(self.live().values()), sum(weight.numel() for weight in self.weights.values())
        self.first = 1 - left / size
        self.target = max(self.settings.sparsity, self.first)
        if self.first > self.settings.sparsity:
            self.notes.append(f"{self.first:.1%} of the weights were zero already, more than was asked for; they stay zero.")
        self.budget = sum(self.kept(self.target).values())

    def live(self) -> dict[str, int]:
        """How many weights of each layer are not zero."""
        return {name: int(torch.count_nonzero(weight)) for name, weight in self.weights.items()}

    def scores(self) -> dict[str, np.ndarray]:
        return {name: np.abs(array_of(weight)) for name, weight in self.weights.items()}

    def kept(self, sparsity: float) -> dict[str, int]:
        """How many weights each layer keeps at this sparsity of all."""
        if self.settings.spread == "network":
            return across(self.scores(), sparsity)
        density = [1 - sparsity] * len(self.weights)
        if self.settings.spread == "erdos-renyi":
            density = erdos_renyi([weight.shape for weight in self.weights.values()], 1 - sparsity)
        return {name: max(1, round(share * weight.numel())) for share, (name, weight) in zip(density, self.weights.items(), strict=True)}

    def done(self, run: Run, step: int) -> float:
        """How far the schedule is after this step, 0 to 1, in whole rounds."""
        part = min(1.0, (step + 1) / max(1.0, self.settings.until * run.progress.total))
        return math.floor(self.settings.rounds * part + 1e-9) / self.settings.rounds

    def graded(self, run: Run, step: int) -> None:
        """A round is due when the schedule enters it; at its end also when a deadline has cut rounds away and the target is missed."""
        done = self.done(run, step)
        if done > self.done(run, step - 1) or (done == 1 and sum(self.live().values()) > self.budget):
            self.renew(run, done)

    def renew(self, run: Run, done: float) -> None:
        """One round: choose which weights are zero from now on."""
        for name, mask in self.cut(cubic(done, self.first, self.target)).items():
            self.set(name, mask, run)

    def cut(self, sparsity: float) -> dict[str, np.ndarray]:
        """Masks of what stays."""
        scores, kept = self.scores(), self.kept(sparsity)
        return {name: ~least(score, score.size - kept[name]) for name, score in scores.items()}

    @torch.no_grad()
    def set(self, name: str, mask: np.ndarray, run: Run | None = None) -> None:
        """Zeros where the mask is False; what is True and was zero may move from now on."""
        weight = self.weights[name]
        weight.mul_(torch.from_numpy(mask).to(weight.device))
        if run is not None:
            run.zeros.masks[weight] = torch.from_numpy(mask).to(weight.device)

    def judged(self, run: Run) -> bool:
        live = self.live()
        for name, weight in list(self.weights.items())[:DRAWN]:
            self.ctx.curve(f"density of {name}", run.progress.epoch, live[name] / weight.numel())
        return sum(live.values()) <= self.budget

    def end(self, module: fx.GraphModule) -> None:
        """A training that was cut short before its target is brought there in one go."""
        if sum(self.live().values()) > self.budget:
            self.notes.append("The training ended before its target was reached; the rest of the zeros was set afterwards, untrained.")
            for name, mask in self.cut(self.target).items():
                self.set(name, mask)


class Rigl(Gradual):
    """Sparse from the start; in each round the smallest weights of a layer go, and as many grow there by gradient: Evci et al. 2020."""

    def begin(self, module: fx.GraphModule) -> None:
        super().begin(module)
        for name, mask in self.cut(self.target).items():
            self.set(name, mask)
        self.start = self.live()

    def renew(self, run: Run, done: float) -> None:
        stay = self.survivors(self.settings.exchange / 2 * (1 + math.cos(math.pi * done)))
        for name, count in self.grown(stay).items():
            gradient = np.abs(gradient_of(self.weights[name]))
            worth = np.where(stay[name], -np.inf, gradient)
            self.set(name, stay[name] | ~least(worth, worth.size - count), run)

    def survivors(self, share: float) -> dict[str, np.ndarray]:
        """What is left of each layer when this share of its live weights has gone. Every layer is treated alone."""
        stay = {}
        for name, score in self.scores().items():
            live = score > 0
            stay[name] = ~least(score, score.size - int(live.sum()) + round(share * int(live.sum())))
        return stay

    def grown(self, stay: dict[str, np.ndarray]) -> dict[str, int]:
        """How many weights each layer gets back: all that it lost, those too that grew and never moved."""
        return {name: self.start[name] - int(mask.sum()) for name, mask in stay.items()}


class Reallocating(Rigl):
    """Density moves: the smallest of the whole network go, and each layer grows by its share of the survivors: Mostafa and Wang 2019."""

    def survivors(self, share: float) -> dict[str, np.ndarray]:
        """One threshold for all layers, but no layer falls below a floor."""
        scores = self.scores()
        size, live = sum(score.size for score in scores.values()), sum(self.live().values())
        kept = across(scores, 1 - (live - round(share * live)) / size)
        return {name: ~least(score, score.size - min(kept[name], int((score > 0).sum()))) for name, score in scores.items()}

    def grown(self, stay: dict[str, np.ndarray]) -> dict[str, int]:
        left = [int(mask.sum()) for mask in stay.values()]
        room = [mask.size - count for mask, count in zip(stay.values(), left, strict=True)]
        return dict(zip(stay, dealt(self.budget - sum(left), left, room), strict=True))


def cubic(done: float, first: float, last: float) -> float:
    """Sparsity of the schedule: steep at first, while there is much to spare.

    >>> [round(cubic(done, 0.0, 0.8), 2) for done in (0, 0.25, 0.5, 1)]
    [0.0, 0.46, 0.7, 0.8]
    """
    return last + (first - last) * (1 - done) ** 3


def array_of(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def gradient_of(weight: nn.Parameter) -> np.ndarray:
    """Of the present batch, zero where the weight took no part."""
    return array_of(torch.zeros_like(weight) if weight.grad is None else weight.grad)
