"""An ONNX graph without some heads: weights and tables narrower, Reshapes aimed anew."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.compress.prune.heads_found import Attention, Finder, Side
from optimizers.compress.prune.heads_trace import Untraceable, follow, shrunk, spans
from optimizers.models.graph import attributes, copied, opset, without_unread
from optimizers.models.rewrite import fresh, with_tensors

Moves = dict[str, dict[int, list[int]]]     # what a node makes first -> its inputs by place -> their new whole numbers


def without_heads(finder: Finder, gone: dict[str, list[int]], found: list[Attention]) -> onnx.ModelProto:
    """A new graph in which each attention named in `gone` lacks those heads. Raises Untraceable where a Reshape cannot follow."""
    tensors: dict[str, np.ndarray] = {}
    moves: Moves = {}
    for attention in found:
        if heads := gone.get(attention.name, []):
            cut_weights(attention, heads, finder.stored, tensors)
            lost = columns_gone(attention, heads)
            for side in attention.sides:
                aim(side, lost[side.weight.name], finder, moves)
            aim(attention.out, attention.out.start[0, heads, 0].reshape(-1), finder, moves)
    made = aimed(with_tensors(finder.proto, tensors), moves)
    del made.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(without_unread(made))


def columns_gone(attention: Attention, heads: list[int]) -> dict[str, np.ndarray]:
    """Per weight, the columns that go; a fused layer loses those of queries, keys and values together."""
    lost: dict[str, list[np.ndarray]] = defaultdict(list)
    for side in attention.sides:
        lost[side.weight.name].append(side.owned[heads].reshape(-1))
    return {weight: np.concatenate(parts) for weight, parts in lost.items()}


def cut_weights(attention: Attention, heads: list[int], stored: dict[str, np.ndarray], tensors: dict[str, np.ndarray]) -> None:
    lost = columns_gone(attention, heads)
    for weight in (side.weight for side in attention.sides):
        tensors[weight.name] = np.delete(stored[weight.name], lost[weight.name], weight.axis)
        if weight.bias:
            tensors[weight.bias] = np.delete(stored[weight.bias], lost[weight.name], -1)
    last = attention.out.weight
    tensors[last.name] = np.delete(stored[last.name], attention.out.owned[heads].reshape(-1), last.axis)
    for name, axis in attention.tables:
        tensors[name] = np.delete(stored[name], heads, axis)


def aim(side: Side, gone: np.ndarray, finder: Finder, moves: Moves) -> None:
    """Note what each Reshape, Split and Slice of a chain must be told when the labels in `gone` are gone."""
    before = side.start
    for (node, onward), after in zip(side.chain, follow(side.start, side.chain, finder.stored), strict=True):
        known = attributes(node)
        if node.op_type == "Reshape":
            target = finder.stored[node.input[1]].tolist()
            free = finder.varying.get(node.input[1], np.zeros(len(target), bool)).tolist()
            literal = bool(known.get("allowzero", 0))
            moves[node.output[0]] = {1: new_target(target, free, shrunk(after, gone), shrunk(before, gone), literal)}
        elif node.op_type == "Split":
            sizes = moves.setdefault(node.output[0], {1: [0] * len(node.output)})[1]
            sizes[list(node.output).index(onward)] = shrunk(after, gone)[known.get("axis", 0)]
        elif node.op_type == "Slice":
            starts, ends = zip(*(kept_span(before, gone, *span) for span in spans(before.shape, node, finder.stored)), strict=True)
            moves[node.output[0]] = {1: list(starts), 2: list(ends)}
        before = after


def new_target(target: list[int], free: list[bool], shape: tuple[int, ...], before: tuple[int, ...], literal: bool) -> list[int]:
    """What a Reshape must aim at for `shape`. free: entries that change with the number of rows.  before: extents of its input now."""
    made = []
    for axis, (extent, varies) in enumerate(zip(target, free, strict=True)):
        as_before = not literal and axis < len(before) and before[axis] == shape[axis]
        if extent == -1 or (extent == 0 and as_before):
            made.append(int(extent))
        elif varies:
            made.append(0 if as_before else -1)
        else:
            made.append(shape[axis])
    if made.count(-1) > 1:
        raise Untraceable("a Reshape with two free extents")
    return made


def kept_span(before: np.ndarray, gone: np.ndarray, axis: int, start: int, end: int) -> tuple[int, int]:
    """Where a slice of one axis begins and ends once the gone labels are gone."""
    kept = np.asarray((~np.isin(before, gone)).any(axis=tuple(other for other in range(before.ndim) if other != axis)))
    return int(kept[:start].sum()), int(kept[:end].sum())


def aimed(proto: onnx.ModelProto, moves: Moves) -> onnx.ModelProto:
    """Targets and sizes replaced, each node's by ones of its own: exporters share them between nodes."""
    made = copied(proto)
    for node in made.graph.node:
        told = moves.get(node.output[0]) if node.output else None
        if told is None:
            continue
        dropped = {"Split": {"num_outputs", "split"}}.get(node.op_type, set())
        kept = [attribute for attribute in node.attribute if attribute.name not in dropped]
        del node.attribute[:]
        node.attribute.extend(kept)
        if node.op_type == "Split" and opset(proto) < 13:
            node.attribute.append(helper.make_attribute("split", told[1]))
            continue
        inputs = [*node.input, ""][:max(len(node.input), 2)]
        for at, values in told.items():
            inputs[at] = fresh(made, f"{node.output[0]}_heads_{at}")
            made.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), inputs[at]))
        del node.input[:]
        node.input.extend(inputs)
    return made
