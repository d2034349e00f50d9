"""Residual blocks of an ONNX graph: where they are, and the graph without one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import onnx

from optimizers.models.graph import copied, copy_of, set_nodes, uses, without_unread
from optimizers.models.graph_facts import analyse
from optimizers.models.graph_shapes import scope_of, with_shapes

SUMS = ("Add", "Sum")


@dataclass(frozen=True)
class Block:
    """name: of the node that sums, or what it makes.  made: the sum.  skip: the value that goes around the branch.

    macs: multiply-accumulates of one row that go with it.
    """

    name: str
    made: str
    skip: str
    macs: int = 0


def blocks(proto: onnx.ModelProto) -> list[Block]:
    """Every sum x + f(x) in which f is computed from x, has its shape, and does work that nothing else needs; in file order.

    Sums inside an activation (as in the tanh form of GELU) do no work of their own, so they are none. Sums of unknown shape are left out.
    """
    scope = scope_of(with_shapes(proto).graph, tuple(proto.graph.initializer))
    whole, bit, above = macs(proto), bits(proto), ancestors(proto)
    found = []
    for node in proto.graph.node:
        if node.op_type not in SUMS or len(node.input) != 2 or set(node.input) & scope.constants:
            continue
        for skip, branch in (node.input, reversed(node.input)):
            shape = scope.shape(skip)
            if skip != branch and above[branch] & bit[skip] and shape is not None and shape == scope.shape(branch):
                block = Block(node.name or node.output[0], node.output[0], skip)
                saved = whole - macs(without(proto, block))
                if saved > 0:
                    found.append(Block(block.name, block.made, skip, saved))
    return found


def bits(proto: onnx.ModelProto) -> dict[str, int]:
    """A bit of its own for every value."""
    names = [value.name for value in proto.graph.input] + [tensor.name for tensor in proto.graph.initializer]
    names += [name for node in proto.graph.node for name in node.output]
    return {name: 1 << place for place, name in enumerate(dict.fromkeys(names))}


def ancestors(proto: onnx.ModelProto) -> dict[str, int]:
    """For every value the bits of those it is computed from, its own among them."""
    above = bits(proto)
    for node in proto.graph.node:
        behind = 0
        for name in node.input:
            behind |= above.get(name, 0)
        for name in node.output:
            above[name] |= behind
    return above


def macs(proto: onnx.ModelProto) -> int:
    """Multiply-accumulates of one row; where a shape is not known, those of the layers whose shapes are."""
    facts = analyse(proto)
    return facts.macs if facts.macs is not None else sum(layer.macs for layer in facts.layers)


def without(proto: onnx.ModelProto, block: Block) -> onnx.ModelProto:
    """A new graph in which the sum is just x, and nodes that only the branch needed are gone."""
    fresh = copied(proto)
    outer = {value.name for value in fresh.graph.output} | read_inside(fresh)
    nodes = []
    for node in fresh.graph.node:
        if block.made in node.output:
            if block.made in outer:             # the name must stay, so a node must stay that makes it
                nodes.append(onnx.helper.make_node("Identity", [block.skip], [block.made], node.name))
            continue
        kept = copy_of(node)
        if block.made not in outer:
            kept.input[:] = [block.skip if name == block.made else name for name in kept.input]
        nodes.append(kept)
    set_nodes(fresh, nodes)
    return without_unread(fresh)


def read_inside(proto: onnx.ModelProto) -> set[str]:
    """Names that graphs inside nodes read."""
    counted = uses(proto)
    direct = Counter(name for node in proto.graph.node for name in node.input)
    direct.update(value.name for value in proto.graph.output)
    return {name for name, count in counted.items() if count > direct[name]}
