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

CLOSE = 1e-3            # of the largest number of an output, or of 1


@torch.no_grad()
def prove(network: Network, module: nn.Module, example: torch.Tensor) -> None:
    """ONNX Runtime must give for a batch what the module gives in torch; raises OptimizerError where it does not."""
    ours = module(example)
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = graph.run(network.proto, example.numpy())
    if any(astray(one.numpy(), other) for one, other in zip(ours, theirs, strict=True)):
        raise OptimizerError("The graph that was written does not compute what its layers compute in torch.", "model",
                             "Name the layers around unusual operators in 'keep', or quantize instead.", "written-mismatch")


def astray(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of the rows in which some number differs by more than a thousandth of the largest; all of them where shapes differ.

    >>> astray(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.1]]))
    0.5
    """
    if ours.shape != theirs.shape:
        return 1.0
    close = np.isclose(ours, theirs, rtol=0, atol=CLOSE * max(1.0, float(np.abs(theirs).max(initial=0))), equal_nan=True)
    return float((~close.reshape(len(close) if close.ndim else 1, -1)).any(axis=1).mean()) if close.size else 0.0
