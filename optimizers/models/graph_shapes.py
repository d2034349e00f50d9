"""Shapes, dtypes and constants of a graph for one row, without copying its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx
from onnx import helper, inliner, shape_inference

from optimizers.cards import Tensor

Shape = tuple[int | None, ...]
LARGE = 1024            # elements; a larger constant never says a shape, so shape inference need not see its values


@dataclass
class Scope:
    """What is known about the tensors of one graph and those around it.

    shapes: name -> extents, None where free.  types: name -> onnx element type.  constants: initializers and all computed from them only.
    makers: name -> node that computes it.
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    makers: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Extents when all are known, else None."""
        found = self.shapes.get(name)
        return tuple(d for d in found if d is not None) if found is not None and None not in found else None

    def itemsize(self, name: str) -> int:
        """Bytes an element; 4 where the type is unknown. Types below a byte count as one."""
        try:
            return max(1, int(helper.tensor_dtype_to_np_dtype(self.types[name]).itemsize))
        except (KeyError, TypeError):
            return 4


def dtype_name(kind: int) -> str:
    """onnx element type -> "float32", "int8", ..."""
    names = {"FLOAT": "float32", "DOUBLE": "float64", "UNDEFINED": "unknown"}
    name = onnx.TensorProto.DataType.Name(kind) if kind in onnx.TensorProto.DataType.values() else "UNDEFINED"
    return names.get(name, name.lower())


def extents(kind: onnx.TypeProto) -> Shape | None:
    """The extents of a tensor type; None where it has no shape at all."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim)


def free_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller must feed: old files list their weights among the inputs as well."""
    weights = {i.name for i in graph.initializer}
    return [i for i in graph.input if i.name not in weights]


def tensor(value: onnx.ValueInfoProto) -> Tensor:
    return Tensor(name=value.name, dtype=dtype_name(value.type.tensor_type.elem_type), shape=extents(value.type) or ())


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs inside a control-flow node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def tensor_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node, where it holds one."""
    return next((a.t for a in node.attribute if a.name == "value"), None) if node.op_type == "Constant" else None


def with_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with large weights left out, functions inlined, free first axes set to 1 and shapes inferred as far as they go."""
    bare = onnx.ModelProto(ir_version=max(proto.ir_version, 4), opset_import=proto.opset_import, functions=proto.functions)
    graph = bare.graph
    graph.name = proto.graph.name or "graph"
    for value in free_inputs(proto.graph):
        graph.input.add().CopyFrom(value)
        dims = graph.input[-1].type.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    for weight in proto.graph.initializer:
        size = 1
        for extent in weight.dims:
            size *= extent
        if size <= LARGE:
            graph.initializer.add().CopyFrom(weight)
        else:
            graph.input.add().CopyFrom(helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
    graph.node.extend(proto.graph.node)
    for value in proto.graph.output:        # types only: a declared free batch would win over the inferred 1
        kind = onnx.TypeProto()
        kind.tensor_type.elem_type = value.type.tensor_type.elem_type
        graph.output.add(name=value.name).type.CopyFrom(kind if value.type.HasField("tensor_type") else value.type)
    if bare.functions:
        bare = inliner.inline_local_functions(bare)
    shaped = inferred(bare)
    return shaped if all_known(shaped.graph) else inferred(folded(shaped))


def inferred(bare: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return shape_inference.infer_shapes(bare, strict_mode=False, data_prop=True)
    except (shape_inference.InferenceError, ValueError, RuntimeError):      # some graphs that run well defeat it: shapes stay unknown
        return bare


def folded(shaped: onnx.ModelProto) -> onnx.ModelProto:
    """Shape arithmetic (Shape, Gather, Concat ...) worked out, which older exporters leave in the graph."""
    from onnxscript import optimizer

    copy = onnx.ModelProto()
    copy.CopyFrom(shaped)
    try:
        optimizer.fold_constants(copy, onnx_shape_inference=True, input_size_limit=LARGE, output_size_limit=LARGE)
    except Exception:   # it evaluates nodes by hand; a graph it cannot fold is merely one with free shapes
        return shaped
    return copy


def all_known(graph: onnx.GraphProto) -> bool:
    known = {value.name for value in (*graph.value_info, *graph.output) if None not in (extents(value.type) or (None,))}
    known.update(value.name for value in (*graph.value_info, *graph.output) if extents(value.type) == ())
    return all(name in known for node in graph.node for name in node.output if name)


def scope_of(graph: onnx.GraphProto, weights: tuple[onnx.TensorProto, ...] = (), outer: Scope | None = None) -> Scope:
    """Shapes, types and constants of `graph`; `weights` are initializers that were left out of it."""
    scope = Scope(dict(outer.shapes), dict(outer.types), set(outer.constants), dict(outer.makers)) if outer else Scope()
    for value in (*graph.input, *graph.value_info, *graph.output):
        if (shape := extents(value.type)) is not None:
            scope.shapes[value.name] = shape
        if value.type.HasField("tensor_type"):
            scope.types[value.name] = value.type.tensor_type.elem_type
    for weight in (*graph.initializer, *weights):
        _constant(scope, weight.name, weight)
    for node in graph.node:
        held = tensor_of(node)
        if held is not None:
            _constant(scope, node.output[0], held)
        fixed = node.op_type == "Constant" or (node.input and not any(bodies(node)))
        if fixed and all(name in scope.constants for name in node.input if name):
            scope.constants.update(node.output)
        scope.makers.update(dict.fromkeys(node.output, node))
    return scope


def _constant(scope: Scope, name: str, value: onnx.TensorProto) -> None:
    scope.shapes[name], scope.types[name] = tuple(value.dims), value.data_type
    scope.constants.add(name)
