"""Layers of a network as torch holds it: which there are, of what shape their values are, which of them share weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ROOTS = (*CONVS, nn.Linear)


def shapes(module: fx.GraphModule, x: torch.Tensor) -> dict[fx.Node, tuple[int, ...]]:
    """The shape of every tensor on the way, for the batch x."""
    found: dict[fx.Node, tuple[int, ...]] = {}

    class Noting(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            result = super().run_node(node)
            if isinstance(result, torch.Tensor):
                found[node] = tuple(result.shape)
            return result

    with torch.no_grad():
        Noting(module).run(x)
    return found


def layers(module: fx.GraphModule, kinds: tuple[type[nn.Module], ...] = ROOTS) -> Iterator[tuple[fx.Node, nn.Module]]:
    """Every convolution and linear layer that the graph calls, in the order it does."""
    for node in module.graph.nodes:
        if node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), kinds):
            yield node, module.get_submodule(str(node.target))


def shared(module: fx.GraphModule) -> set[str]:
    """Paths of layers whose weight or bias something else reads too, however it is laid out there."""
    owners: dict[str, set[str]] = {}
    for binding in module.meta["bindings"]:
        owners.setdefault(binding.name, set()).add(binding.path)
    return {path.rpartition(".")[0] for paths in owners.values() if len(paths) > 1 for path in paths}
