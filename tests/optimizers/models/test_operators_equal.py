"""Every operator of the table computes in torch what it computes in ONNX Runtime, for a batch other than those it was read with."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.errors import OptimizerError
from optimizers.models import graph
from optimizers.models.canonical import canonical
from optimizers.models.from_onnx import read

RNG = np.random.default_rng(3)
MAP = (4, 6, 5)             # channels, height, width of one row
SEQUENCE = (5, 8)           # tokens, width


def floats(*shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def model(op, row, stored=(), *, opset=17, outputs=1, before=(), **attributes):
    """A graph of one node whose first input is x and whose others are stored tensors."""
    weights = {f"w{at}": array for at, array in enumerate(stored) if array is not None}
    names = ["x" if not before else "x1", *(f"w{at}" if array is not None else "" for at, array in enumerate(stored))]
    nodes = [*before, helper.make_node(op, names, [f"y{at}" for at in range(outputs)], "node", **attributes)]
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_tensor_value_info(f"y{at}", TensorProto.FLOAT, None) for at in range(outputs)],
                             [numpy_helper.from_array(array, name) for name, array in weights.items()])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def positive(op, row=MAP, **more):
    return model(op, row, before=[helper.make_node("Exp", ["x"], ["x1"])], **more)


CASES = {
    **{op.lower(): model(op, MAP) for op in ("Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "HardSwish", "Softplus", "Softsign",
                                             "Selu",
                                             "Elu", "Floor", "Ceil", "Sign", "Sin", "Cos", "LeakyRelu", "HardSigmoid", "Identity",
                                             "Flatten",
                                             "GlobalAveragePool", "GlobalMaxPool", "Celu")},
    "sqrt": positive("Sqrt"), "log": positive("Log"), "reciprocal": positive("Reciprocal"),
    "gelu": model("Gelu", MAP, opset=20), "gelu-tanh": model("Gelu", MAP, opset=20, approximate="tanh"),
    "clip6": model("Clip", MAP, [np.float32(0), np.float32(6)]), "clip-low": model("Clip", MAP, [np.float32(-0.5)]),
    "clip-old": model("Clip", MAP, opset=9, min=-0.3, max=0.4), "prelu": model("PRelu", MAP, [floats(4, 1, 1)]),
    "add": model("Add", MAP, [floats(4, 1, 1)]), "sub": model("Sub", MAP, [np.float32(2)]), "mul": model("Mul", MAP, [floats(1, 4, 6, 5)]),
    "div": model("Div", MAP, [np.float32(3)]), "pow": positive("Pow", stored=[np.float32(1.5)]),
    "max": model("Max", MAP, [np.float32(0.1)]),
    "softmax": model("Softmax", SEQUENCE), "softmax-axis1": model("Softmax", SEQUENCE, axis=1),
    "softmax-old": model("Softmax", SEQUENCE, opset=11, axis=1), "log-softmax": model("LogSoftmax", SEQUENCE, axis=-1),
    "conv": model("Conv", MAP, [floats(6, 4, 3, 3), floats(6)], kernel_shape=[3, 3]),
    "conv-uneven-pads": model("Conv", MAP, [floats(6, 4, 3, 3)], pads=[0, 1, 1, 2]),
    "conv-same-upper": model("Conv", MAP, [floats(6, 4, 3, 3)], auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv-same-lower": model("Conv", MAP, [floats(6, 4, 2, 2)], auto_pad="SAME_LOWER"),
    "conv-depthwise-dilated": model("Conv", MAP, [floats(4, 1, 2, 2), floats(4)], group=4, dilations=[2, 2], pads=[1, 1, 1, 1]),
    "conv-grouped": model("Conv", MAP, [floats(6, 2, 3, 1)], group=2, strides=[1, 2]),
    "conv1d": model("Conv", (4, 9), [floats(6, 4, 3), floats(6)], pads=[2, 0]),
    "conv-transpose": model("ConvTranspose", MAP, [floats(4, 3, 3, 3), floats(3)], strides=[2, 2], pads=[1, 1, 1, 1],
                            output_padding=[1, 1]),
    "conv-transpose-uneven": model("ConvTranspose", MAP, [floats(4, 3, 3, 3)], pads=[0, 1, 1, 0]),
    "batch-norm": model("BatchNormalization", MAP, [floats(4), floats(4), floats(4), np.abs(floats(4)) + 0.1], epsilon=1e-3),
    "batch-norm-vector": model("BatchNormalization", (4,), [floats(4), floats(4), floats(4), np.abs(floats(4)) + 0.1]),
    "layer-norm": model("LayerNormalization", SEQUENCE, [floats(8), floats(8)], epsilon=1e-4),
    "layer-norm-two-axes": model("LayerNormalization", SEQUENCE, [floats(5, 8)], axis=1),
    "instance-norm": model("InstanceNormalization", MAP, [floats(4), floats(4)]), "lrn": model("LRN", MAP, size=3),
    "gemm": model("Gemm", (8,), [floats(8, 3), floats(3)]), "gemm-turned": model("Gemm", (8,), [floats(3, 8), floats(1, 3)], transB=1),
    "gemm-scaled": model("Gemm", (8,), [floats(3, 8), floats(3)], transB=1, alpha=0.5, beta=2.0),
    "matmul": model("MatMul", SEQUENCE, [floats(8, 3)]), "matmul-batched": model("MatMul", SEQUENCE, [floats(1, 8, 3)]),
    "max-pool": model("MaxPool", MAP, kernel_shape=[2, 2], strides=[2, 2]),
    "max-pool-ceil": model("MaxPool", MAP, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max-pool-uneven": model("MaxPool", MAP, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
    "average-pool": model("AveragePool", MAP, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average-pool-counted": model("AveragePool", MAP, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "average-pool-uneven": model("AveragePool", MAP, kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
    "reshape": model("Reshape", MAP, [ints(0, 2, -1)]), "reshape-rows": model("Reshape", MAP, [ints(-1, 120)]),
    "transpose": model("Transpose", MAP, perm=[0, 2, 3, 1]), "squeeze": model("Squeeze", (4, 1, 5), [ints(2)]),
    "unsqueeze": model("Unsqueeze", (4,), [ints(1, -1)]), "unsqueeze-old": model("Unsqueeze", (4,), opset=11, axes=[1]),
    "concat": model("Concat", MAP, [], before=[helper.make_node("Identity", ["x"], ["x1"])], axis=1),
    "split": model("Split", MAP, [ints(1, 3)], axis=1, outputs=2), "split-even": model("Split", MAP, [], axis=1, outputs=2),
    "slice": model("Slice", MAP, [ints(1), ints(2**62), ints(2), ints(2)]),
    "slice-back": model("Slice", MAP, [ints(-1), ints(-(2**62)), ints(3), ints(-1)]),
    "slice-end": model("Slice", MAP, [ints(-3), ints(-1), ints(3)]), "gather": model("Gather", MAP, [ints(2, 0)], axis=1),
    "gather-one": model("Gather", MAP, [np.int64(-1)], axis=2), "expand": model("Expand", (4, 1, 5), [ints(1, 1, 3, 1)]),
    "pad": model("Pad", MAP, [ints(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0.5)]),
    "pad-reflect": model("Pad", MAP, [ints(0, 0, 1, 2, 0, 0, 0, 1)], mode="reflect"),
    "tile": model("Tile", SEQUENCE, [ints(1, 2, 1)]), "reduce-mean": model("ReduceMean", MAP, axes=[2, 3], keepdims=0),
    "reduce-mean-new": model("ReduceMean", MAP, [ints(-1)], opset=18), "reduce-sum": model("ReduceSum", MAP, [ints(1)], keepdims=0),
    "reduce-max": model("ReduceMax", MAP, axes=[1]), "reduce-l2": model("ReduceL2", MAP, axes=[1]),
    "reduce-prod": model("ReduceProd", MAP, axes=[3, 2]),
    "resize-nearest": model("Resize", MAP, [None, np.array([1, 1, 2, 2], np.float32)], coordinate_transformation_mode="asymmetric",
                            nearest_mode="floor"),
    "resize-linear": model("Resize", MAP, [None, None, ints(1, 4, 9, 7)], mode="linear"),
    "depth-to-space": model("DepthToSpace", MAP, blocksize=2), "depth-to-space-crd": model("DepthToSpace", MAP, blocksize=2, mode="CRD"),
    "space-to-depth": model("SpaceToDepth", (4, 6, 4), blocksize=2), "dropout": model("Dropout", MAP),
}
FREE = {"resize-linear"}     # names the batch in its sizes


@pytest.mark.parametrize("name", CASES)
def test_torch_equals_runtime(name):
    proto = CASES[name]
    batch = 1 if name in FREE else 5
    row = graph.extents(proto.graph.input[0])[1:]
    x = floats(batch, *row)
    module = read(proto)
    with torch.no_grad():
        ours = module(torch.from_numpy(x))
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = graph.run(proto, x)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert np.allclose(one.numpy(), other, rtol=1e-4, atol=1e-5)


def shape_idiom():
    """x.view(x.size(0), -1) as older exporters write it, then a Linear whose weights come from a Constant node through a Transpose."""
    weight = numpy_helper.from_array(floats(3, 120), "")
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.int64(0))),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0), helper.make_node("Unsqueeze", ["batch"], ["batch1"], axes=[0]),
        helper.make_node("Constant", [], ["rest"], value=numpy_helper.from_array(np.array([-1], np.int64))),
        helper.make_node("Concat", ["batch1", "rest"], ["target"], axis=0), helper.make_node("Reshape", ["x", "target"], ["rows"]),
        helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        helper.make_node("MatMul", ["rows", "wt"], ["product"]), helper.make_node("Add", ["bias", "product"], ["y"])]
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *MAP])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(floats(3), "bias")])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def test_the_shape_idiom_becomes_a_flatten_and_a_linear_layer():
    proto = shape_idiom()
    tidy, notes = canonical(proto)
    assert [node.op_type for node in tidy.graph.node] == ["Reshape", "MatMul", "Add"]
    assert "operator set" in notes[0]
    module = read(tidy)
    assert [type(layer).__name__ for layer in module.children()] == ["Linear"]
    x = floats(4, *MAP)
    assert np.allclose(module(torch.from_numpy(x)).detach().numpy(), graph.run(proto, x)[0], atol=1e-4)


def test_an_unknown_operator_is_named():
    body = helper.make_graph([helper.make_node("Hardmax", ["x"], ["y"], "odd-one")], "g",
                             [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])])
    with pytest.raises(OptimizerError) as caught:
        read(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)]))
    refusal = caught.value.refusal
    assert "Hardmax" in refusal.wrong and refusal.where == "Hardmax odd-one" and refusal.mend and refusal.code == "operator-unknown"


def test_a_reshape_that_mixes_rows_of_the_batch_stays_true():
    """(n, 4, 6) -> (n * 4, 6) -> back: extents that are multiples of the batch."""
    nodes = [helper.make_node("Reshape", ["x", "flat"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Reshape", ["b", "back"], ["y"])]
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 6])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                             [numpy_helper.from_array(ints(-1, 6), "flat"), numpy_helper.from_array(ints(-1, 4, 6), "back")])
    proto = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = floats(5, 4, 6)
    assert np.allclose(read(proto)(torch.from_numpy(x)).numpy(), np.maximum(x, 0))
