"""Nodes that no integer range can hold: masks of minus infinity or of minus ten thousand, and what is computed from them.

An attention mask is added before a softmax, where every large negative number means nothing. As a range it would leave one step for all
the scores that do mean something.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.models.graph import constant

LARGEST = 9_999.0
BACK = {"Softmax", "Sigmoid", "Tanh", "Exp", "Max", "Clip", "ReduceMax", "ArgMax", "TopK", "Shape"}      # what leads back to plain numbers


def unbounded(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that read such numbers, in the order of the graph.

    >>> from onnx import helper
    >>> nodes = [helper.make_node("Add", ["x", "mask"], ["a"], "add"), helper.make_node("Softmax", ["a"], ["s"], "soft"),
    ...          helper.make_node("MatMul", ["s", "w"], ["y"], "mix")]
    >>> stored = [numpy_helper.from_array(np.array([0, -np.inf], np.float32), "mask"), numpy_helper.from_array(np.eye(2), "w")]
    >>> unbounded(helper.make_graph(nodes, "g", [], [], stored))
    ['add', 'soft']
    """
    large = {tensor.name for tensor in graph.initializer if beyond(numpy_helper.to_array(tensor))}
    found = []
    for node in graph.node:
        if node.op_type == "Constant" and beyond(constant(node)):
            large.add(node.output[0])
        elif large.intersection(node.input):
            found.append(node.name)
            large.update(() if node.op_type in BACK else node.output)
    return found


def beyond(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and values.size > 0 and not bool((np.abs(values) <= LARGEST).all())
