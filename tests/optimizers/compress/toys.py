"""Graphs of a few nodes, and rows of noise for them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from optimizers.data.dataset import Dataset, Split
from optimizers.models.network import Network


def net(nodes, stored, row, outputs=("y",), opset=17):
    """A network of the input "x" (n, *row), and arrays stored by name."""
    body = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                             [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()])
    return Network(helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8))


def small(*shape, seed=0):
    return np.random.default_rng([seed, len(shape)]).normal(0, 0.3, shape).astype(np.float32)


def noise(row, rows=40, classes=10):
    """Random rows and labels; every split is the same."""
    rng = np.random.default_rng(1)
    split = Split(rng.normal(size=(rows, *row)).astype(np.float32), rng.integers(0, classes, rows))
    return Dataset(split, split, split, "array", "classification", tuple(str(label) for label in range(classes)))
