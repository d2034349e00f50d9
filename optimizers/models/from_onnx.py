"""An ONNX graph as a torch.fx.GraphModule with real layers, ready to be trained and pruned; `write_back` is the way home.

Reads opset 9 to the newest, float32, one input with a free batch axis and fixed extents. Anything else is refused by the name of the node,
and the network is then of family "graph": it runs in ONNX Runtime, and is compressed as far as the runtime's own tools go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import fx

from optimizers.errors import OptimizerError
from optimizers.models import graph as onnx_graph
from optimizers.models.layers import LAYERS
from optimizers.models.operators import OPERATORS
from optimizers.models.tracing import BATCHES, Extent, Tracer, Value

TABLE = OPERATORS | LAYERS
GRAPH_ONLY = "It can be measured and quantized as it is; to train or prune it, export it without this."


def read(proto: onnx.ModelProto) -> fx.GraphModule:
    """The graph as a torch module in eval mode. Its meta["bindings"] says which ONNX tensor each parameter and buffer came from,
    meta["values"] which fx node (by name) computes an ONNX value.

    Raises OptimizerError with the node's name where the graph cannot be held.
    """
    reader = whole(proto)
    outputs = [reader.tracer.held(reader.known[value.name]) for value in proto.graph.output]
    reader.tracer.graph.output(outputs[0] if len(outputs) == 1 else tuple(outputs))
    module = fx.GraphModule(reader.tracer.root, reader.tracer.graph, "ImportedNetwork")
    module.graph.eliminate_dead_code()
    module.recompile()
    module.meta |= {"bindings": tuple(reader.tracer.bindings), "flattening": tuple(reader.flattening), "targets": reader.targets,
                    "values": {name: value.node.name for name, value in reader.known.items() if value.node is not None}}
    return module.eval()


def values(proto: onnx.ModelProto) -> dict[str, Value]:
    """Every value of the graph by its ONNX name, with samples for two and three rows; constants (node None) computed from shapes too."""
    return whole(proto).known


def whole(proto: onnx.ModelProto) -> Reader:
    """A reader that has read every node."""
    name, row = the_input(proto)
    reader = Reader(proto)
    reader.known[name] = reader.tracer.input(name, row)
    for node in proto.graph.node:
        reader.step(node)
    return reader


def the_input(proto: onnx.ModelProto) -> tuple[str, tuple[int, ...]]:
    """Name and row shape of the one float32 input with a free batch axis."""
    inputs = onnx_graph.inputs(proto)
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise OptimizerError(f"The network has {len(inputs)} inputs ({names}); training and pruning need exactly one.", "inputs",
                             GRAPH_ONLY,
                             "several-inputs")
    value, shape = inputs[0], onnx_graph.extents(inputs[0])
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        raise OptimizerError(f"The input is {kind}, not float32.", value.name, GRAPH_ONLY, "input-type")
    if not shape or None in shape[1:]:
        raise OptimizerError("The input has free axes besides the batch.", value.name, "Export the network with fixed extents.",
                             "free-axes")
    if shape[0] is not None:
        raise OptimizerError(f"The batch axis is fixed to {shape[0]}.", value.name, "Export the network with a dynamic batch axis.",
                             "fixed-batch")
    return value.name, tuple(extent for extent in shape[1:] if extent is not None)


class Reader:
    """known: every value read so far by its ONNX name."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.tracer, self.opset = Tracer(), onnx_graph.opset(proto)
        self.known: dict[str, Value] = {t.name: literal(numpy_helper.to_array(t), t.name) for t in proto.graph.initializer}
        self.uses = onnx_graph.uses(proto)
        self.readers = {name: node for node in proto.graph.node for name in node.input if self.uses[name] == 1}
        self.done: set[str] = set()         # by what a node makes
        self.targets: dict[str, list[int]] = {}     # what Reshape nodes make: their target, 0 where an extent stays
        self.flattening: list[str] = []     # what Reshape nodes make that only flatten rows

    def step(self, node: onnx.NodeProto) -> None:
        """Read one node; errors gain its name."""
        if node.output and node.output[0] in self.done:
            return
        if node.op_type == "Constant":
            self.known[node.output[0]] = literal(onnx_graph.constant(node), node.output[0])
            return
        lower = TABLE.get(node.op_type)
        if lower is None or node.domain not in ("", "ai.onnx"):
            raise OptimizerError(f"The operator {node.op_type} cannot be read into torch.", onnx_graph.place(node), GRAPH_ONLY,
                                 "operator-unknown")
        at = At(self, node, [self.known[name] if name else None for name in node.input])
        try:
            made = lower(at)
        except OptimizerError as error:
            refusal = error.refusal
            raise OptimizerError(refusal.wrong, refusal.where or onnx_graph.place(node), refusal.mend or GRAPH_ONLY, refusal.code) from None
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError, NotImplementedError, AttributeError) as error:
            why = (str(error).splitlines() or [""])[0][:160]
            raise OptimizerError(f"{node.op_type} could not be read into torch: {why}.", onnx_graph.place(node), GRAPH_ONLY,
                                 "operator-form") from error
        for name, value in zip(at.node.output, made if isinstance(made, tuple) else (made,), strict=False):
            self.known[name] = value


