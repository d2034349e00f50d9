"""The five optimizers by name, each with the settings it knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from optimizers.training.settings import Fitting


def optimizer_for(module: nn.Module, settings: Fitting) -> torch.optim.Optimizer:
    """Weights of two or more axes decay; biases and norm scales do not, as they have nothing to gain from it."""
    trainable = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [{"params": [w for w in trainable if w.dim() > 1], "weight_decay": settings.weight_decay},
              {"params": [w for w in trainable if w.dim() <= 1], "weight_decay": 0.0}]
    return build(settings, [group for group in groups if group["params"]])


def build(settings: Fitting, groups: Iterable[dict[str, object]]) -> torch.optim.Optimizer:
    rate, epsilon = settings.rate, settings.epsilon
    match settings.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, rate, settings.momentum, nesterov=settings.nesterov and settings.momentum > 0)
        case "rmsprop":
            return torch.optim.RMSprop(groups, rate, settings.smoothing, epsilon, momentum=settings.momentum)
        case "adam":
            return torch.optim.Adam(groups, rate, (settings.beta1, settings.beta2), epsilon)
        case "adamw":
            return torch.optim.AdamW(groups, rate, (settings.beta1, settings.beta2), epsilon)
        case _:
            return torch.optim.Adagrad(groups, rate, settings.rate_decay, eps=epsilon)
