"""Activation functions in an ONNX graph, found by what they compute: any chain of pointwise nodes from one value to another is tried."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from optimizers.models.graph import constants, uses

LONGEST = 14                # nodes a spelled-out function may have
GRID = np.linspace(-9, 9, 361, dtype=np.float32)
TOLERANCE = 5e-5            # GELU and its tanh form differ by 5e-4
CURVED = {"Sigmoid", "Erf", "Tanh", "Gelu", "Mish", "Swish", "Elu", "Exp", "Softplus"}
POINTWISE = CURVED | {"Add", "Sub", "Mul", "Div", "Pow", "Neg", "Reciprocal", "Identity", "Clip", "Relu", "Log"}

erf = np.vectorize(math.erf)
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu (tanh)": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu (sigmoid)": lambda x: x / (1 + np.exp(-1.702 * x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
}


@dataclass(frozen=True)
class Activation:
    """function: a key of FUNCTIONS.  source, made: the value it reads and the value it makes.  nodes: of what operators it is written."""

    function: str
    source: str
    made: str
    name: str
    nodes: Counter[str]


def activations(proto: onnx.ModelProto) -> list[Activation]:
    """Every function of FUNCTIONS in the graph, the longest spelling of each, in file order."""
    stored, read = constants(proto), uses(proto)
    places = {name: place for place, node in enumerate(proto.graph.node) for name in node.output}
    found: list[Activation] = []
    inside: set[str] = set()                    # values within a function already found that nothing else reads
    for node in reversed(proto.graph.node):
        if node.op_type not in POINTWISE or node.output[0] in inside:
            continue
        best = None
        for source, chain in cones(proto, node, stored, places):
            if (function := named(chain, source, node.output[0], stored, proto)) is not None:
                best = Activation(function, source, node.output[0], node.name or node.output[0], Counter(part.op_type for part in chain))
                parts = chain
        if best is not None:
            found.append(best)
            within = Counter(name for part in parts for name in part.input)
            inside |= {part.output[0] for part in parts if within[part.output[0]] == read[part.output[0]]}
    return found[::-1]


def cones(proto: onnx.ModelProto, end: onnx.NodeProto, stored: dict[str, np.ndarray],
          places: dict[str, int]) -> Iterator[tuple[str, list[onnx.NodeProto]]]:
    """(source, nodes in order) for every value that alone, with stored single numbers, decides what `end` makes; longer ones later."""
    chain: dict[int, onnx.NodeProto] = {places[end.output[0]]: end}
    waiting: set[str] = set()
    node = end
    while len(chain) <= LONGEST:
        for name in node.input:
            if name in stored and stored[name].size != 1:
                return
            if name and name not in stored:
                waiting.add(name)
        if len(waiting) == 1:
            yield next(iter(waiting)), [chain[place] for place in sorted(chain)]
        last = max(waiting, key=lambda name: places.get(name, -1), default=None)
        if last is None or last not in places or proto.graph.node[places[last]].op_type not in POINTWISE:
            return
        node = proto.graph.node[places[last]]
        chain[places[last]] = node
        waiting.discard(last)


def named(chain: list[onnx.NodeProto], source: str, made: str, stored: dict[str, np.ndarray], proto: onnx.ModelProto) -> str | None:
    """The function a chain computes, by its values on a grid, or None."""
    if not any(node.op_type in CURVED for node in chain):
        return None
    held = {name: stored[name] for node in chain for name in node.input if name in stored}
    graph = helper.make_graph(chain, "chain", [helper.make_tensor_value_info(source, TensorProto.FLOAT, GRID.shape)],
                              [helper.make_tensor_value_info(made, TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(array, name) for name, array in held.items()])
    try:
        with np.errstate(all="ignore"):
            made_of = ReferenceEvaluator(helper.make_model(graph, opset_imports=proto.opset_import)).run(None, {source: GRID})
    except Exception:       # the reference lacks forms of some operators; then it is no function we know
        return None
    y = np.asarray(next(iter(made_of))).reshape(-1)
    same = [name for name, function in FUNCTIONS.items()
            if y.shape == GRID.shape and np.allclose(y, function(GRID.astype(np.float64)), atol=TOLERANCE, rtol=0)]
    return same[0] if same else None
