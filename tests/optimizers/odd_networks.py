"""A cast of small ONNX graphs that are not what one hopes for, each with the shape of one row it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64
CAST: dict[str, tuple[tuple[int, ...], Callable[[], onnx.ModelProto]]] = {}
PICTURE, VECTOR = (2, 8, 8), (16,)
node = helper.make_node


def member(row):
    """Join the cast under the function's own name."""
    def join(make):
        CAST[make.__name__] = row, make
        return make
    return join


def w(*shape, scale=0.3, seed=0, kind=np.float32):
    return np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(kind)


def model(nodes, stored, row, gives=(4,), *, batch="n", opsets=(("", 17),), kind=FLOAT, takes=(), outputs=None, note=None):
    """gives: shape of one row of the output y.  takes: inputs beside x.  outputs: in the place of y.  note: shapes to write down."""
    ahead = [] if batch is None else [batch]
    made = [helper.make_tensor_value_info("y", kind, [*ahead, *gives])] if outputs is None else outputs
    graph = helper.make_graph(nodes, "odd", [helper.make_tensor_value_info("x", kind, [*ahead, *row]), *takes], made,
                              [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()])
    graph.value_info.extend(note or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets], ir_version=8 if opsets[0][1] < 22 else 10)


def tail(name="f", channels=4, classes=4):
    """Pooling and a dense layer from the feature maps `name` to y, and their weights."""
    return [node("GlobalAveragePool", [name], ["tail_p"], "pool"), node("Flatten", ["tail_p"], ["tail_f"], "flat"),
            node("Gemm", ["tail_f", "tail_w", "tail_b"], ["y"], "head")], {"tail_w": w(channels, classes), "tail_b": w(classes)}


def convolutional(nodes, stored, channels=4, row=PICTURE, classes=4, **others):
    """Nodes from x to feature maps f, closed by pooling and a dense layer."""
    end, more = tail("f", channels, classes)
    return model([*nodes, *end], stored | more, row, (classes,), **others)


def dense(stored, row=VECTOR, classes=4, **others):
    """Two dense layers; stored: w1 and w2."""
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"], "relu"), node("MatMul", ["r", "w2"], ["y"], "fc2")],
                 stored, row, (classes,), **others)


def plain(scale=0.3):
    return {"w1": w(16, 12, scale=scale), "w2": w(12, 4, scale=scale)}


@member(VECTOR)
def several_inputs():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc"), node("Add", ["a", "s"], ["y"], "add")], {"w1": w(16, 4)}, VECTOR,
                 takes=[helper.make_tensor_value_info("s", FLOAT, ["n", 4])])


@member(VECTOR)
def several_outputs():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"], "relu"), node("MatMul", ["r", "w2"], ["y"], "fc2"),
                  node("MatMul", ["r", "w3"], ["z"], "fc3")], plain() | {"w3": w(12, 3)}, VECTOR,
                 outputs=[helper.make_tensor_value_info("y", FLOAT, ["n", 4]), helper.make_tensor_value_info("z", FLOAT, ["n", 3])])


@member(PICTURE)
def maps_as_outputs():
    return model([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4), node("Relu", ["a"], ["y"], "relu"),
                  node("Conv", ["y", "w2"], ["z"], "c2", pads=[1] * 4)], {"w1": w(4, 2, 3, 3), "w2": w(4, 4, 3, 3)}, PICTURE,
                 outputs=[helper.make_tensor_value_info(name, FLOAT, ["n", 4, 8, 8]) for name in "yz"])


@member(VECTOR)
def no_batch_axis():
    return dense(plain(), batch=None)


@member(VECTOR)
def fixed_batch_of_one():
    return dense(plain(), batch=1)


@member(VECTOR)
def fixed_batch_of_four():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc"), node("Softmax", ["a"], ["y"], "over", axis=0)], {"w1": w(16, 4)}, VECTOR,
                 batch=4)


def branch(name, weight):
    return helper.make_graph([node("MatMul", ["x", weight], [name], f"fc_{name}")], name, [],
                             [helper.make_tensor_value_info(name, FLOAT, ["n", 4])])


@member(VECTOR)
def a_condition():
    return model([node("ReduceSum", ["x"], ["s"], "sum", keepdims=0), node("Greater", ["s", "zero"], ["c"], "sign"),
                  node("If", ["c"], ["y"], "choice", then_branch=branch("t", "w1"), else_branch=branch("e", "w2"))],
                 {"w1": w(16, 4), "w2": w(16, 4, seed=1), "zero": np.float32(0)}, VECTOR)


