"""Which outputs look like class scores, so that an arg-max means something; or like one probability, which decides at 0.5."""

from __future__ import annotations

import numpy as np
import onnx

# what leaves values of a sigmoid between 0 and 1, one by one or in their mean
THROUGH = {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Slice", "Gather", "Cast", "ReduceMean",
           "GlobalAveragePool", "QuantizeLinear", "DequantizeLinear"}
MOST_STEPS = 50


def looks_like_scores(array: np.ndarray) -> bool:
    """(n, k) with k >= 2; with more axes, shares along the last one that add up to 1, as a softmax gives them.

    >>> looks_like_scores(np.zeros((2, 10))), looks_like_scores(np.full((2, 5, 4), 0.25)), looks_like_scores(np.zeros((2, 5, 4)))
    (True, True, False)
    """
    if array.dtype.kind != "f" or array.ndim < 2 or array.shape[-1] < 2 or not array.size:
        return False
    if array.ndim == 2:
        return True
    total = array.sum(axis=-1, dtype=np.float64)
    return bool(array.min() >= -1e-3 and array.max() <= 1 + 1e-3 and np.abs(total - 1).max() < 1e-2)


def probabilities(proto: onnx.ModelProto) -> tuple[str, ...]:
    """Names of outputs whose values are those of a sigmoid, whatever shapes and means they went through since."""
    return tuple(value.name for value in proto.graph.output if sigmoid(value.name, makers(proto.graph), MOST_STEPS))


def makers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def sigmoid(name: str, made: dict[str, onnx.NodeProto], left: int) -> bool:
    """Whether a value comes from a sigmoid; of a condition, on both of its ways."""
    node = made.get(name)
    if node is None or not left:
        return False
    if node.op_type == "If":
        place = list(node.output).index(name)
        ways = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
        return bool(ways) and all(sigmoid(way.output[place].name, made | makers(way), left // 2) for way in ways)
    return node.op_type == "Sigmoid" or (node.op_type in THROUGH and sigmoid(node.input[0], made, left - 1))
