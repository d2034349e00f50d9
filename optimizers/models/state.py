"""Weights without a network: a .safetensors state is fitted, by name and shape, to an architecture of the zoo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from optimizers.errors import OptimizerError
from optimizers.models import zoo
from optimizers.models.network import Network

PICTURE = {1: 28, 3: 32}            # sides taken for grey and colour pictures, as the file holds no input size
BOOKKEEPING = "num_batches_tracked"


def from_state(path: Path, architecture: str | None, input_shape: tuple[int, ...] | None = None) -> Network:
    """The zoo network with the file's weights.

    Raises OptimizerError when no architecture is named (with the one that fits, if any), or naming the tensors that do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = {name: tensor for name, tensor in load_file(path).items() if not name.endswith(BOOKKEEPING)}
    except (SafetensorError, OSError) as error:
        raise OptimizerError(f"The file is not a whole safetensors file: {str(error)[:120]}.", path.name,
                             "Save it again and check its size.",
                             "safetensors-truncated") from None
    if architecture is None:
        fits = [name for name in zoo.ARCHITECTURES if not differences(attempt(name, state, input_shape), state)]
        hint = f"It fits '{fits[0]}': choose that." if fits else f"Known: {', '.join(zoo.ARCHITECTURES)}. Or export the network to ONNX."
        raise OptimizerError("A safetensors file holds weights but no network.", path.name, hint, "no-architecture")
    zoo.known(architecture)
    network = attempt(architecture, state, input_shape)
    wrong = differences(network, state)
    if network is None or wrong:
        fits = [name for name in zoo.ARCHITECTURES if not differences(attempt(name, state, input_shape), state)]
        mend = f"They fit '{fits[0]}': choose that." if fits else "Choose the architecture they were trained for, or export to ONNX."
        raise OptimizerError(f"The weights do not fit {zoo.known(architecture).title}: {wrong}.", path.name, mend, "state-differs")
    return filled(network, state).noting(f"Weights of a state file in {zoo.known(architecture).title}; the input was taken to be "
                                         f"{' x '.join(str(extent) for extent in row_of(network))}.")


def as_state(network: Network) -> dict[str, Tensor]:
    """A network's tensors by name, in torch's layout: what `from_state` reads back."""
    module = network.to_torch()
    return {binding.name: tensor_at(module, binding.path).detach().clone().contiguous() for binding in module.meta["bindings"]}


def attempt(name: str, state: Mapping[str, Tensor], input_shape: tuple[int, ...] | None) -> Network | None:
    """The architecture shaped by what the tensors tell of inputs and outputs, or None where they tell nothing."""
    head = state.get("head.weight")
    if head is None or head.dim() != 2:
        return None
    row = input_shape or guessed_row(name, state)
    try:
        return zoo.build(name, row, head.shape[0]) if row else None
    except (OptimizerError, ValueError, ZeroDivisionError, IndexError):
        return None


def guessed_row(name: str, state: Mapping[str, Tensor]) -> tuple[int, ...] | None:
    """(channels, height, width) or (features,) from the first layer's weights."""
    if name == "mlp":
        first = state.get("hidden1.weight")
        return (first.shape[1],) if first is not None and first.dim() == 2 else None
    first = state.get("patches.weight") if name == "vit-small" else state.get("stem.conv.weight")
    if first is None or first.dim() != 4:
        return None
    side = PICTURE.get(first.shape[1], 32)
    if name == "vit-small" and "positions" in state:
        side = math.isqrt(state["positions"].shape[1]) * first.shape[2]
    if name == "dscnn" and first.shape[2] == 11:
        return (first.shape[1], 49, 10)
    return (first.shape[1], side, side)


def differences(network: Network | None, state: Mapping[str, Tensor]) -> str:
    """What does not fit, in words: missing, unexpected and differently shaped tensors; empty when all fits."""
    if network is None:
        return "it has no tensors head.weight and first layer of that architecture"
    wanted = {name: tuple(tensor.shape) for name, tensor in as_state(network).items() if tensor.numel() > 1}
    scalars = {name for name, tensor in as_state(network).items() if tensor.numel() == 1}
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys() - scalars)
    shaped = [f"{name} is {tuple(state[name].shape)}, not {shape}" for name, shape in wanted.items()
              if name in state and tuple(state[name].shape) != shape]
    parts = [f"missing {listed(missing)}" if missing else "", f"unexpected {listed(unexpected)}" if unexpected else "", listed(shaped)]
    return "; ".join(part for part in parts if part)


def listed(names: list[str]) -> str:
    """At most five, and how many more."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def filled(network: Network, state: Mapping[str, Tensor]) -> Network:
    module: Any = network.to_torch()
    with torch.no_grad():
        for binding in module.meta["bindings"]:
            if binding.name in state:
                tensor_at(module, binding.path).copy_(state[binding.name].to(torch.float32))
    return network.with_module(module)


def tensor_at(module: Any, path: str) -> Tensor:
    owner, _, field = path.rpartition(".")
    return getattr(module.get_submodule(owner), field)


def row_of(network: Network) -> tuple[int, ...]:
    dims = network.proto.graph.input[0].type.tensor_type.shape.dim
    return tuple(dim.dim_value for dim in list(dims)[1:])
