"""What an ONNX graph holds: layers with parameters and multiply-accumulates, operators, peak activation bytes.

Works on float graphs and on quantized ones (QDQ, QLinear, integer operators); weights are never copied, only their shapes are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import onnx

from optimizers.cards import Layer, Tensor
from optimizers.models.graph_macs import Unknown, macs
from optimizers.models.graph_memory import peak_bytes
from optimizers.models.graph_packed import BLOCKS, DYNAMIC_LSTM, as_products, packed_weights
from optimizers.models.graph_shapes import Scope, bodies, dtype_name, free_inputs, scope_of, tensor, tensor_of, with_shapes

FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
CARRIERS = {"DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear", "Transpose", "Cast", "Identity", "Reshape", "Squeeze",
            "Unsqueeze"}
INTEGER = {"DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
QUANTIZED = INTEGER | {"QuantizeLinear", "DynamicQuantizeLinear"}
SCALES = {"DequantizeLinear": (1, 2), "QuantizeLinear": (1, 2), "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
          "ConvInteger": (2, 3), "MatMulInteger": (2, 3)}
LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "BatchNormalization", "LayerNormalization",
          "InstanceNormalization", "GroupNormalization", "PRelu", *INTEGER}
QLINEAR_WEIGHTS = {"QLinearConv": (3, 8), "QLinearMatMul": (3,)}


@dataclass(frozen=True)
class GraphFacts:
    """macs and activation_bytes are for one row; None where shapes are free or a loop has no constant count."""

    layers: tuple[Layer, ...]
    macs: int | None
    parameters: int
    activation_bytes: int | None
    operators: dict[str, int]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    quantized: bool = False
    weights_dtype: str = "float32"
    buried: dict[str, str] = field(default_factory=dict)        # layers inside of control flow -> the node they lie in


def analyse(proto: onnx.ModelProto) -> GraphFacts:
    """Read `proto`, which stays as it is.  Cost: linear in the nodes; weight values are not touched."""
    written, proto = proto, as_products(proto)
    shaped = with_shapes(proto)
    weights = tuple(proto.graph.initializer)
    scope = scope_of(shaped.graph, weights)
    operators = Counter(node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
                        for node in every_node(written.graph) if node.op_type != "Constant")
    rows = batch_of((*free_inputs(proto.graph), *shaped.graph.output))
    layers, total = layers_of(shaped.graph, scope)
    packed, tables = packed_weights(shaped.graph, scope)
    counted, width = parameters(proto.graph, weights, tables)
    counted += sum(packed.values())
    layers = [layer.model_copy(update={"macs": layer.macs // rows}) for layer in layers] if rows > 1 else layers
    return GraphFacts(
        layers=tuple(layers), macs=None if total is None else total // rows, parameters=counted,
        activation_bytes=peak_bytes(shaped.graph, scope), operators=dict(operators.most_common()),
        inputs=tuple(tensor(i) for i in free_inputs(proto.graph)), outputs=tuple(tensor(o) for o in proto.graph.output),
        quantized=any(name in QUANTIZED or name.endswith((BLOCKS, DYNAMIC_LSTM)) for name in operators), weights_dtype=width,
        buried=buried(shaped.graph, scope))


def buried(graph: onnx.GraphProto, scope: Scope) -> dict[str, str]:
    """Layers inside of If, Loop and Scan by name, with the outermost node they lie in."""
    return {layer.name: f"{node.op_type} {node.name or node.output[0]}" for node in graph.node for body in bodies(node)
            for layer in layers_of(body, scope_of(body, outer=scope))[0]}


def every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for body in bodies(node):
            yield from every_node(body)


def batch_of(values: tuple[onnx.ValueInfoProto, ...]) -> int:
    """The fixed first extent that all inputs and outputs share, when it is more than one row; else 1."""
    firsts = {(tensor(value).shape or (None,))[0] for value in values}
    only = firsts.pop() if len(firsts) == 1 else None
    return only if only else 1


def layers_of(graph: onnx.GraphProto, scope: Scope) -> tuple[list[Layer], int | None]:
    """Layers that hold weights, and multiply-accumulates of the whole graph (None where a shape is not known)."""
    found: list[Layer] = []
    total: int | None = 0
    for node in graph.node:
        inner = [layers_of(body, scope_of(body, outer=scope)) for body in bodies(node)]
        found.extend(layer for layers, _ in inner for layer in layers)
        spent = inner_macs(node, [count for _, count in inner]) if inner else own_macs(node, scope)
        total = None if total is None or spent is None else total + spent
        moved = node.op_type in CARRIERS or all(name in scope.constants for name in node.output)
        held = 0 if moved or inner else sum(held_by(node, scope))
        if held:
            source = next((name for name in node.input if name not in scope.constants), "")
            found.append(Layer(
                name=node.name or node.output[0], operator=node.op_type, parameters=held, macs=spent or 0,
                input_shape=(scope.shape(source) or ())[1:], output_shape=(scope.shape(node.output[0]) or ())[1:]))
    return found, total


def own_macs(node: onnx.NodeProto, scope: Scope) -> int | None:
    if all(name in scope.constants for name in node.output):
        return 0
    try:
        return macs(node, scope)
    except (Unknown, IndexError, ValueError):
        return None


def inner_macs(node: onnx.NodeProto, counts: list[int | None]) -> int | None:
    """The dearer branch of an If; a loop's count is only known when its body is free of work."""
    if any(count is None for count in counts):
        return None
    dearest = max(count or 0 for count in counts)
    return dearest if node.op_type == "If" or dearest == 0 else None


