"""Reading an ONNX graph with plain words: its attributes, constants, real inputs, and who uses what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.errors import OptimizerError
from optimizers.models.graph_facts import GraphFacts as GraphFacts
from optimizers.models.graph_facts import analyse as analyse

QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attribute values by name: numbers, lists, strings as text, tensors as TensorProto."""
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def opset(proto: onnx.ModelProto) -> int:
    """Version of the standard operator set; 1 where the file does not say."""
    return next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)


def inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are not weights."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in weights]


def extents(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """Shape with None for a free axis; None where no shape is written."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)


def constant(node: onnx.NodeProto) -> np.ndarray:
    """The value of a Constant node."""
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if attribute.name.startswith("value_float"):
        return np.asarray(value, np.float32)
    if attribute.name.startswith("value_int"):
        return np.asarray(value, np.int64)
    raise OptimizerError(f"A Constant holds a {attribute.name}, which is not a tensor of numbers.", place(node),
                         "Export the network without sparse or text constants.", "constant-kind")


def constants(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every initializer and Constant node of the main graph by the name it is read under."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    return found | {node.output[0]: constant(node) for node in proto.graph.node if node.op_type == "Constant"}


def place(node: onnx.NodeProto) -> str:
    """How a person finds the node: its name where it has one, else what it makes.

    >>> place(helper.make_node("Relu", ["x"], ["y"]))
    'Relu that makes y'
    """
    return f"{node.op_type} {node.name}" if node.name else f"{node.op_type} that makes {node.output[0] if node.output else 'nothing'}"


def uses(proto: onnx.ModelProto) -> Counter[str]:
    """How many times each value is read, by nodes (their bodies too) or as an output."""
    counted: Counter[str] = Counter(value.name for value in proto.graph.output)

    def walk(graph: onnx.GraphProto) -> None:
        for node in graph.node:
            counted.update(name for name in node.input if name)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    walk(attribute.g)
                    counted.update(value.name for value in attribute.g.output)

    walk(proto.graph)
    return counted


def copied(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A deep copy, free to be changed."""
    fresh = onnx.ModelProto()
    fresh.CopyFrom(proto)
    return fresh


def copy_of(node: onnx.NodeProto) -> onnx.NodeProto:
    fresh = onnx.NodeProto()
    fresh.CopyFrom(node)
    return fresh


def set_nodes(proto: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Make the graph hold these nodes, in place; some may be its own."""
    made = list(nodes)
    del proto.graph.node[:]
    proto.graph.node.extend(made)


def run(proto: onnx.ModelProto, x: np.ndarray, optimize: bool = True) -> list[np.ndarray]:
    """Every output for one batch x, in ONNX Runtime on one thread; inputs but the first get zeros."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    first, *others = session.get_inputs()
    return session.run(None, {first.name: as_input(x, first.type)} | beginning(others, len(x)))


def beginning(entries: Iterable[Any], rows: int) -> dict[str, np.ndarray]:
    """State at the start of a sequence: zeros for each of these inputs of an ONNX Runtime session, free extents as many as rows."""
    return {entry.name: np.zeros([extent if isinstance(extent, int) else rows for extent in entry.shape], numpy_name(entry.type))
            for entry in entries}


def as_input(x: np.ndarray, kind: str) -> np.ndarray:
    """Fed rows in the element type a graph's input takes; kind: as ONNX Runtime says it, "tensor(uint8)".

    >>> as_input(np.array([-3.0, 7.6, 300.0], np.float32), "tensor(uint8)")
    array([  0,   8, 255], dtype=uint8)
    """
    dtype = np.dtype(numpy_name(kind))
    if dtype.kind in "ui" and x.dtype != dtype:
        limits = np.iinfo(dtype)
        x = np.clip(np.rint(x), limits.min, limits.max)
    return x.astype(dtype, copy=False)


def numpy_name(kind: str) -> str:
    """
    >>> numpy_name("tensor(float)"), numpy_name("tensor(double)"), numpy_name("tensor(int8)")
    ('float32', 'float64', 'int8')
    """
    name = kind[len("tensor("):-1]
    return {"float": "float32", "double": "float64"}.get(name, name)


def renamed_output(node: onnx.NodeProto, name: str) -> onnx.NodeProto:
    """A copy of the node that makes `name`."""
    fresh = copy_of(node)
    fresh.output[0] = name
    return fresh


def without_unread(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Nodes, initializers and noted shapes nobody reads are dropped, in place."""
    while True:
        read = uses(proto)
        nodes = [node for node in proto.graph.node if any(read[name] for name in node.output)]
        if len(nodes) == len(proto.graph.node):
            break
        keep(proto.graph.node, nodes)
    keep(proto.graph.initializer, [tensor for tensor in proto.graph.initializer if read[tensor.name]])
    keep(proto.graph.value_info, [value for value in proto.graph.value_info if read[value.name]])
    return proto


def keep(field: Any, items: list[Any]) -> None:
    """Make a repeated field hold just these of its items."""
    if len(items) < len(field):
        del field[:]
        field.extend(items)
