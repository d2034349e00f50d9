"""Channel pruning at work: groups from torch-pruning's dependency graph, worth from its scores, widths from ours, weights written back."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch_pruning as tp
from torch import fx, nn

from optimizers.compress.prune.channels_reach import prunable
from optimizers.compress.prune.channels_score import scorer
from optimizers.compress.prune.channels_widths import Cost, Group, granule, widths_by_layer, widths_by_network
from optimizers.compress.prune.settle import few, refresh
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models.modules import CONVS, ROOTS, TRANSPOSED, layers, shapes, shared
from optimizers.models.network import Network
from optimizers.models.prove import prove
from optimizers.models.sequences import on_sequences
from optimizers.refusals import must_know
from optimizers.training.batches import Rows
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.compress.prune.channels import ChannelPruning

LONGEST = 120               # seconds one round may take: dependency graphs of very large networks can run away


def prune(network: Network, data: Dataset, settings: ChannelPruning, ctx: Context) -> Network:
    """The network with fewer channels. Raises OptimizerError when nothing may go or the pruned graph does not hold together."""
    if settings.share == 0:
        return network
    use_threads(ctx.threads)
    network = network.with_(proto=on_sequences(network.proto))
    module = network.to_torch()
    rows = Rows(network, few(data, ctx.seed), data.task == "regression")
    example = rows.take(np.arange(min(2, len(rows))))[0]
    before = {str(node.target): channels(layer) for node, layer in layers(module)}
    whole = macs_of(module, example)
    if not whole:
        raise OptimizerError("No layer of this network can lose channels: it has no convolution or matrix product that torch holds as one.",
                             "model", "Quantize it instead.", "nothing-to-prune")
    kept = kept_paths(network, module, settings.keep)
    said: list[str] = []
    for number in range(1, settings.iterations + 1):
        ctx.report((number - 1) / settings.iterations, f"round {number} of {settings.iterations}")
        target = whole * (1 - settings.share * number / settings.iterations)
        with within(LONGEST):
            one_round(module, example, rows, settings, before, kept, target, data.task == "regression")
        refresh(module, rows)
        if settings.tune_epochs and number < settings.iterations:
            network, sentence = tuned(network.with_module(module), data, settings, ctx, number)
            module = network.to_torch()
            said.append(sentence)
    left = macs_of(module, example)
    pruned = network.with_module(module)
    prove(pruned, module, example)
    after = {str(node.target): channels(layer) for node, layer in layers(module)}
    return pruned.noting(*told(before, after, whole, left, settings.share), *said)


def tuned(network: Network, data: Dataset, settings: ChannelPruning, ctx: Context, number: int) -> tuple[Network, str]:
    """The network trained on after round `number`, and what came of it; of the time left, half is spread over such trainings."""
    from optimizers.training.fine_tune import FineTuning
    from optimizers.training.loop import fit

    rounds = settings.iterations
    with ctx.part((number - 0.9) / rounds, number / rounds, training_share=0.5 / (rounds - number)):
        trained = fit(network, data, FineTuning(epochs=settings.tune_epochs), ctx)
    ctx.epochs = None           # they are not this step's own
    return trained.with_(notes=network.notes), f"After round {number} of {rounds}: {trained.notes[len(network.notes)]}"


def one_round(module: fx.GraphModule, example: torch.Tensor, rows: Rows, settings: ChannelPruning, before: dict[str, tuple[int, int]],
              kept: set[str], target: float, regression: bool) -> None:
    """Remove channels, in place, until no more than `target` multiply-accumulates are left."""
    costs = costs_of(module, example)
    now = sum(cost.macs for cost in costs.values())
    if now <= target:
        return
    score = scorer(module, rows, settings.score, regression)
    with warnings.catch_warnings():         # it warns of parameters outside layers, whose layers are left whole here
        warnings.simplefilter("ignore")
        dependencies = tp.DependencyGraph().build_dependency(module, example_inputs=example)
    steps = {path: granule(outs, settings.round_to) for path, (outs, _) in before.items()}
    found = groups_of(module, dependencies, example, kept, score, steps)
    if not found:
        raise OptimizerError("No layer of this network can lose channels: each reaches an output, or is left whole.", "model",
                             "Shorten the list of layers left whole, or quantize instead.", "nothing-to-prune")
    plan = widths_by_layer if settings.scope == "layer" else widths_by_network
    groups = [group for group, _ in found]
    widths = plan(groups, costs, 1 - target / now)
    for (group, root), width in zip(found, widths, strict=True):
        if width < group.width:
            gone = np.argsort(group.worth, kind="stable")[:group.width - width]
            dependencies.get_pruning_group(root, tp.prune_conv_out_channels if isinstance(root, CONVS) else tp.prune_linear_out_channels,
                                           sorted(gone.tolist())).prune()


def groups_of(module: fx.GraphModule, dependencies: Any, example: torch.Tensor, kept: set[str], score: Any,
              steps: dict[str, int]) -> list[tuple[Group, nn.Module]]:
    """Every group that may lose channels, with the layer it is pruned by."""
    allowed = prunable(module, example) - kept
    paths = {layer: path for path, layer in module.named_modules()}
    depthwise = {path for path, layer in module.named_modules() if is_depthwise(layer)}
    every = [(group, *members(group, dependencies, paths)) for group in dependencies.get_all_groups(ignored_layers=[],
                                                                                                    root_module_types=[*ROOTS])]
    doubtful = half_understood(module, [(outs, ins) for _, outs, ins in every]) | shared(module)
    found = []
    for group, outs, ins in every:
        root = group[0][0].target.module
        makers = set(outs) - depthwise          # none: depthwise layers on the network's input, whose channels are given
        if root not in paths or not makers or not makers <= allowed or (outs.keys() | ins.keys()) & doubtful:
            continue
        worth = score(group)
        if worth is not None and len(worth) > 1:
            worth = worth.detach().cpu().double().numpy()
            fed = {path: count for path, count in ins.items() if path not in depthwise}
            found.append((Group(worth / max(float(worth.mean()), 1e-30), steps[paths[root]], outs, fed), root))
    return found


def members(group: Any, dependencies: Any, paths: dict[nn.Module, str]) -> tuple[dict[str, int], dict[str, int]]:
    """Per layer path, how many of its output and of its input channels a group holds."""
    outs: dict[str, int] = {}
    ins: dict[str, int] = {}
    for dependency, indices in group:
        layer = dependency.target.module
        if isinstance(layer, (*ROOTS, *TRANSPOSED)):
            side = outs if dependencies.is_out_channel_pruning_fn(dependency.handler) else ins
            side[paths[layer]] = side.get(paths[layer], 0) + len(indices)
    return outs, ins


def half_understood(module: fx.GraphModule, sides: list[tuple[dict[str, int], dict[str, int]]]) -> set[str]:
    """Layers whose channels the dependency graph does not account for in full, such as a linear layer after a flattened concat."""
    doubtful: set[str] = set()
    fed: dict[str, int] = {}
    for outs, ins in sides:
        doubtful |= {path for path, count in outs.items() if count != channels(module.get_submodule(path))[0]}
        for path, count in ins.items():
            fed[path] = fed.get(path, 0) + count
    return doubtful | {path for path, count in fed.items() if count != channels(module.get_submodule(path))[1]
                       and not is_depthwise(module.get_submodule(path))}


def costs_of(module: fx.GraphModule, example: torch.Tensor) -> dict[str, Cost]:
    """Multiply-accumulates and widths of every convolution and linear layer, for one row."""
    extents, found = shapes(module, example), {}
    for node, layer in layers(module, (*ROOTS, *TRANSPOSED)):
        outs, ins = channels(layer)
        across, width = (node.args[0], ins) if isinstance(layer, TRANSPOSED) else (node, outs)     # where each weight is used once a place
        places = int(np.prod(extents[across][1:])) // width     # type: ignore[index,arg-type]
        found[str(node.target)] = Cost(places * layer.get_parameter("weight").numel(), outs, 1 if is_depthwise(layer) else ins)
    return found


def macs_of(module: fx.GraphModule, example: torch.Tensor) -> int:
    return sum(cost.macs for cost in costs_of(module, example).values())


def channels(layer: nn.Module) -> tuple[int, int]:
    """(out, in)."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return int(layer.out_channels), int(layer.in_channels)      # type: ignore[arg-type]


