"""Peak bytes of activations: which tensors are alive at once when nodes run in file order.

A modelled lower bound with what every embedded runtime does: weights stay in flash, views share their bytes, an elementwise step with
one reader works in place, and a QuantizeLinear right after an operator is fused into it, so the tensor between them never exists.
"""

from __future__ import annotations

from collections import Counter
from math import prod

import onnx

from optimizers.models.graph_shapes import Scope, bodies, free_inputs

VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "DequantizeLinear"}
IN_PLACE = {"Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu", "Selu", "Gelu", "Softplus",
            "Mish", "Erf", "BatchNormalization", "Softmax", "LogSoftmax", "Abs", "Neg", "Exp", "Sqrt", "QuantizeLinear"}


def peak_bytes(graph: onnx.GraphProto, scope: Scope) -> int | None:
    """Largest sum of bytes alive at once; None where the shape of a tensor is not known.  Inner graphs are not counted."""
    reads = Counter(name for node in graph.node for name in inputs_of(node))
    reads.update(output.name for output in graph.output)
    home = {value.name: value.name for value in free_inputs(graph) if value.name not in scope.constants}
    steps: list[tuple[list[str], list[str]]] = []       # (stores read, stores written) a node
    for node in graph.node:
        if all(name in scope.constants for name in node.output):
            continue
        sources = [home[name] for name in inputs_of(node) if name in home]
        for name in filter(None, node.output):
            home[name] = home[node.input[0]] if shares(node, name, home, reads) else name
        steps.append((sources, [home[name] for name in node.output if name and reads[name]]))
    sizes = store_sizes(home, scope)
    return None if sizes is None else peak(steps, sizes, [home[o.name] for o in graph.output if o.name in home], graph, home)


def inputs_of(node: onnx.NodeProto) -> list[str]:
    """Names a node reads, those its inner graphs take from outside included."""
    inner = [name for body in bodies(node) for child in body.node for name in inputs_of(child)]
    return [name for name in (*node.input, *inner) if name]


def shares(node: onnx.NodeProto, name: str, home: dict[str, str], reads: Counter[str]) -> bool:
    """Whether the first output of `node` lives where its first input does."""
    if not node.input or node.input[0] not in home or name != node.output[0]:
        return False
    return node.op_type in VIEWS or (node.op_type in IN_PLACE and reads[node.input[0]] == 1)


def store_sizes(home: dict[str, str], scope: Scope) -> dict[str, int] | None:
    """Bytes of each store: the smallest of those that share it through quantization, the one known extent otherwise."""
    sizes: dict[str, int] = {}
    for name, store in home.items():
        shape = scope.shape(name)
        if shape is None:
            return None
        held = prod(shape) * scope.itemsize(name)
        sizes[store] = min(sizes.get(store, held), held)
    return sizes


def peak(steps: list[tuple[list[str], list[str]]], sizes: dict[str, int], kept: list[str], graph: onnx.GraphProto,
         home: dict[str, str]) -> int:
    """Walk the steps once; a store is born when written (inputs: at once) and dies after its last reader, outputs never."""
    last: dict[str, int] = {}
    for index, (read, written) in enumerate(steps):
        last.update(dict.fromkeys((*read, *written), index))
    last.update(dict.fromkeys(kept, len(steps)))
    alive = {home[value.name] for value in graph.input if value.name in home}
    now = highest = sum(sizes[store] for store in alive)
    dying: dict[int, list[str]] = {}
    for store, index in last.items():
        dying.setdefault(index, []).append(store)
    for index, (_, written) in enumerate(steps):
        for store in written:
            if store not in alive:
                alive.add(store)
                now += sizes[store]
        highest = max(highest, now)
        for store in dying.get(index, ()):
            if store in alive:
                alive.discard(store)
                now -= sizes[store]
    return highest