@member(VECTOR)
def a_condition_after_a_layer():
    inner = [helper.make_graph([node(kind, ["a"], [name])], name, [], [helper.make_tensor_value_info(name, FLOAT, None)])
             for kind, name in (("Relu", "t"), ("Neg", "e"))]
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("ReduceSum", ["x"], ["s"], "sum", keepdims=0),
                  node("Greater", ["s", "zero"], ["c"], "sign"),
                  node("If", ["c"], ["r"], "choice", then_branch=inner[0], else_branch=inner[1]),
                  node("MatMul", ["r", "w2"], ["y"], "fc2")], plain() | {"zero": np.float32(0)}, VECTOR)


@member(VECTOR)
def a_loop():
    body = helper.make_graph(
        [node("MatMul", ["v", "w1"], ["m"], "fc_in"), node("Tanh", ["m"], ["v2"]), node("Identity", ["going"], ["go"])], "body",
        [helper.make_tensor_value_info("i", INT64, []), helper.make_tensor_value_info("going", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", FLOAT, ["n", 16])],
        [helper.make_tensor_value_info("go", TensorProto.BOOL, []), helper.make_tensor_value_info("v2", FLOAT, ["n", 16])])
    return model([node("Loop", ["trips", "yes", "x"], ["l"], "loop", body=body), node("MatMul", ["l", "w2"], ["y"], "fc")],
                 {"w1": w(16, 16), "w2": w(16, 4), "trips": np.int64(3), "yes": np.bool_(True)}, VECTOR)


@member(VECTOR)
def a_custom_operator():
    return model([node("Relu", ["x"], ["a"], "relu"), node("Blend", ["a"], ["y"], "blend", domain="acme")], {}, VECTOR, (16,),
                 opsets=(("", 17), ("acme", 1)))


@member(VECTOR)
def an_operator_of_the_runtime():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Gelu", ["a"], ["r"], "gelu", domain="com.microsoft"),
                  node("MatMul", ["r", "w2"], ["y"], "fc2")], plain(), VECTOR, opsets=(("", 17), ("com.microsoft", 1)))


@member(VECTOR)
def a_function_of_its_own():
    made = dense(plain())
    made.opset_import.append(helper.make_opsetid("mine", 1))
    made.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])],
                                               [helper.make_opsetid("", 17)]))
    made.graph.node[1].CopyFrom(node("Twice", ["a"], ["r"], "twice", domain="mine"))
    return made


@member(VECTOR)
def quantized_by_qdq():
    return model([node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
                  node("DequantizeLinear", ["w", "s", "z8"], ["v"]), node("MatMul", ["d", "v"], ["y"], "fc")],
                 {"s": np.float32(0.05), "z": np.uint8(128), "z8": np.int8(0), "w": (w(16, 4) * 100).astype(np.int8)}, VECTOR)


@member(VECTOR)
def quantized_by_qlinear():
    return model([node("QuantizeLinear", ["x", "s", "z"], ["q"]),
                  node("QLinearMatMul", ["q", "s", "z", "w", "s", "z8", "s", "z"], ["m"], "fc"),
                  node("DequantizeLinear", ["m", "s", "z"], ["y"])],
                 {"s": np.float32(0.05), "z": np.uint8(128), "z8": np.int8(0), "w": (w(16, 4) * 100).astype(np.int8)}, VECTOR)


@member(VECTOR)
def in_half_precision():
    return dense({name: array.astype(np.float16) for name, array in plain().items()}, kind=HALF)


@member(VECTOR)
def in_double_precision():
    return dense({name: array.astype(np.float64) for name, array in plain().items()}, kind=DOUBLE)


@member(VECTOR)
def half_weights_cast_up():
    return model([node("Cast", ["h"], ["w1"], "up", to=FLOAT), node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"]),
                  node("MatMul", ["r", "w2"], ["y"], "fc2")], {"h": w(16, 12, kind=np.float16), "w2": w(12, 4)}, VECTOR)


@member(VECTOR)
def nan_weights():
    broken = plain()
    broken["w1"][3, 1] = np.nan
    return dense(broken)


@member(VECTOR)
def infinite_weights():
    broken = plain()
    broken["w1"][3, 1] = np.inf
    return dense(broken)


