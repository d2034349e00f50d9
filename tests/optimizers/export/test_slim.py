"""Fewer bytes, the same numbers."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from optimizers.export.slim import slim
from optimizers.measure.shipped import open_session


def wordy():
    """y = (x + one) * one_again, with notes, shapes and a repeated constant."""
    one = numpy_helper.from_array(np.ones(2, np.float32), "a/very/long/name/of/one")
    again = numpy_helper.from_array(np.ones(2, np.float32), "a/very/long/name/of/one_again")
    nodes = [helper.make_node("Add", ["x", one.name], ["a/long/sum"], name="long/add", doc_string="a story"),
             helper.make_node("Mul", ["a/long/sum", again.name], ["y"], name="long/mul")]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, [None, 2])], [value("y", TensorProto.FLOAT, [None, 2])],
                              [one, again], value_info=[value("a/long/sum", TensorProto.FLOAT, [None, 2])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"made by": "an exporter with much to say"})
    return model


def run(proto):
    return open_session(proto.SerializeToString()).run(None, {"x": np.array([[2, 3]], np.float32)})[0].tolist()


def test_notes_and_repeats_go_and_answers_stay():
    before = wordy()
    content = before.SerializeToString()
    after = slim(before)
    assert before.SerializeToString() == content, "the graph that came in is never changed"
    onnx.checker.check_model(after)
    assert len(after.SerializeToString()) < 0.6 * len(content)
    assert len(after.graph.initializer) == 1 and not after.metadata_props and not after.graph.value_info
    assert [after.graph.input[0].name, after.graph.output[0].name] == ["x", "y"]
    assert run(after) == run(before) == [[3, 4]]


def test_shapes_take_a_byte_a_number():
    """Four extents below 128 as varints; a -1 would take ten bytes, so such a shape stays as it is."""
    node, value = helper.make_node, helper.make_tensor_value_info
    shapes = [np.array([2, 3, 1, 1]), np.array([-1])]
    made = helper.make_model(helper.make_graph([node("Reshape", ["x", "s"], ["r"]), node("Reshape", ["r", "f"], ["y"])], "g",
                                               [value("x", TensorProto.FLOAT, [2, 3])], [value("y", TensorProto.FLOAT, [6])],
                                               [numpy_helper.from_array(shape, name) for name, shape in zip("sf", shapes, strict=True)]),
                             opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    after = slim(made)
    onnx.checker.check_model(after, full_check=True)
    assert [len(tensor.raw_data) for tensor in after.graph.initializer] == [0, 8]
    assert [numpy_helper.to_array(tensor).tolist() for tensor in after.graph.initializer] == [[2, 3, 1, 1], [-1]]
    assert len(made.SerializeToString()) - len(after.SerializeToString()) >= 28
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert open_session(after.SerializeToString()).run(None, {"x": x})[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_names_stay_when_asked():
    after = slim(wordy(), rename=False)
    assert [node.name for node in after.graph.node] == ["long/add", "long/mul"]
    assert run(after) == [[3, 4]]


def test_short_names_never_meet_an_input():
    model = wordy()
    model.graph.input[0].name = model.graph.node[0].input[0] = "a"
    after = slim(model)
    onnx.checker.check_model(after)
    assert open_session(after.SerializeToString()).run(None, {"a": np.array([[2, 3]], np.float32)})[0].tolist() == [[3, 4]]
