"""A network of several inputs as one that rows alone feed: constants become part of the graph, and control flow they decide is folded away.

State stays an input, behind the rows' own; who runs the network feeds zeros, or what an output said of the row before.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.errors import OptimizerError
from optimizers.models import graph
from optimizers.models.entries import Entries, entries, single
from optimizers.models.graph_facts import every_node
from optimizers.models.graph_shapes import bodies, tensor, tensor_of
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing

ROUNDS = 6              # of folding; two settle a voice-activity model with seven conditions in one another
LARGEST = 2**16         # numbers in a constant input
TRIED = 4               # rows that a folded graph is compared on
COMPARED = {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"}


def bound(network: Network, given: Mapping[str, Any] | None = None, row: tuple[int, ...] | None = None) -> Network:
    """The network with the rows' input first, constants inside, and `preprocessing` saying what is carried.

    given: fields of a Preprocessing.  row: shape of one row as it is fed, where it is known; conditions on it can be decided then.
    Raises OptimizerError where `given` does not fit the graph.
    """
    found = entries_of(network.proto, given)
    proto = graph.copied(network.proto)
    for name, value in found.constants.items():
        proto.graph.initializer.append(filled(next(i for i in proto.graph.input if i.name == name), value))
    named = {value.name: value for value in network.proto.graph.input}
    del proto.graph.input[:]
    first = [name for name in (found.rows, *found.carried) if name]
    proto.graph.input.extend(named[name] for name in (*first, *(name for name in named if name not in {*first, *found.constants})))
    how = network.preprocessing.model_copy(update={"constants": found.constants, "carried": found.carried})
    taken = network.with_(proto=proto, preprocessing=how, bound=tuple(tensor(named[name]) for name in found.constants))
    return decided(taken, row)


def entries_of(proto: onnx.ModelProto, given: Mapping[str, Any] | None = None) -> Entries:
    """What each input is given. Raises OptimizerError where `given` does not fit."""
    inputs = [tensor(value) for value in graph.inputs(proto)]
    numbers = {one.name: number for one in inputs if single(one) and (number := compared(proto, one.name)) is not None}
    return entries(inputs, [tensor(value) for value in proto.graph.output], numbers, None, given)


def compared(proto: onnx.ModelProto, name: str) -> bool | int | float | None:
    """The number that the graph holds an input against: what it was most likely made for."""
    nodes = list(every_node(proto.graph))
    known = {stored.name: numpy_helper.to_array(stored) for stored in proto.graph.initializer}
    known |= {node.output[0]: numpy_helper.to_array(held) for node in nodes if (held := tensor_of(node)) is not None}
    for node in nodes:
        if node.op_type in COMPARED and name in node.input:
            other = known.get(next((place for place in node.input if place != name), ""))
            if other is not None and other.size == 1:
                return other.item()
    return None


def filled(value: onnx.ValueInfoProto, number: bool | int | float) -> onnx.TensorProto:
    """The input as a stored tensor, all of it this number. Raises OptimizerError where its type or shape cannot hold one."""
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    shape = graph.extents(value)
    if shape is None or None in shape or prod(extent or 1 for extent in shape) > LARGEST:
        raise OptimizerError(f"The input '{value.name[:80]}' has free axes, and a constant needs its shape.", "preprocessing.constants",
                             "Export the network with that input's extents fixed.", "constant-shape")
    whole = np.full([int(extent or 1) for extent in shape], number).astype(kind)
    if kind.kind in "iub" and (whole != number).any():
        raise OptimizerError(f"The input '{value.name[:80]}' takes {kind.name}, which cannot hold {number}.", "preprocessing.constants",
                             "Give it a whole number within its range.", "constant-type")
    return numpy_helper.from_array(whole, value.name)


def decided(network: Network, row: tuple[int, ...] | None) -> Network:
    """Without the conditions that constants, and the extents of a row, decide; the network itself where none is, or an output changed."""
    before = branches(network.proto)
    if not before:
        return network
    fixed = with_row(network.proto, row) if row else graph.copied(network.proto)
    folded = settled(fixed)
    after = branches(folded)
    if len(after) >= len(before) or not answers_alike(network, network.with_(proto=folded), row):
        return network
    left = f"{len(after)} stayed, such as {after[0]}." if after else "none is left."
    return network.with_(proto=folded).noting(
        f"Control flow was folded where constants and the shape of a row decide it: of {len(before)} nodes with branches {left}")


def branches(proto: onnx.ModelProto) -> list[str]:
    """Places of the nodes that hold graphs of their own."""
    return [graph.place(node) for node in every_node(proto.graph) if any(bodies(node))]


def with_row(proto: onnx.ModelProto, row: tuple[int, ...]) -> onnx.ModelProto:
    """A copy whose first input takes rows of just this shape, where that is one of those it takes."""
    fresh = graph.copied(proto)
    dims = fresh.graph.input[0].type.tensor_type.shape.dim
    if len(dims) == len(row) + 1:
        for dim, extent in zip(list(dims)[1:], row, strict=True):
            if not dim.HasField("dim_value"):
                dim.dim_value = extent
    return fresh


def settled(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded, and branches put in the place of their condition, until nothing changes."""
    from onnxscript import optimizer

    from optimizers.models.canonical import fold_constants

    for _ in range(ROUNDS):
        made = graph.copied(proto)
        try:
            optimizer.fold_constants(made, onnx_shape_inference=True)
            made = fold_constants(graph.without_unread(made))
        except Exception:       # it evaluates strangers' nodes by hand and raises many kinds; the graph then stays as far as it got
            return proto
        if len(list(every_node(made.graph))) == len(list(every_node(proto.graph))):
            return made
        proto = made
    return proto


def answers_alike(before: Network, after: Network, row: tuple[int, ...] | None) -> bool:
    """Whether a few rows of noise, state carried along, give the same outputs in ONNX Runtime."""
    from optimizers.measure.shipped import Shipped
    from optimizers.models.canonical import equal

    shape = row or (graph.extents(graph.inputs(before.proto)[0]) or ())[1:]
    if None in shape:
        return False
    x = np.random.default_rng(0).normal(0, 0.1, (TRIED, *[int(extent or 1) for extent in shape])).astype(np.float32)
    plain = Preprocessing(scale="none", carried=before.preprocessing.carried)
    try:
        return equal(*(Shipped(network.with_(preprocessing=plain)).answers(x) for network in (before, after)))
    except Exception:           # the runtime's own classes, for a graph it refuses
        return False
