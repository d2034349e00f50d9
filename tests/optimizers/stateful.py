"""A network of three inputs, worked by hand: an average that forgets, a mode that an If decides on, one probability."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def forgetful() -> onnx.ModelProto:
    """y = sigmoid(4 * sum(h')), h' = h / 2 + x (times 1 where mode is 3, else 100); the state h comes first among the inputs.

    x: (batch, 4) float32; h, h_next: (batch, 4); mode: one int64; y: (batch, 1).
    """
    def way(name: str, factor: float) -> onnx.GraphProto:
        made = numpy_helper.from_array(np.float32(factor), f"{name}.factor")
        return helper.make_graph([helper.make_node("Mul", ["x", made.name], [f"{name}.x"])], name, [],
                                 [helper.make_tensor_value_info(f"{name}.x", FLOAT, ["batch", 4])], [made])

    nodes = [
        helper.make_node("Equal", ["mode", "three"], ["is_three"]),
        helper.make_node("If", ["is_three"], ["scaled"], "choice", then_branch=way("then", 1), else_branch=way("else", 100)),
        helper.make_node("Mul", ["h", "half"], ["faded"]),
        helper.make_node("Add", ["faded", "scaled"], ["h_next"]),
        helper.make_node("MatMul", ["h_next", "w"], ["z"], "top"),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        helper.make_node("Reshape", ["p", "shape"], ["y"]),
    ]
    tensors = {"three": np.array(3), "half": np.float32(0.5), "w": np.full((4, 1), 4, np.float32), "shape": np.array([-1, 1])}
    row = ["batch", 4]
    graph = helper.make_graph(
        nodes, "forgetful",
        [helper.make_tensor_value_info("h", FLOAT, row), helper.make_tensor_value_info("x", FLOAT, row),
         helper.make_tensor_value_info("mode", TensorProto.INT64, [])],
        [helper.make_tensor_value_info("y", FLOAT, ["batch", 1]), helper.make_tensor_value_info("h_next", FLOAT, row)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def expected(rows: np.ndarray) -> np.ndarray:
    """(n, 1) of `forgetful` in mode 3, over rows (n, 4) of one sequence."""
    h, found = np.zeros(rows.shape[1]), []
    for row in rows:
        h = h / 2 + row
        found.append([1 / (1 + np.exp(-4 * h.sum()))])
    return np.array(found)
