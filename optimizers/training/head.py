"""The end of a network: what training must see before a softmax, and in which units a regression speaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn
from torch.nn.utils import parametrize

from optimizers.errors import OptimizerError

PASSING = {torch.reshape, torch.flatten, torch.squeeze}


def logits(module: fx.GraphModule) -> fx.GraphModule:
    """The same layers, shared, ending before a last softmax or log-softmax, where gradients are well behaved; else the module itself."""
    output = next(node for node in module.graph.nodes if node.op == "output")
    last = output.args[0]
    if not isinstance(last, fx.Node):
        raise OptimizerError("The network has several outputs; training here knows one.", "outputs", "Export it with its one main output.",
                             "several-outputs")
    if last.op != "call_function" or last.target not in (torch.softmax, torch.log_softmax):
        return module
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        if node.op != "output":
            copied[node] = graph.node_copy(node, lambda n: copied[n])
    graph.output(copied[last.args[0]])
    shorter = fx.GraphModule(module, graph)
    shorter.graph.eliminate_dead_code()
    shorter.recompile()
    return shorter


def last_linear(module: fx.GraphModule) -> nn.Linear | None:
    """The linear layer whose output is the network's, if it is one and holds its weights plainly."""
    output = next(node for node in module.graph.nodes if node.op == "output")
    node = output.args[0]
    while isinstance(node, fx.Node) and node.op == "call_function" and node.target in PASSING:
        node = node.args[0]
    if isinstance(node, fx.Node) and node.op == "call_module":
        layer = module.get_submodule(str(node.target))
        return layer if isinstance(layer, nn.Linear) and not parametrize.is_parametrized(layer) else None
    return None


@contextmanager
def standardized(module: fx.GraphModule, mean: float, spread: float) -> Iterator[bool]:
    """Inside, the network answers (y - mean) / spread; outside, y again. Says whether it could be done (the last layer is linear)."""
    layer = last_linear(module)
    if layer is None or layer.bias is None:
        yield False
        return
    with torch.no_grad():
        layer.weight /= spread
        layer.bias.sub_(mean).div_(spread)
    try:
        yield True
    finally:
        with torch.no_grad():
            layer.weight *= spread
            layer.bias.mul_(spread).add_(mean)