def is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, CONVS) and layer.groups > 1 and layer.groups == layer.out_channels


def kept_paths(network: Network, module: fx.GraphModule, names: tuple[str, ...]) -> set[str]:
    """Layers named by their ONNX node, weight or module path; raises OptimizerError for a name that is none of them."""
    nodes = {node.input[1]: node.name for node in network.proto.graph.node if len(node.input) > 1}
    known: dict[str, str] = {}
    for binding in module.meta["bindings"]:
        path, _, field = binding.path.rpartition(".")
        if field == "weight":
            known |= {path: path, binding.name: path, nodes.get(binding.name, path): path}
    must_know(known, names, "keep")
    return {known[name] for name in names}


def told(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], whole: int, left: int,
         asked: float) -> list[str]:
    """Sentences: what share went, and which layers became narrower."""
    changed = [f"{path} {before[path][0]} \u2192 {outs}" for path, (outs, _) in after.items() if outs != before[path][0]]
    shown = ", ".join(changed[:12]) + (f" and {len(changed) - 12} more" if len(changed) > 12 else "")
    sentences = [f"Multiply-accumulates {whole:,} \u2192 {left:,} ({1 - left / whole:.0%} removed)."]
    if 1 - left / whole < asked - 0.02:
        sentences.append(f"{asked:.0%} were asked for; the layers that may lose channels do not hold more.")
    return sentences + ([f"Output channels: {shown}."] if changed else ["No layer could become narrower at this rounding."])


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give up after so long. Only in the main thread, where a timer can interrupt; elsewhere without a limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise OptimizerError(f"Finding which channels belong together took more than {seconds:.0f} s.", "model",
                             "This network is too large or too entangled to prune here; quantize it instead.", "prune-timeout")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
