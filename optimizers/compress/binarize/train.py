"""How gradients pass a sign: for activations Bi-Real Net's polynomial, for weights the straight way between -1 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from optimizers.compress.binarize.layers import paths
from optimizers.training.callback import Callback

if TYPE_CHECKING:
    from optimizers.compress.binarize.graph import Place
    from optimizers.training.loop import Run


class Sign(torch.autograd.Function):
    """-1 below zero, +1 from zero on. Gradient: 2 - 2 |x| for |x| < 1, else 0 (Liu et al. 2018, equation 7).

    >>> x = torch.tensor([-2.0, -0.5, 0.0, 0.25], requires_grad=True)
    >>> Sign.apply(x).sum().backward()
    >>> x.grad.tolist()
    [0.0, 1.0, 2.0, 1.5]
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x.abs().mul_(-2).add_(2).clamp_(min=0).mul_(grad)


class Straight(torch.autograd.Function):
    """The sign of a weight times its channel's scale. Gradient: the weight's own where it lies between -1 and 1, as if nothing was done."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return scale * signs(weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return torch.where(weight.abs() <= 1, grad, 0.0), None


def signs(x: Tensor) -> Tensor:
    """-1 below zero, +1 from zero on; twice as fast as a comparison."""
    return x.sign().add_(0.5).sign_()


def sign_above(x: Tensor, threshold: Tensor) -> Tensor:
    """+1 where x is at least its channel's threshold."""
    return Sign.apply(x - threshold)


class OneBit(nn.Module):
    """A weight (outs, ...) as its sign times the channel's mean magnitude, once `on` is set; before that as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.on: Tensor
        self.register_buffer("on", torch.tensor(False))     # saved with the weights, so that a resumed run knows its stage

    def forward(self, weight: Tensor) -> Tensor:
        if not self.on:
            return weight
        return Straight.apply(weight, weight.detach().abs().mean(tuple(range(1, weight.dim())), keepdim=True))


class Binarizing(Callback):
    """start: share of the steps after which weights become binary; the activations are from the first step on."""

    def __init__(self, places: list[Place], start: float, learned: bool) -> None:
        self.places, self.start, self.learned = places, start, learned
        self.bits: list[OneBit] = []

    def begin(self, module: fx.GraphModule) -> None:
        where = paths(module, {place.weight for place in self.places})
        for path in where.values():
            bit = OneBit()
            bit.on.fill_(self.start == 0)
            parametrize.register_parametrization(module.get_submodule(path), "weight", bit)
            self.bits.append(bit)
        for sign in dict.fromkeys(place.sign for place in self.places if place.sign):
            self.soften(module, module.meta["values"][sign])
        module.graph.eliminate_dead_code()
        module.recompile()

    def soften(self, module: fx.GraphModule, name: str) -> None:
        """Give one comparison in the graph a gradient."""
        node = next(node for node in module.graph.nodes if node.name == name)
        x, threshold = node.args[0].args
        if not self.learned and isinstance(threshold, fx.Node):
            module.get_parameter(str(threshold.target)).requires_grad_(False)
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.call_function(sign_above, (x, threshold)))

    def stepped(self, run: Run, step: int) -> None:
        if step + 1 >= self.start * run.progress.total:
            self.switch_on()

    def judged(self, run: Run) -> bool:
        return all(bit.on for bit in self.bits)

    def switch_on(self) -> None:
        for bit in self.bits:
            bit.on.fill_(True)

    def end(self, module: fx.GraphModule) -> None:
        self.switch_on()                # where time ran out before the second stage
        for layer in list(module.modules()):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight")