def literal(array: np.ndarray, name: str) -> Value:
    """A stored tensor; float16 and float64 are read as float32."""
    if array.dtype in (np.float16, np.float64):
        array = array.astype(np.float32)
    tensor = torch.from_numpy(np.array(array))
    return Value((tensor, tensor), None, name)


@dataclass
class At:
    """The node being read, as operators see it."""

    reader: Reader
    node: onnx.NodeProto
    inputs: list[Any]

    def __post_init__(self) -> None:
        self.tracer, self.opset, self.outputs = self.reader.tracer, self.reader.opset, len(self.node.output)
        self.attributes = onnx_graph.attributes(self.node)
        self.call = self.tracer.call

    @property
    def x(self) -> Value:
        return self.inputs[0]

    def attr(self, name: str, default: Any = ...) -> Any:
        value = self.attributes.get(name, default)
        if value is ...:
            raise OptimizerError(f"{self.node.op_type} lacks its attribute {name}.", "", "The file does not follow the ONNX standard.",
                                 "attribute")
        return value

    def argument(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def ints(self, name: str | None, index: int) -> Any:
        """Whole numbers given as an attribute (older opsets) or an input (newer); None where neither is there."""
        if name in self.attributes:
            return list(self.attributes[name])
        value = self.argument(index)
        return None if value is None else self.tracer.ints(value)

    def floats(self, name: str, index: int) -> list[float]:
        value = self.argument(index)
        return list(self.attributes[name]) if name in self.attributes or value is None else fixed(value).reshape(-1).tolist()

    def number(self, name: str, index: int, default: float) -> float:
        """One number given as an attribute or an input."""
        value = self.argument(index)
        return float(self.attributes.get(name, default)) if name in self.attributes or value is None else float(fixed(value).reshape(-1)[0])

    def tensor_attr(self, name: str, default: torch.Tensor) -> torch.Tensor:
        found = self.attributes.get(name)
        return default if found is None else torch.from_numpy(np.array(numpy_helper.to_array(found)))

    def constant(self, two: torch.Tensor, three: torch.Tensor) -> Value:
        return Value((two, three))

    def extents(self, value: Value) -> list[int | Extent]:
        """The value's own shape, the batch as an Extent."""
        pairs = zip(value.samples[0].shape, value.samples[1].shape, strict=True)
        return [two if two == three else Extent(two // BATCHES[0]) for two, three in pairs]

    def batch_first(self, target: list[int | Extent], own: list[int | Extent]) -> bool:
        """Whether a reshape to `target` keeps the batch as its first axis."""
        if not own or own[0] != Extent(1):
            return False
        rest, mine = target[1:], own[1:]
        if any(isinstance(extent, Extent) for extent in rest + mine):
            return False
        return target[0] == Extent(1) or (target[0] == -1 and math.prod(rest) == math.prod(mine))      # type: ignore[arg-type]

    def following(self, kind: str) -> Following | None:
        """The node that alone reads this node's output, if it is of that kind with two inputs."""
        node = self.reader.readers.get(self.node.output[0])
        if node is None or node.op_type != kind or len(node.input) != 2:
            return None
        other = next(name for name in node.input if name != self.node.output[0])
        return Following(self, node, self.reader.known.get(other))


@dataclass
class Following:
    """A node that may be taken together with the one before it; other: its second input, None when not computed yet."""

    at: At
    node: onnx.NodeProto
    other: Value | None

    def swallow(self) -> None:
        """Count the node as read: its output is the present node's."""
        self.at.reader.done.add(self.node.output[0])
        self.at.node = onnx_graph.renamed_output(self.at.node, self.node.output[0])


def fixed(value: Value) -> torch.Tensor:
    """A constant that does not depend on the data."""
    if value.node is not None:
        raise OptimizerError("A setting of the operator is computed from the data.", "", "Export it as a constant.", "setting-from-data")
    return value.samples[0]
