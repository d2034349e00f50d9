"""Head pruning at work: score every head, choose, cut, and prove that what is left computes what masked heads would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from torch import Tensor, fx

from optimizers.compress.prune.blocks_found import macs
from optimizers.compress.prune.channels_score import loss_of
from optimizers.compress.prune.heads_cut import without_heads
from optimizers.compress.prune.heads_found import Attention, Finder
from optimizers.compress.prune.heads_trace import Untraceable
from optimizers.compress.prune.settle import few
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models import graph as onnx_graph
from optimizers.models.graph import constants
from optimizers.models.network import Network
from optimizers.models.prove import astray
from optimizers.models.rewrite import with_tensors
from optimizers.refusals import must_know
from optimizers.training.batches import Rows
from optimizers.training.head import logits
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.compress.prune.heads import HeadPruning


def prune(network: Network, data: Dataset, settings: HeadPruning, ctx: Context) -> Network:
    """The network with fewer heads. Raises OptimizerError where no attention can be cut, or where the cut graph computes other numbers."""
    use_threads(ctx.threads)
    ctx.report(0.05, "looking for heads")
    finder = Finder(network.proto)
    found, left = finder.attentions()
    found = chosen(found, left, settings.keep)
    rows = Rows(network, few(data, ctx.seed), data.task == "regression")
    ctx.report(0.2, "scoring heads")
    scores = by_loss(network, found, rows, data.task == "regression") if settings.score == "taylor" else by_size(network, found)
    gone = least(scores, settings.share, settings.scope == "network")
    try:
        proto = without_heads(finder, gone, found)
    except Untraceable as reason:
        raise OptimizerError(f"Heads cannot be cut out of {reason}.", "model", "Name its attention in 'keep'.",
                             "heads-untraceable") from None
    ctx.report(0.8, "comparing with masked heads")
    prove(network.proto, proto, found, gone, rows.take(np.arange(min(2, len(rows))))[0].numpy())
    return network.with_(proto=proto).noting(*told(network.proto, proto, found, gone, left))


def chosen(found: list[Attention], left: dict[str, str], keep: tuple[str, ...]) -> list[Attention]:
    names = [attention.name for attention in found]
    must_know((*names, *left), keep, "keep", "attention")
    found = [attention for attention in found if attention.name not in keep and attention.heads > 1]
    if not found:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(left.items())[:3])
        raise OptimizerError("No attention of this network can lose heads" + (f" ({why})." if why else "."), "model",
                             "Use 'prune-channels' or 'prune-blocks' instead.", "no-heads")
    return found


def by_size(network: Network, found: list[Attention]) -> dict[str, np.ndarray]:
    """The length of each head's rows in the output layer."""
    stored = constants(network.proto)
    return {attention.name: np.linalg.norm(rows_of(stored, attention).reshape(attention.heads, -1), axis=1) for attention in found}


def rows_of(stored: dict[str, np.ndarray], attention: Attention) -> np.ndarray:
    """What the output layer makes of each head: (heads, size, outs)."""
    return np.moveaxis(stored[attention.out.weight.name], attention.out.weight.axis, 0)[attention.out.owned]


def by_loss(network: Network, found: list[Attention], rows: Rows, regression: bool) -> dict[str, np.ndarray]:
    """The mean over rows of |sum of what a head says times the gradient of the loss there|: Michel et al.'s sensitivity to its mask."""
    module = network.to_torch()
    heard = Hearing((module if regression else logits(module)).eval(),
                    {module.meta["values"][attention.mixed]: attention.name for attention in found})
    totals = {attention.name: np.zeros(attention.heads) for attention in found}
    for x, y in rows.in_order(64):
        (loss_of(heard.run, x, y, regression) * len(y)).backward()
        for name, said in heard.said.items():
            assert said.grad is not None
            felt = (said.detach() * said.grad).sum((2, 3))          # (n, heads)
            totals[name] += felt.abs().sum(0).numpy()
    return {name: total / len(rows) for name, total in totals.items()}


class Hearing(fx.Interpreter):
    """Runs a network and keeps what some nodes say, (n, heads, tokens, size), with its gradient. names: fx node -> attention."""

    def __init__(self, module: fx.GraphModule, names: dict[str, str]) -> None:
        super().__init__(module)
        self.names = names
        self.said: dict[str, Tensor] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node.name in self.names:
            result.retain_grad()
            self.said[self.names[node.name]] = result
        return result


def least(scores: dict[str, np.ndarray], share: float, across: bool) -> dict[str, list[int]]:
    """The heads to remove: of each attention, or of all by score over the length of its attention's scores; one stays everywhere.

    >>> least({"a": np.array([3.0, 4.0]), "b": np.array([9.0, 1.0])}, 0.25, True)
    {'a': [], 'b': [1]}
    """
    best = {name: int(worth.argmax()) for name, worth in scores.items()}
    if not across:
        return {name: sorted(np.argsort(worth, kind="stable")[:min(round(share * len(worth)), len(worth) - 1)].tolist())
                for name, worth in scores.items()}
    ranked = sorted((float(worth[head]) / max(float(np.linalg.norm(worth)), 1e-30), place, head)
                    for place, (name, worth) in enumerate(scores.items()) for head in range(len(worth)) if head != best[name])
    names = list(scores)
    gone: dict[str, list[int]] = {name: [] for name in names}
    for _, place, head in ranked[:round(share * sum(len(worth) for worth in scores.values()))]:
        gone[names[place]].append(head)
    return {name: sorted(heads) for name, heads in gone.items()}


def prove(whole: onnx.ModelProto, cut: onnx.ModelProto, found: list[Attention], gone: dict[str, list[int]], x: np.ndarray) -> None:
    """The cut graph must answer as the whole one does when what the gone heads say is multiplied by zero."""
    stored, masked = constants(whole), {}
    for attention in found:
        weight = stored[attention.out.weight.name].copy()
        np.moveaxis(weight, attention.out.weight.axis, 0)[attention.out.owned[gone[attention.name]].reshape(-1)] = 0
        masked[attention.out.weight.name] = weight
    wanted, made = onnx_graph.run(with_tensors(whole, masked), x), onnx_graph.run(cut, x)
    if any(astray(one, other) for one, other in zip(made, wanted, strict=True)):
        raise OptimizerError("Without these heads the graph does not compute what masked heads would.", "model",
                             "Name attentions in 'keep', or use 'prune-channels' instead.", "heads-mismatch")


def told(whole: onnx.ModelProto, cut: onnx.ModelProto, found: list[Attention], gone: dict[str, list[int]],
         left: dict[str, str]) -> list[str]:
    before, after = macs(whole), macs(cut)
    changed = [f"{attention.name} {attention.heads} \u2192 {attention.heads - len(gone[attention.name])}"
               for attention in found if gone[attention.name]]
    sentences = [f"Multiply-accumulates {before:,} \u2192 {after:,} ({1 - after / max(before, 1):.0%} removed).",
                 f"Heads: {', '.join(changed)}." if changed else "No head went: the share is less than one head."]
    return sentences + [f"The attention of {name} was left whole: {reason}." for name, reason in left.items()]
