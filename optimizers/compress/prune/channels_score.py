"""What a channel is worth: torch-pruning's scores of a group, with the gradients they need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torch_pruning as tp
from torch import Tensor, fx, nn

from optimizers.training.batches import Rows
from optimizers.training.head import logits

ALONE = 128                 # rows whose gradients are taken one by one for the Hessian's diagonal


def scorer(module: fx.GraphModule, rows: Rows, score: str, regression: bool) -> Any:
    """group -> worth of each of its channels. Taylor and hessian first collect gradients of the loss on train rows."""
    if score == "batch-norm":
        return tp.importance.BNScaleImportance() if any(isinstance(m, nn.BatchNorm2d) for m in module.modules()) \
            else tp.importance.GroupMagnitudeImportance(p=2)
    if score not in ("taylor", "hessian"):
        return tp.importance.GroupMagnitudeImportance(p=1 if score == "l1" else 2)
    head = module if regression else logits(module)
    head.eval()
    module.zero_grad()
    if score == "hessian":
        squared_gradients(module, head, rows, regression)
        return tp.importance.GroupHessianImportance()       # reads weight.grad as the diagonal; its own way to collect it keeps one row
    for x, y in rows.in_order(64):
        loss_of(head, x, y, regression).backward()
    return tp.importance.GroupTaylorImportance()


def squared_gradients(module: nn.Module, head: nn.Module, rows: Rows, regression: bool) -> None:
    """Leave in weight.grad the mean over rows of each row's squared gradient: the Fisher information, which near a minimum of the
    log-likelihood is the Hessian's diagonal h. Removing a weight w then costs h w^2 / 2 (LeCun et al. 1989)."""
    total: dict[nn.Parameter, Tensor] = {}
    number = min(ALONE, len(rows))
    for row in range(number):
        module.zero_grad()
        x, y = rows.take(np.array([row]))
        loss_of(head, x, y, regression).backward()
        for weight in module.parameters():
            if weight.grad is not None:
                total[weight] = total.get(weight, torch.zeros_like(weight)) + weight.grad.square() / number
    for weight, squares in total.items():
        weight.grad = squares


def loss_of(head: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, regression: bool) -> Tensor:
    out = head(x)
    return F.mse_loss(out.reshape(-1), y) if regression else F.cross_entropy(out.flatten(1), y)