@member(VECTOR)
def an_infinite_mask():
    mask = np.where(np.eye(4, dtype=bool), 0, -np.inf).astype(np.float32)[:1]
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"]), node("MatMul", ["r", "w2"], ["b"], "fc2"),
                  node("Add", ["b", "mask"], ["m"], "mask"), node("Softmax", ["m"], ["y"], "soft", axis=1)], plain() | {"mask": mask},
                 VECTOR)


@member(PICTURE)
def shared_convolutions():
    return convolutional([node("Conv", ["x", "w0"], ["o"], "zero", pads=[1] * 4),
                          node("Conv", ["o", "w1", "b"], ["a"], "first", pads=[1] * 4),
                          node("Relu", ["a"], ["r"], "relu"), node("Conv", ["r", "w1", "b"], ["f"], "second", pads=[1] * 4)],
                         {"w0": w(4, 2, 3, 3), "w1": w(4, 4, 3, 3), "b": w(4)})


@member(VECTOR)
def shared_and_transposed():
    return model([node("Gemm", ["x", "w1"], ["a"], "down", transB=1), node("Relu", ["a"], ["r"], "relu"),
                  node("MatMul", ["r", "w1"], ["u"], "up"),
                  node("MatMul", ["u", "w2"], ["y"], "head")], {"w1": w(12, 16), "w2": w(16, 4)}, VECTOR)


@member(VECTOR)
def a_single_layer():
    return model([node("MatMul", ["x", "w1"], ["y"], "fc")], {"w1": w(16, 4)}, VECTOR)


@member((3,))
def a_tiny_layer():
    return model([node("Gemm", ["x", "w1"], ["a"], "one"), node("Relu", ["a"], ["r"]), node("Gemm", ["r", "w2", "b"], ["y"], "two")],
                 {"w1": w(3, 2), "w2": w(2, 2), "b": w(2)}, (3,), (2,))


@member(VECTOR)
def no_layer_with_weights():
    return model([node("Relu", ["x"], ["a"], "relu"), node("Softmax", ["a"], ["y"], "soft", axis=1)], {}, VECTOR, (16,))


@member(VECTOR)
def no_nodes_that_compute():
    return model([node("Identity", ["x"], ["y"], "same")], {}, VECTOR, (16,))


@member(PICTURE)
def one_output_channel():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "wide", pads=[1] * 4), node("Relu", ["a"], ["r"], "relu"),
                          node("Conv", ["r", "w2", "b"], ["f"], "one", pads=[1] * 4)],
                         {"w1": w(4, 2, 3, 3), "w2": w(1, 4, 3, 3), "b": w(1)}, 1)


@member(VECTOR)
def one_output():
    return dense({"w1": w(16, 12), "w2": w(12, 1)}, classes=1)


@member(PICTURE)
def all_zero_weights():
    return convolutional([node("Conv", ["x", "w1", "b1"], ["a"], "c1", pads=[1] * 4), node("Relu", ["a"], ["r"], "relu"),
                          node("Conv", ["r", "w2", "b1"], ["f"], "c2", pads=[1] * 4)],
                         {"w1": np.zeros((4, 2, 3, 3), np.float32), "w2": np.zeros((4, 4, 3, 3), np.float32),
                          "b1": np.zeros(4, np.float32)})


@member(VECTOR)
def a_constant_output():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Mul", ["a", "none"], ["m"], "drop"),
                  node("Add", ["m", "b"], ["y"], "add")],
                 {"w1": w(16, 4), "none": np.float32(0), "b": w(4)}, VECTOR)


@member(VECTOR)
def a_thousand_outputs():
    return dense({"w1": w(16, 12), "w2": w(12, 1000)}, classes=1000)


@member((2, 20))
def conv_1d():
    return model([node("Conv", ["x", "w1", "b"], ["a"], "c1", pads=[1, 1]), node("Relu", ["a"], ["r"]),
                  node("Conv", ["r", "w2"], ["c"], "c2", strides=[2]),
                  node("Relu", ["c"], ["d"]), node("GlobalAveragePool", ["d"], ["p"]), node("Flatten", ["p"], ["f"]),
                  node("Gemm", ["f", "w3"], ["y"], "head")], {"w1": w(4, 2, 3), "b": w(4), "w2": w(6, 4, 3), "w3": w(6, 4)}, (2, 20))


@member((1, 4, 6, 6))
def conv_3d():
    return model([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 6), node("Relu", ["a"], ["r"]), node("Conv", ["r", "w2"], ["c"], "c2"),
                  node("GlobalAveragePool", ["c"], ["p"]), node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "w3"], ["y"], "head")],
                 {"w1": w(4, 1, 3, 3, 3), "w2": w(4, 4, 3, 3, 3), "w3": w(4, 4)}, (1, 4, 6, 6))


