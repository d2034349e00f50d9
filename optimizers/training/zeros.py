"""Zeros that stay: which weights of a sparse network may move while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from optimizers.models.rewrite import weighted

if TYPE_CHECKING:
    from optimizers.models.network import Network


class Zeros:
    """masks: by parameter, True where it may move; everywhere else it is zero, and so is its gradient. Parameters without zeros have none.

    They are taken from the weights at the start of each epoch, where checkpoints are made: so a run that was killed and resumed holds
    the very same ones. A callback may change them in between, together with the weights.
    """

    def __init__(self, module: fx.GraphModule, network: Network) -> None:
        self.weights = [weight for _, weight in prunable(module, network) if weight.requires_grad] if network.sparse else []
        self.masks: dict[Tensor, Tensor] = {}

    def take(self) -> None:
        masks = {weight: weight.detach() != 0 for weight in self.weights}
        self.masks = {weight: mask for weight, mask in masks.items() if not mask.all()}

    def hold_gradients(self) -> None:
        """So that no optimizer remembers a pull on a weight that may not move, and clipping does not count it."""
        for weight, mask in self.masks.items():
            if weight.grad is not None:
                weight.grad.mul_(mask)

    @torch.no_grad()
    def hold(self) -> None:
        for weight, mask in self.masks.items():
            weight.mul_(mask)


def prunable(module: fx.GraphModule, network: Network) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters behind the weights of Conv, ConvTranspose, Gemm and MatMul, by name of the ONNX tensor, each once.

    Of a parametrized weight it is what the optimizer moves; what a callback put in their place or beside them is not among them.
    """
    names = {layer.node.input[1] for layer in weighted(network.proto)}
    for binding in module.meta["bindings"]:
        if binding.name in names:
            owner_path, _, field = binding.path.rpartition(".")
            owner = module.get_submodule(owner_path)
            holder = owner.parametrizations[field] if parametrize.is_parametrized(owner, field) else owner  # type: ignore[index,union-attr]
            found = getattr(holder, "original" if holder is not owner else field, None)
            if isinstance(found, nn.Parameter) and found.dim() > 1:
                names.discard(binding.name)
                yield binding.name, found
