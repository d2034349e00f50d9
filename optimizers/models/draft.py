"""Writing an ONNX network layer by layer: names, shapes and fresh weights, with nothing but numpy.

Weights are named as torch names them ("stem.conv.weight"), so that a state dict of the same net fits by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


@dataclass(frozen=True)
class Flow:
    """A value inside the draft. shape: of one row, without the batch axis."""

    name: str
    shape: tuple[int, ...]


class Draft:
    """Grows a graph; each method adds a layer and returns what flows out of it. Same seed, same weights."""

    def __init__(self, row_shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.input = Flow("input", tuple(row_shape))

    def node(self, kind: str, name: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> Flow:
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}.out"], name, **attributes))
        return Flow(f"{name}.out", tuple(shape))

    def store(self, name: str, array: np.ndarray) -> str:
        self.weights[name] = np.ascontiguousarray(array, array.dtype if array.dtype == np.int64 else np.float32)
        return name

    def conv(self, x: Flow, name: str, outs: int, kernel: tuple[int, int] = (3, 3), stride: int = 1, groups: int = 1, bias: bool = False,
             pad: bool = True) -> Flow:
        """Padded so that the size is ceil(size / stride) for odd kernels; weights drawn as He et al. 2015 (arXiv:1502.01852)."""
        ins, *size = x.shape
        fan_out = outs // groups * math.prod(kernel)
        inputs = [x.name, self.store(f"{name}.weight", self.rng.normal(0, math.sqrt(2 / fan_out), (outs, ins // groups, *kernel)))]
        if bias:
            inputs.append(self.store(f"{name}.bias", np.zeros(outs)))
        half = [k // 2 if pad else 0 for k in kernel]
        shape = [(extent + 2 * p - k) // stride + 1 for extent, p, k in zip(size, half, kernel, strict=True)]
        return self.node("Conv", name, inputs, (outs, *shape), kernel_shape=list(kernel), strides=[stride, stride], pads=half * 2,
                         group=groups)

    def batch_norm(self, x: Flow, name: str) -> Flow:
        channels = x.shape[0]
        inputs = [x.name, self.store(f"{name}.weight", np.ones(channels)), self.store(f"{name}.bias", np.zeros(channels)),
                  self.store(f"{name}.running_mean", np.zeros(channels)), self.store(f"{name}.running_var", np.ones(channels))]
        return self.node("BatchNormalization", name, inputs, x.shape, epsilon=1e-5, momentum=0.9)

    def layer_norm(self, x: Flow, name: str) -> Flow:
        inputs = [x.name, self.store(f"{name}.weight", np.ones(x.shape[-1])), self.store(f"{name}.bias", np.zeros(x.shape[-1]))]
        return self.node("LayerNormalization", name, inputs, x.shape, axis=-1, epsilon=1e-5)

    def linear(self, x: Flow, name: str, outs: int, scale: float = 1.0) -> Flow:
        """On the last axis; weights uniform within scale / sqrt(inputs). Vectors take Gemm, sequences MatMul and Add."""
        ins = x.shape[-1]
        bound = scale / math.sqrt(ins)
        weight = self.rng.uniform(-bound, bound, (outs, ins))
        bias = self.store(f"{name}.bias", np.zeros(outs))
        if len(x.shape) == 1:
            return self.node("Gemm", name, [x.name, self.store(f"{name}.weight", weight), bias], (outs,), transB=1)
        product = self.node("MatMul", f"{name}.product", [x.name, self.store(f"{name}.weight", weight.T)], (*x.shape[:-1], outs))
        return self.node("Add", name, [product.name, bias], product.shape)

    def relu(self, x: Flow, name: str) -> Flow:
        return self.node("Relu", name, [x.name], x.shape)

    def gelu(self, x: Flow, name: str) -> Flow:
        """x (1 + erf(x / sqrt 2)) / 2, in operators every runtime has."""
        inner = self.node("Div", f"{name}.scaled", [x.name, self.store(f"{name}.root2", np.array(math.sqrt(2)))], x.shape)
        grown = self.node("Add", f"{name}.raised", [self.node("Erf", f"{name}.erf", [inner.name], x.shape).name,
                                                    self.store(f"{name}.one", np.array(1.0))], x.shape)
        halved = self.node("Mul", f"{name}.half", [x.name, self.store(f"{name}.by", np.array(0.5))], x.shape)
        return self.node("Mul", name, [halved.name, grown.name], x.shape)

    def add(self, x: Flow, y: Flow, name: str) -> Flow:
        return self.node("Add", name, [x.name, y.name], x.shape)

    def pool(self, x: Flow, name: str) -> Flow:
        """Mean over the picture, as a vector."""
        pooled = self.node("GlobalAveragePool", name, [x.name], (x.shape[0], 1, 1))
        return self.node("Flatten", f"{name}.rows", [pooled.name], (x.shape[0],), axis=1)

    def flatten(self, x: Flow, name: str) -> Flow:
        return x if len(x.shape) == 1 else self.node("Flatten", name, [x.name], (math.prod(x.shape),), axis=1)

    def reshape(self, x: Flow, name: str, shape: tuple[int, ...]) -> Flow:
        return self.node("Reshape", name, [x.name, self.store(f"{name}.to", np.array([0, *shape], np.int64))], shape)

    def transpose(self, x: Flow, name: str, perm: tuple[int, ...]) -> Flow:
        """perm counts the batch axis as 0, as ONNX does."""
        return self.node("Transpose", name, [x.name], tuple(x.shape[axis - 1] for axis in perm[1:]), perm=list(perm))

    def finish(self, x: Flow, title: str) -> onnx.ModelProto:
        """The checked model; x is its one output, "output"."""
        self.nodes[-1].output[0] = "output"
        assert x.name.startswith(self.nodes[-1].name), "the output is the last layer"
        graph = helper.make_graph(
            self.nodes, title, [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *self.input.shape])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *x.shape])],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()])
        model = helper.make_model(graph, producer_name="espalier", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)
