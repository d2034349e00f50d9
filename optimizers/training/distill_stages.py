"""Which values inside two networks correspond, and how a network tells them while it runs."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from optimizers.models.modules import shapes
from optimizers.training.head import last_linear

TAPS, REGRESSORS = "taps_of_distillation", "regressors_of_distillation"
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear, nn.LayerNorm, nn.modules.batchnorm._BatchNorm)


class Stage(NamedTuple):
    """node: name of the fx node.  channels: extent of its channel axis, which is `axis`."""

    node: str
    channels: int
    axis: int


class Tap(nn.Module):
    """Hands on what it gets, and remembers it."""

    seen: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return x


def stages(module: fx.GraphModule, x: Tensor) -> dict[tuple[int, ...], Stage]:
    """By extents (height, width; tokens), the last feature map before the extents change; by (), what the last linear layer reads.

    x: a batch of two rows as fed. Feature maps are outputs of layers and what arithmetic of the same shape makes of them, so that attention
    scores and pooled values are none.
    """
    found: dict[tuple[int, ...], Stage] = {}
    extents, kinds = shapes(module, x), dict(module.named_modules())
    sequence = any(isinstance(layer, nn.Conv1d) for layer in kinds.values())
    maps: set[fx.Node] = set()
    for node, shape in extents.items():
        layer = node.op == "call_module" and isinstance(kinds[str(node.target)], LAYERS)
        kept = node.op != "output" and any(source in maps and extents[source] == shape for source in node.all_input_nodes)
        if not (layer or kept) or len(shape) < 3:
            continue
        maps.add(node)
        axis = 2 if len(shape) == 3 and not sequence else 1
        places = shape[2:] if axis == 1 else shape[1:2]
        if max(places) > 1:
            found[places] = Stage(node.name, shape[axis], axis)
    last = features(module)
    if last is not None and len(extents[last]) == 2:
        found[()] = Stage(last.name, extents[last][1], 1)
    return found


def features(module: fx.GraphModule) -> fx.Node | None:
    """What the last linear layer reads, if the network ends in one."""
    head = last_linear(module)
    if head is None:
        return None
    node = next(node for node in module.graph.nodes if node.op == "call_module" and module.get_submodule(str(node.target)) is head)
    return node.args[0] if isinstance(node.args[0], fx.Node) else None


def tap(module: fx.GraphModule, nodes: list[str]) -> list[Tap]:
    """Put a tap behind each named node, in place."""
    by_name = {node.name: node for node in module.graph.nodes}
    taps = []
    for number, name in enumerate(nodes):
        taps.append(Tap())
        path = f"{TAPS}.{number}"
        module.add_submodule(path, taps[-1])
        with module.graph.inserting_after(by_name[name]):
            passed = module.graph.call_module(path, (by_name[name],))
        by_name[name].replace_all_uses_with(passed, delete_user_cb=lambda user, passed=passed: user is not passed)
    module.recompile()
    return taps


def untap(module: fx.GraphModule) -> None:
    """Take the taps and regressors out again."""
    for node in list(module.graph.nodes):
        if node.op == "call_module" and str(node.target).startswith(f"{TAPS}."):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    for path in (TAPS, REGRESSORS):
        if hasattr(module, path):
            delattr(module, path)
    module.recompile()


def regressors(pairs: list[tuple[Stage, Stage]], seed: int) -> nn.ModuleList:
    """For each (student's, teacher's) stage a 1x1 map from width to width, drawn from the seed; the identity where they agree."""
    maps: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for student, teacher in pairs:
            maps.append(nn.Identity() if student.channels == teacher.channels else nn.Linear(student.channels, teacher.channels))
    return nn.ModuleList(maps)


def hint_loss(student: Tensor, teacher: Tensor, pair: tuple[Stage, Stage], regressor: nn.Module) -> Tensor:
    """Mean squared error of the mapped student's feature map, in units of the teacher's mean square.

    >>> one = Stage("a", 1, 1)
    >>> hint_loss(torch.tensor([[1.0]]), torch.tensor([[2.0]]), (one, one), nn.Identity()).item()
    0.25
    """
    mapped, wanted = regressor(student.movedim(pair[0].axis, -1)), teacher.movedim(pair[1].axis, -1)
    return F.mse_loss(mapped, wanted) / wanted.square().mean().clamp_min(1e-12)


def attention_loss(student: Tensor, teacher: Tensor, pair: tuple[Stage, Stage]) -> Tensor:
    """Squared distance of the two maps of energy (sum of squares over the channels, each map of length 1), mean over the rows.

    >>> flat, one_place = torch.ones(1, 3, 2), torch.tensor([[[0.0, 1.0]]])
    >>> stage = Stage("a", 1, 1)
    >>> round(attention_loss(flat, one_place, (stage, stage)).item(), 4)        # (0.707, 0.707) against (0, 1)
    0.5858
    """
    energies = [F.normalize(x.square().sum(stage.axis).flatten(1), dim=1) for x, stage in zip((student, teacher), pair, strict=True)]
    return (energies[0] - energies[1]).square().sum(1).mean()