@member(PICTURE)
def transposed_convolution():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "down", strides=[2, 2], pads=[1] * 4), node("Relu", ["a"], ["r"]),
                          node("ConvTranspose", ["r", "w2", "b"], ["f"], "up", strides=[2, 2])],
                         {"w1": w(6, 2, 3, 3), "w2": w(6, 4, 2, 2), "b": w(4)})


@member(PICTURE)
def grouped_and_depthwise():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "stem", pads=[1] * 4), node("Relu", ["a"], ["r"]),
                          node("Conv", ["r", "w2"], ["g"], "groups", pads=[1] * 4, group=2), node("Relu", ["g"], ["h"]),
                          node("Conv", ["h", "w3", "b"], ["d"], "depth", pads=[1] * 4, group=8),
                          node("Clip", ["d", "low", "high"], ["e"], "relu6"),
                          node("Conv", ["e", "w4"], ["f"], "point")],
                         {"w1": w(8, 2, 3, 3), "w2": w(8, 4, 3, 3), "w3": w(8, 1, 3, 3), "b": w(8), "w4": w(4, 8, 1, 1),
                          "low": np.float32(0), "high": np.float32(6)})


@member(PICTURE)
def depthwise_first():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "depth", pads=[1] * 4, group=2), node("Relu", ["a"], ["r"]),
                          node("Conv", ["x", "w2"], ["b"], "even", pads=[1] * 4), node("Add", ["r", "b"], ["c"], "join"),
                          node("Conv", ["c", "w3"], ["f"], "point")], {"w1": w(2, 1, 3, 3), "w2": w(2, 2, 3, 3), "w3": w(4, 2, 1, 1)})


@member(PICTURE)
def depthwise_that_multiplies():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "depth", pads=[1] * 4, group=2), node("Relu", ["a"], ["r"]),
                          node("Conv", ["r", "w2"], ["f"], "point")], {"w1": w(4, 1, 3, 3), "w2": w(4, 4, 1, 1)})


@member(PICTURE)
def dilated_and_lopsided():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", dilations=[2, 1], pads=[2, 0, 1, 2]), node("Relu", ["a"], ["r"]),
                          node("Conv", ["r", "w2"], ["f"], "c2", auto_pad="SAME_UPPER", strides=[2, 1])],
                         {"w1": w(4, 2, 3, 3), "w2": w(4, 4, 2, 3)})


@member(PICTURE)
def concatenated():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4), node("Relu", ["a"], ["r"]),
                          node("Concat", ["x", "r"], ["u"], axis=1),
                          node("Conv", ["u", "w2"], ["b"], "c2", pads=[1] * 4), node("Relu", ["b"], ["s"]),
                          node("Concat", ["u", "s"], ["f"], axis=1)], {"w1": w(4, 2, 3, 3), "w2": w(4, 6, 3, 3)}, 10)


@member(PICTURE)
def squeeze_excite():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4), node("Relu", ["a"], ["r"]),
                          node("GlobalAveragePool", ["r"], ["p"]),
                          node("Conv", ["p", "w2", "b2"], ["q"], "squeeze"), node("Relu", ["q"], ["s"]),
                          node("Conv", ["s", "w3"], ["t"], "excite"),
                          node("Sigmoid", ["t"], ["g"]), node("Mul", ["r", "g"], ["m"], "gate"), node("Conv", ["m", "w4"], ["f"], "c2")],
                         {"w1": w(8, 2, 3, 3), "w2": w(4, 8, 1, 1), "b2": w(4), "w3": w(8, 4, 1, 1), "w4": w(4, 8, 1, 1)})


@member(PICTURE)
def residual_with_batch_norm():
    norm = {f"{name}{number}": array for number in "12" for name, array in
            (("s", w(4) + 1), ("o", w(4)), ("m", w(4)), ("v", np.abs(w(4)) + 0.5))}
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4),
                          node("BatchNormalization", ["a", "s1", "o1", "m1", "v1"], ["n1"]),
                          node("Relu", ["n1"], ["r"]), node("Conv", ["r", "w2"], ["b"], "c2", pads=[1] * 4),
                          node("BatchNormalization", ["b", "s2", "o2", "m2", "v2"], ["n2"]), node("Add", ["n2", "r"], ["k"], "join"),
                          node("Relu", ["k"], ["f"])], norm | {"w1": w(4, 2, 3, 3), "w2": w(4, 4, 3, 3)})


