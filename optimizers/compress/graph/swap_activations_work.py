"""Swapping at work: each kind of function is tried alone and what it costs noted; then all go together."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.candidate import Sensitivity
from optimizers.compress.graph.activations import Activation, activations
from optimizers.compress.prune.settle import settled
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.measure.sensitivity import Gauge
from optimizers.models.graph import copied, copy_of, opset, set_nodes, without_unread
from optimizers.models.network import Network
from optimizers.models.rewrite import fresh
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.compress.graph.swap_activations import ActivationSwap

GELUS = ("gelu", "gelu (tanh)", "gelu (sigmoid)")
SAME = {("gelu (tanh)", "tanh"), ("gelu (sigmoid)", "sigmoid")}        # already what was asked for


def swapped(network: Network, data: Dataset, settings: ActivationSwap, ctx: Context) -> Network:
    """The network with cheaper activations. Raises OptimizerError where there is none to swap."""
    use_threads(ctx.threads)
    ctx.report(0.0, "looking for activations")
    answers = ends(network.proto)
    found = [one for one in activations(network.proto)
             if wish(one, settings) != "keep" and not (one.function == "sigmoid" and one.made in answers)]
    if not found:
        raise OptimizerError("No activation of this network can be swapped: none is SiLU, GELU, Mish, ELU or a sigmoid within it.",
                             "model", "Leave this step out, or choose a function instead of 'keep'.", "nothing-to-swap")
    gauge, rows = Gauge(network, data, ctx.metric), []
    kinds = sorted({one.function for one in found})
    for number, kind in enumerate(kinds):
        ctx.report(0.1 + 0.6 * number / len(kinds), f"{kind} alone")
        alone = replaced(network.proto, [one for one in found if one.function == kind], settings)
        points, moved = gauge.cost(network.with_(proto=alone))
        rows.append(Sensitivity(layer=f"every {kind}", operator=kind, treatment="swap activations", loss=points, error=moved,
                                why=f"Outputs move by {moved:.2g} of their variance."))
    proto = replaced(network.proto, found, settings)
    made = settled(network.with_(proto=proto), data, ctx)
    points, moved = gauge.cost(made)
    return made.with_(sensitivity=(*network.sensitivity, *rows)).noting(*told(network.proto, proto, found, settings, points, moved))


def wish(one: Activation, settings: ActivationSwap) -> str:
    """What a function is to become; "keep" where it is that already."""
    target = settings.gelu if one.function in GELUS else getattr(settings, one.function)
    return "keep" if (one.function, target) in SAME else target


def ends(proto: onnx.ModelProto) -> set[str]:
    """Outputs, and what only a change of shape lies between them and."""
    found = {value.name for value in proto.graph.output}
    for node in reversed(proto.graph.node):
        if node.op_type in ("Reshape", "Squeeze", "Flatten", "Identity") and node.output[0] in found:
            found.add(node.input[0])
    return found


def replaced(proto: onnx.ModelProto, found: list[Activation], settings: ActivationSwap) -> onnx.ModelProto:
    """A new graph in which each function found is computed by the nodes it is to become."""
    made, at = copied(proto), {one.made: one for one in found}
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        one = at.get(node.output[0]) if node.output else None
        nodes.extend([copy_of(node)] if one is None else written(made, one, wish(one, settings)))
    set_nodes(made, nodes)
    return without_unread(made)


def written(made: onnx.ModelProto, one: Activation, target: str) -> list[onnx.NodeProto]:
    """The nodes of a target, from one.source to one.made. Numbers they need are stored in `made`."""
    x, y, name, version = one.source, one.made, one.name, opset(made)

    def inner(step: str) -> str:
        return fresh(made, f"{y}_{step}")

    def number(value: float) -> str:
        label = fresh(made, f"{y}_number")
        made.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), label))
        return label

    node = helper.make_node
    match target:
        case "relu":
            return [node("Relu", [x], [y], name)]
        case "hard-sigmoid":
            return [node("HardSigmoid", [x], [y], name, alpha=1 / 6, beta=0.5)]
        case "hard-swish" if version >= 14:
            return [node("HardSwish", [x], [y], name)]
        case "hard-swish":
            gate = inner("gate")
            return [node("HardSigmoid", [x], [gate], alpha=1 / 6, beta=0.5), node("Mul", [x, gate], [y], name)]
        case "sigmoid":
            scaled, gate = inner("scaled"), inner("gate")
            return [node("Mul", [x, number(1.702)], [scaled]), node("Sigmoid", [scaled], [gate]), node("Mul", [x, gate], [y], name)]
        case "tanh" if version >= 20:
            return [node("Gelu", [x], [y], name, approximate="tanh")]
    square, bent, raised, slope, inside, turned, one_more, half = (inner(step) for step in (
        "square", "bent", "raised", "slope", "inside", "turned", "above", "half"))
    return [node("Mul", [x, x], [square]), node("Mul", [square, number(0.044715)], [bent]), node("Add", [bent, number(1.0)], [raised]),
            node("Mul", [x, number(math.sqrt(2 / math.pi))], [slope]), node("Mul", [slope, raised], [inside]),
            node("Tanh", [inside], [turned]), node("Add", [turned, number(1.0)], [one_more]), node("Mul", [x, number(0.5)], [half]),
            node("Mul", [half, one_more], [y], name)]


def told(before: onnx.ModelProto, after: onnx.ModelProto, found: list[Activation], settings: ActivationSwap, points: float,
         moved: float) -> list[str]:
    pairs = Counter((one.function, wish(one, settings)) for one in found)
    swaps = ", ".join(f"{number} {kind} \u2192 {target}" for (kind, target), number in sorted(pairs.items()))
    old, new = (Counter(node.op_type for node in proto.graph.node if node.op_type != "Constant") for proto in (before, after))
    counts = ", ".join(f"{kind} {old[kind]} \u2192 {new[kind]}" for kind in sorted(old | new) if old[kind] != new[kind])
    return [f"Activations: {swaps}.", f"Nodes {sum(old.values())} \u2192 {sum(new.values())}: {counts or 'of the same kinds'}.",
            f"Before any training the swap costs {points:.1f} points on validation; outputs move by {moved:.2g} of their variance. "
            "Fine-tune after it."]
