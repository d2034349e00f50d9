"""Networks with fresh weights, shaped for a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models import zoo
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    from optimizers.training.train import Training

LARGEST_SIDE = 96           # pictures beyond it are made smaller unless the recipe names a side


def fresh_network(technique: Training, model: Network | None, data: Dataset, seed: int) -> Network:
    """The network a Training step begins with; its preprocessing comes from the train split alone."""
    if technique.architecture == "model":
        if model is None:
            raise OptimizerError("There is no model whose shape could be taken.", "architecture", "Use 'auto', or name a model.",
                                 "no-model")
        return with_fresh_weights(model, seed)
    shape, size = fitted(data.row_shape, technique.picture_side)
    outputs = len(data.classes) if data.task == "classification" else 1
    name = zoo.suited(shape)[0] if technique.architecture == "auto" else technique.architecture
    network = zoo.build(name, shape, outputs, seed)
    return network.with_(preprocessing=prepared(data, size), notes=(f"Began as {zoo.known(name).title} with fresh weights, seed {seed}.",))


def fitted(row_shape: tuple[int, ...], side: int) -> tuple[tuple[int, ...], tuple[int, int] | None]:
    """The row shape the network takes, and the size pictures are brought to (None: as they are).

    >>> fitted((3, 100, 200), 0), fitted((1, 28, 28), 0)
    (((3, 96, 96), (96, 96)), ((1, 28, 28), None))
    """
    if len(row_shape) != 3:
        return row_shape, None
    side = side or (LARGEST_SIDE if max(row_shape[1:]) > LARGEST_SIDE else 0)
    if not side or row_shape[1:] == (side, side):
        return row_shape, None
    return (row_shape[0], side, side), (side, side)


def prepared(data: Dataset, size: tuple[int, int] | None) -> Preprocessing:
    """Bytes are divided by 255; floats are centred and scaled by the train split's mean and deviation."""
    x = data.train.x
    if x.dtype == np.uint8 and x.ndim == 4:
        return Preprocessing(scale="0-1", size=size)
    sample = np.asarray(x[:20_000], np.float64) / (255.0 if x.dtype == np.uint8 else 1.0)
    across = tuple(axis for axis in range(x.ndim) if axis != 1)
    spread = sample.std(across)
    return Preprocessing(scale="standard", mean=tuple(round(float(m), 9) for m in sample.mean(across)),
                         std=tuple(round(float(s), 9) if s > 1e-8 else 1.0 for s in spread), size=size)


def with_fresh_weights(model: Network, seed: int) -> Network:
    """The same graph with each layer's weights drawn anew."""
    import torch

    module = model.to_torch()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in module.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return model.with_module(module).noting(f"The uploaded shape with fresh weights, seed {seed}.")
