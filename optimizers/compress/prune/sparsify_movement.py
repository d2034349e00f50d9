"""Movement pruning: weights go that training draws towards zero, however large they are. Sanh et al. 2020, arXiv:2005.07683."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from optimizers.compress.prune.sparsify_work import Gradual, array_of
from optimizers.errors import OptimizerError
from optimizers.training.loop import Run

LOWEST = -1e30      # the score of a weight that came in as zero: it has no movement to judge by


class Masked(nn.Module):
    """weight * mask. The scores learn as if they were the mask: dL/dscore = dL/d(weight * mask) * weight (straight through).

    scores: (weights,), one axis so that no weight decay touches them.  mask: shape of the weight; a buffer, so checkpoints hold it.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        zero = (weight.detach() == 0).reshape(-1)
        self.scores = nn.Parameter(torch.zeros(weight.numel()).masked_fill(zero, LOWEST))
        self.mask: Tensor
        self.register_buffer("mask", (weight.detach() != 0).to(weight.dtype))

    def forward(self, weight: Tensor) -> Tensor:
        moved = (self.scores - self.scores.detach()).reshape(weight.shape)      # nothing, but for its gradient
        return weight * (self.mask + moved)


class Movement(Gradual):
    """The gradual schedule with scores of its own; a weight that is masked keeps its value and may come back until the schedule ends."""

    masked: dict[str, Masked]

    def begin(self, module: fx.GraphModule) -> None:
        self.masked = {}
        super().begin(module)
        parameters = {id(weight): name for name, weight in self.weights.items()}
        self.owners: list[nn.Module] = []
        for owner in list(module.modules()):
            weight = owner._parameters.get("weight")
            name = parameters.get(id(weight))
            if weight is None or name is None:
                continue
            if name not in self.masked:         # layers that share a weight share its mask and scores too
                self.masked[name] = Masked(weight)
            parametrize.register_parametrization(owner, "weight", self.masked[name])
            self.owners.append(owner)
        self.leave_out([name for name in self.weights if name not in self.masked])

    def leave_out(self, names: list[str]) -> None:
        """Weights that no layer holds, such as a stored product of three axes, have nothing to hang a mask on."""
        if names and not self.masked:
            raise OptimizerError("No layer of this network holds its weights, and movement is judged layer by layer.", names[0],
                                 "Use method 'gradual'.", "nothing-to-prune")
        if names:
            self.notes.append(f"Movement needs layers that hold their weights, so these stay as they are: {', '.join(names[:8])}.")
        self.weights = {name: self.weights[name] for name in self.masked}
        self.budget = sum(self.kept(self.target).values())

    def live(self) -> dict[str, int]:
        return super().live() | {name: int(layer.mask.sum()) for name, layer in self.masked.items()}

    def scores(self) -> dict[str, np.ndarray]:
        return super().scores() | {name: array_of(layer.scores).reshape(layer.mask.shape) for name, layer in self.masked.items()}

    @torch.no_grad()
    def set(self, name: str, mask: np.ndarray, run: Run | None = None) -> None:
        self.masked[name].mask.copy_(torch.from_numpy(mask))

    def end(self, module: fx.GraphModule) -> None:
        super().end(module)
        for owner in self.owners:
            parametrize.remove_parametrizations(owner, "weight")
