"""Which layers may lose output channels: those whose channels reach nothing but what can lose them too."""

from __future__ import annotations

import operator

import torch
import torch.nn.functional as F
from torch import fx, nn

from optimizers.models import operators
from optimizers.models.modules import CONVS, NORMS, ROOTS, TRANSPOSED, layers, shapes, shared

ALONE = {F.relu, F.relu6, F.leaky_relu, F.elu, F.celu, F.selu, F.gelu, F.hardswish, F.mish, F.softplus, F.softsign, torch.sigmoid,
         torch.tanh,
         torch.erf, torch.exp, torch.sqrt, torch.abs, torch.neg, torch.clamp, operators.hard_sigmoid, torch.Tensor.to}
PAIRED = {torch.add, torch.sub, torch.mul, torch.div, operators.divide, torch.pow, torch.maximum, torch.minimum, operator.add, operator.mul}
POOLED = {F.max_pool1d, F.max_pool2d, F.max_pool3d, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d, F.interpolate}


def prunable(module: fx.GraphModule, x: torch.Tensor) -> set[str]:
    """Paths of the convolutions and linear layers whose output channels may go."""
    extents = shapes(module, x)
    tied = shared(module)
    found = set()
    for node, layer in layers(module):
        axis = 1 if isinstance(layer, CONVS) else len(extents[node]) - 1
        if str(node.target) not in tied and getattr(layer, "groups", 1) == 1 and safe(node, axis, module, extents):
            found.add(str(node.target))
    return found


def safe(start: fx.Node, axis: int, module: fx.GraphModule, extents: dict[fx.Node, tuple[int, ...]]) -> bool:
    """Whether the channels on `axis` of a layer's output reach only nodes that can lose them."""
    waiting, seen = [(start, axis)], set()
    while waiting:
        node, axis = waiting.pop()
        for user in node.users:
            if user in seen:
                continue
            seen.add(user)
            onward = through(user, node, axis, module, extents)
            if onward is None:
                return False
            if onward >= 0:
                waiting.append((user, onward))
    return True


def through(user: fx.Node, node: fx.Node, axis: int, module: fx.GraphModule, extents: dict[fx.Node, tuple[int, ...]]) -> int | None:
    """Where the channels are in the user's output; -1 where they end in a layer's weights; None where they cannot be followed."""
    shape, out = extents[node], extents.get(user)
    if user.op == "call_module":
        return through_layer(module.get_submodule(str(user.target)), axis, len(shape))
    if user.op != "call_function" or out is None:
        return None
    if user.target in ALONE:
        return axis
    if user.target in PAIRED:
        return axis if paired(user, node, axis, module, extents) else None
    if user.target in POOLED:
        return axis if axis == 1 else None
    if user.target in (torch.mean, torch.amax):
        dims = {dim % len(shape) for dim in user.kwargs["dim"]}
        return None if axis in dims or 0 in dims else axis if user.kwargs["keepdim"] else axis - sum(dim < axis for dim in dims)
    if user.target is torch.flatten:
        return 1 if axis == 1 and len(out) == 2 else None
    if user.target is torch.squeeze and len(out) < len(shape):
        dims = {dim % len(shape) for dim in user.args[1]}
        return None if axis in dims or 0 in dims else axis - sum(dim < axis for dim in dims)
    if user.target is torch.cat:
        return axis if user.args[1] % len(shape) == axis else None
    if user.target is F.pad:
        return axis if axis == 1 and len(user.args[1]) <= 2 * (len(shape) - 2) else None
    return None


def through_layer(layer: nn.Module, axis: int, rank: int) -> int | None:
    if isinstance(layer, CONVS):
        if layer.groups == 1:
            return -1 if axis == 1 else None
        return 1 if axis == 1 and layer.groups == layer.in_channels == layer.out_channels else None
    if isinstance(layer, TRANSPOSED):
        return -1 if axis == 1 and layer.groups == 1 else None
    if isinstance(layer, nn.Linear):
        return -1 if axis == rank - 1 else None
    if isinstance(layer, NORMS):
        return axis if axis == 1 else None
    return axis if isinstance(layer, nn.Dropout) else None


def paired(user: fx.Node, node: fx.Node, axis: int, module: fx.GraphModule, extents: dict[fx.Node, tuple[int, ...]]) -> bool:
    """Whether the other operand is one number, or computed with as many channels in the same place."""
    for other in user.args:
        if other is node or not isinstance(other, fx.Node):
            continue
        shape, mine = extents.get(other, ()), extents[node]
        if other.op == "get_attr":
            if any(extent != 1 for extent in shape):
                return False
        elif len(shape) != len(mine) or shape[axis] != mine[axis] or not from_layers(other, module):
            return False
    return True


def from_layers(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether every way back from a value ends in a layer, which can lose channels, and none in the network's input, which cannot."""
    waiting, seen = [node], {node}
    while waiting:
        node = waiting.pop()
        if node.op == "placeholder":
            return False
        layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, (*ROOTS, *TRANSPOSED)) and getattr(layer, "groups", 1) == 1:       # a depthwise one has the channels it is fed
            continue
        fresh = [source for source in node.all_input_nodes if source not in seen]
        seen.update(fresh)
        waiting += fresh
    return True
