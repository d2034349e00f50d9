"""Nodes in the place of a node: the graph around them stays, and what nobody reads is dropped."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from optimizers.models import rewrite
from optimizers.models.graph import run


def two_products() -> onnx.ModelProto:
    """x (n, 3) -> first (3, 2) -> Relu -> second (2, 2)."""
    weights = {"a": np.array([[1, 0], [0, 1], [1, 1]], np.float32), "b": np.array([[2, 0], [0, 3]], np.float32)}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "a"], ["h"], name="first"), helper.make_node("Relu", ["h"], ["r"]),
         helper.make_node("MatMul", ["r", "b"], ["y"])], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_layer_without_a_name_goes_by_its_output():
    assert [(layer.name, layer.weight.shape, layer.kernel) for layer in rewrite.weighted(two_products())] == [
        ("first", (3, 2), ()), ("y", (2, 2), ())]


def test_a_part_takes_the_place_of_its_layer_and_the_old_weight_goes():
    proto = two_products()
    left, right = np.array([[1], [0], [1]], np.float32), np.array([[1, 2]], np.float32)
    part = rewrite.Part([helper.make_node("MatMul", ["x", "left"], ["mid"]), helper.make_node("MatMul", ["mid", "right"], ["h"])],
                        {"left": left, "right": right})
    made = rewrite.replaced(proto, {"first": part})
    x = np.array([[1, 5, 2]], np.float32)
    np.testing.assert_allclose(run(made, x)[0], [[6, 18]])          # x @ left = 3; (3, 6) times the diagonal (2, 3)
    assert {tensor.name for tensor in made.graph.initializer} == {"left", "right", "b"}
    assert {tensor.name for tensor in proto.graph.initializer} == {"a", "b"}


def test_other_numbers_leave_the_graph_that_came_in():
    proto = two_products()
    made = rewrite.with_tensors(proto, {"b": np.eye(2, dtype=np.float32)})
    x = np.array([[1, 5, 2]], np.float32)
    np.testing.assert_allclose(run(made, x)[0], [[3, 7]])
    np.testing.assert_allclose(run(proto, x)[0], [[6, 21]])


def test_a_fresh_name_avoids_tensors_nodes_and_outputs():
    assert [rewrite.fresh(two_products(), wish) for wish in ("a", "first", "h", "new")] == ["a_2", "first_2", "h_2", "new"]