def held_by(node: onnx.NodeProto, scope: Scope) -> Iterator[int]:
    """Number of weights behind each input of `node`, seen through quantize, cast and transpose steps; scalars are not weights."""
    for place, name in enumerate(node.input):
        if name and name in scope.constants and place not in SCALES.get(node.op_type, ()):
            source = origin(name, scope)
            shape = scope.shape(source)
            real = scope.types.get(source) in FLOATS or node.op_type in INTEGER or carried(name, scope)
            if shape and real and (source not in scope.makers or node.op_type in LAYERS):      # else a table in a Constant node
                yield prod(shape)


def origin(name: str, scope: Scope) -> str:
    """The stored tensor that a constant was made of."""
    while (maker := scope.makers.get(name)) is not None and maker.op_type in CARRIERS:
        name = maker.input[0]
    return name


def carried(name: str, scope: Scope) -> bool:
    """Whether a constant comes out of a DequantizeLinear."""
    while (maker := scope.makers.get(name)) is not None and maker.op_type in CARRIERS:
        if maker.op_type == "DequantizeLinear":
            return True
        name = maker.input[0]
    return False


def parameters(graph: onnx.GraphProto, weights: tuple[onnx.TensorProto, ...], tables: set[str]) -> tuple[int, str]:
    """(how many weights, the dtype most of them have).

    Counted: float tensors, quantized weights; each once. Not counted: scales, zero points, single numbers, Constant nodes that are
    not the second input or later of a node with weights (tables of anchors and the like), and `tables`, by which packed weights are
    rebuilt.
    """
    scales: set[str] = set(tables)
    integer: set[str] = set()
    for node in every_node(graph):
        places = QLINEAR_WEIGHTS.get(node.op_type, (0, 1) if node.op_type in INTEGER else ())
        for place, name in enumerate(node.input):
            (scales if place in SCALES.get(node.op_type, ()) else integer if place in places else set()).add(name)
    widths: Counter[str] = Counter()
    for name, value in tensors(graph, weights).items():
        if value.dims and name not in scales and (value.data_type in FLOATS or name in integer):
            widths[dtype_name(value.data_type)] += prod(value.dims)
    return sum(widths.values()), (widths.most_common(1)[0][0] if widths else "float32")


def tensors(graph: onnx.GraphProto, weights: tuple[onnx.TensorProto, ...] = (), within: str = "") -> dict[str, onnx.TensorProto]:
    """Every weight by name: initializers, and Constant nodes that feed a layer; those of inner graphs under a place where names clash."""
    found = {value.name: value for value in (*weights, *graph.initializer)}
    fed = {name for node in graph.node if node.op_type in LAYERS for name in node.input[1:]}
    for index, node in enumerate(graph.node):
        if (held := tensor_of(node)) is not None and node.output[0] in fed:
            found[node.output[0]] = held
        for number, body in enumerate(bodies(node)):
            place = f"{within}{index}.{number}/"
            for name, value in tensors(body, within=place).items():
                found[name if name not in found else place + name] = value
    return found