@member(PICTURE)
def batch_norm_first():
    return convolutional([node("BatchNormalization", ["x", "s", "o", "m", "v"], ["n"], "norm"), node("Conv", ["n", "w1"], ["a"], "c1"),
                          node("PRelu", ["a", "slope"], ["f"], "prelu")],
                         {"s": w(2) + 1, "o": w(2), "m": w(2), "v": np.abs(w(2)) + 1, "w1": w(4, 2, 3, 3), "slope": w(4, 1, 1)})


@member((6, 8))
def attention():
    heads, width = 2, 8
    split = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
    nodes = [node("LayerNormalization", ["x", "g", "h"], ["n"], "norm", axis=-1)]
    for name, turn in split.items():
        nodes += [node("MatMul", ["n", f"w{name}"], [f"{name}1"], f"{name}_proj"), node("Reshape", [f"{name}1", "heads"], [f"{name}2"]),
                  node("Transpose", [f"{name}2"], [f"{name}3"], perm=turn)]
    nodes += [node("MatMul", ["q3", "k3"], ["s1"], "scores"), node("Mul", ["s1", "half"], ["s2"]), node("Softmax", ["s2"], ["s3"], axis=-1),
              node("MatMul", ["s3", "v3"], ["o1"], "mix"), node("Transpose", ["o1"], ["o2"], perm=[0, 2, 1, 3]),
              node("Reshape", ["o2", "back"], ["o3"]), node("MatMul", ["o3", "wo"], ["o4"], "o_proj"), node("Add", ["o4", "x"], ["r"]),
              node("MatMul", ["r", "w1"], ["f1"], "up"), node("Gelu", ["f1"], ["f2"]), node("MatMul", ["f2", "w2"], ["f3"], "down"),
              node("Add", ["f3", "r"], ["t"]), node("ReduceMean", ["t", "axis"], ["p"], keepdims=0),
              node("Gemm", ["p", "w3"], ["y"], "head")]
    stored = {f"w{name}": w(width, width, seed=number) for number, name in enumerate("qkvo")}
    return model(nodes, stored | {"g": w(8) + 1, "h": w(8), "w1": w(8, 16), "w2": w(16, 8), "w3": w(8, 4), "half": np.float32(0.5),
                                  "heads": np.array([0, 0, heads, 4]), "back": np.array([0, 0, width]), "axis": np.array([1])},
                 (6, 8), opsets=(("", 20),))


def recurrent(kind, gates, length=5):
    """The row (length, 3) turned to (length, batch, 3); the last hidden state to a dense layer."""
    return model([node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), node(kind, ["t", "w", "r", "b"], ["", "h"], "cell", hidden_size=6),
                  node("Squeeze", ["h", "zero"], ["l"]), node("Gemm", ["l", "w1"], ["y"], "head")],
                 {"w": w(1, 6 * gates, 3), "r": w(1, 6 * gates, 6), "b": w(1, 12 * gates), "w1": w(6, 4), "zero": np.array([0])},
                 (length, 3))


@member((5, 3))
def lstm():
    return recurrent("LSTM", 4)


@member((5, 3))
def gru():
    return recurrent("GRU", 3)


@member((6,))
def an_embedding():
    return model([node("Cast", ["x"], ["i"], to=INT64), node("Clip", ["i", "low", "high"], ["c"]),
                  node("Gather", ["table", "c"], ["e"], "words"),
                  node("ReduceMean", ["e"], ["p"], axes=[1], keepdims=0), node("Gemm", ["p", "w1"], ["y"], "head")],
                 {"table": w(30, 8), "w1": w(8, 4), "low": np.int64(0), "high": np.int64(29)}, (6,))


@member(VECTOR)
def integer_input():
    made = model([node("Cast", ["x"], ["f"], to=FLOAT), node("MatMul", ["f", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"]),
                  node("MatMul", ["r", "w2"], ["y"], "fc2")], plain(0.01), VECTOR)
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    return made


@member(PICTURE)
def p_relu():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4), node("PRelu", ["a", "p1"], ["r"], "prelu1"),
                          node("Conv", ["r", "w2"], ["b"], "c2", pads=[1] * 4), node("PRelu", ["b", "p2"], ["f"], "prelu2")],
                         {"w1": w(6, 2, 3, 3), "p1": w(6, 1, 1), "w2": w(4, 6, 3, 3), "p2": w(1)})


