"""Block pruning at work: try each block alone on validation rows, remove the cheapest, try the rest anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from optimizers.candidate import Sensitivity
from optimizers.compress.prune.blocks_found import Block, blocks, macs, without
from optimizers.compress.prune.settle import settled
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.measure.sensitivity import Cost, Gauge
from optimizers.models.network import Network
from optimizers.refusals import must_know
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.compress.prune.blocks import BlockPruning


def prune(network: Network, data: Dataset, settings: BlockPruning, ctx: Context) -> Network:
    """The network with fewer blocks. Raises OptimizerError where there is none that could go."""
    use_threads(ctx.threads)
    found = removable(network.proto, settings.keep)
    gauge, whole = Gauge(network, data, ctx.metric), macs(network.proto)
    goal = settings.share * whole
    gone: list[str] = []
    first: tuple[Sensitivity, ...] = ()
    proto = network.proto
    while found and (whole - macs(proto) < goal if settings.share else len(gone) < settings.count):
        done = (whole - macs(proto)) / goal if settings.share else len(gone) / settings.count
        costs = []
        for number, block in enumerate(found):
            ctx.report(0.95 * done, f"without {block.name}: block {number + 1} of {len(found)}")
            costs.append(gauge.cost(network.with_(proto=without(proto, block))))
        first = first or tuple(row(block, points, moved) for block, (points, moved) in zip(found, costs, strict=True))
        cheapest = min(range(len(found)), key=lambda at: price(costs[at], found[at], bool(settings.share)))
        proto = without(proto, found[cheapest])
        gone.append(f"{found[cheapest].name} ({costs[cheapest].lost:.1f} points)")
        found = removable(proto, settings.keep, least=0)
    pruned = settled(network.with_(proto=inferred(proto)), data, ctx)
    left = macs(proto)
    return pruned.with_(sensitivity=(*network.sensitivity, *first)).noting(*told(gone, whole, left, settings.share, network, proto))


def removable(proto: onnx.ModelProto, keep: tuple[str, ...], least: int = 1) -> list[Block]:
    found = blocks(proto)
    if least:
        must_know((*(block.name for block in found), *(block.made for block in found)), keep, "keep", "block")
    found = [block for block in found if not {block.name, block.made} & set(keep)]
    if len(found) < least:
        raise OptimizerError("No block of this network can go: none is a sum x + f(x) whose branch keeps the shape, or all are kept.",
                             "model", "Shorten the list of blocks that stay, or use 'prune-channels'.", "no-blocks")
    return found


def price(cost: Cost, block: Block, by_work: bool) -> float:
    """Points lost, and the change of the outputs, which tells blocks apart that lose nothing; for the work saved where a share is asked."""
    return (max(cost.lost, 0.0) + cost.moved) / (block.macs if by_work else 1)


def inferred(proto: onnx.ModelProto) -> onnx.ModelProto:
    del proto.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(proto)


def row(block: Block, points: float, moved: float) -> Sensitivity:
    return Sensitivity(layer=block.name, operator="block", treatment="prune blocks", loss=points, error=moved,
                       why=f"Saves {block.macs:,} multiply-accumulates; outputs move by {moved:.2g} of their variance.")


def told(gone: list[str], whole: int, left: int, asked: float, before: Network, after: onnx.ModelProto) -> list[str]:
    sentences = [f"Multiply-accumulates {whole:,} \u2192 {left:,} ({1 - left / max(whole, 1):.0%} removed), nodes "
                 f"{len(before.proto.graph.node)} \u2192 {len(after.graph.node)}.",
                 f"Blocks removed, each with what it cost on validation before any fine-tuning: {', '.join(gone)}."]
    if asked and 1 - left / max(whole, 1) < asked - 0.02:
        sentences.append(f"{asked:.0%} were asked for; the blocks that may go do not hold more.")
    return sentences
