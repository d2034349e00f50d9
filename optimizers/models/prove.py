"""Proof that a graph that was written computes what the torch layers it was written from compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from optimizers.errors import OptimizerError
from optimizers.models import graph

if TYPE_CHECKING:
    from optimizers.models.network import Network


@torch.no_grad()
def prove(network: Network, module: nn.Module, example: torch.Tensor) -> None:
    """ONNX Runtime must give for a batch what the module gives in torch; raises OptimizerError where it does not."""
    ours = module(example)
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = graph.run(network.proto, example.numpy())
    for one, other in zip(ours, theirs, strict=True):
        scale = max(1.0, float(np.abs(other).max(initial=0)))
        if one.shape != other.shape or float(np.abs(one.numpy() - other).max(initial=0)) > 1e-3 * scale:
            raise OptimizerError("The graph that was written does not compute what its layers compute in torch.", "model",
                                 "Name the layers around unusual operators in 'keep', or quantize instead.", "written-mismatch")