@member(PICTURE)
def nameless():
    made = residual_with_batch_norm()
    for one in made.graph.node:
        one.name = ""
    return made


@member(PICTURE)
def all_named_alike():
    made = residual_with_batch_norm()
    for one in made.graph.node:
        one.name = "layer"
    return made


@member(VECTOR)
def beyond_ascii():
    turn = {"x": "вход", "w1": "重み 1", "a": "a/b::c[0].d", "r": "r\u0301é", "w2": "w2%s{}", "y": "🌳"}
    made = dense(plain())
    for one in made.graph.node:
        one.name = f"слой {one.name}/{{0}} 🌿"
        names = [turn[name] for name in one.input], [turn[name] for name in one.output]
        del one.input[:], one.output[:]
        one.input.extend(names[0])
        one.output.extend(names[1])
    for value in (*made.graph.input, *made.graph.output, *made.graph.initializer):
        value.name = turn[value.name]
    return made


@member(VECTOR)
def weights_as_constants():
    made = dense({})
    for name, array in plain().items():
        made.graph.node.insert(0, node("Constant", [], [name], value=numpy_helper.from_array(array)))
    return made


@member(VECTOR)
def weights_as_inputs():
    made = dense(plain())
    made.graph.input.extend(helper.make_tensor_value_info(name, FLOAT, array.shape) for name, array in plain().items())
    return made


@member(VECTOR)
def an_input_nobody_reads():
    return dense(plain(), takes=[helper.make_tensor_value_info("unread", FLOAT, ["n", 3])])


@member(VECTOR)
def an_output_that_is_an_input():
    return dense(plain(), outputs=[helper.make_tensor_value_info("y", FLOAT, ["n", 4]), helper.make_tensor_value_info("x", FLOAT,
                                                                                                                      ["n", 16])])


@member(VECTOR)
def a_weight_that_is_an_output():
    return dense(plain(), outputs=[helper.make_tensor_value_info("y", FLOAT, ["n", 4]), helper.make_tensor_value_info("w2", FLOAT,
                                                                                                                      [12, 4])])


@member(VECTOR)
def weights_from_weights():
    return model([node("Mul", ["raw", "size"], ["w1"], "scaled"), node("Transpose", ["turned"], ["w2"], "turn", perm=[1, 0]),
                  node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"]), node("MatMul", ["r", "w2"], ["y"], "fc2")],
                 {"raw": w(16, 12), "size": np.float32(0.5), "turned": w(4, 12)}, VECTOR)


@member(VECTOR)
def huge_and_tiny_weights():
    return dense({"w1": w(16, 12, scale=1e30), "w2": w(12, 4, scale=1e-38)})


@member(VECTOR)
def saturating_softmax():
    return model([node("Gemm", ["x", "w1", "b"], ["a"], "fc1", transB=1, alpha=2.0, beta=0.5), node("Tanh", ["a"], ["r"]),
                  node("Gemm", ["r", "w2"], ["b2"], "fc2", alpha=900.0), node("Softmax", ["b2"], ["y"], axis=1)],
                 {"w1": w(12, 16), "b": w(12), "w2": w(12, 4)}, VECTOR)


@member(VECTOR)
def one_sigmoid():
    return model([node("MatMul", ["x", "w1"], ["a"], "fc1"), node("Relu", ["a"], ["r"]), node("MatMul", ["r", "w2"], ["b"], "fc2"),
                  node("Sigmoid", ["b"], ["y"])], {"w1": w(16, 12), "w2": w(12, 1)}, VECTOR, (1,))


@member(PICTURE)
def of_opset_9():
    return convolutional([node("Conv", ["x", "w1"], ["a"], "c1", pads=[1] * 4), node("Clip", ["a"], ["r"], "relu6", min=0.0, max=6.0),
                          node("Pad", ["r"], ["q"], pads=[0, 0, 1, 1, 0, 0, 1, 1]), node("Conv", ["q", "w2"], ["b"], "c2"),
                          node("Upsample", ["b", "twice"], ["f"], mode="nearest")],
                         {"w1": w(4, 2, 3, 3), "w2": w(4, 4, 3, 3), "twice": np.array([1, 1, 2, 2], np.float32)}, opsets=(("", 9),))


@member(PICTURE)
def of_the_newest_opset():
    made = residual_with_batch_norm()
    made.opset_import[0].version, made.ir_version = 23, 10
    return made
