"""Multi-head attention in an ONNX graph: softmax(q k^T) v between linear layers, found however the exporter reshapes heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from optimizers.compress.prune.heads_trace import MOVES, Untraceable, follow
from optimizers.models.fold import channel_axis
from optimizers.models.from_onnx import values
from optimizers.models.graph import place, uses

POINTWISE = ("Mul", "Div", "Add", "Sub", "Where", "Cast", "Identity", "Clip")
PASSING = ("Dropout", "Identity", "Cast")
Chain = tuple[tuple[onnx.NodeProto, str], ...]


@dataclass(frozen=True)
class Weight:
    """A stored matrix. axis: the one that counts what heads own (columns of q, k, v; rows of the output layer).  bias: name or ""."""

    name: str
    axis: int
    bias: str = ""


@dataclass(frozen=True)
class Side:
    """q, k, v, or the way out. chain: nodes between the layer and the heads.  start: labels at its beginning, one for each column or
    each value of a head.  owned: (heads, size), places on the weight's axis."""

    weight: Weight
    chain: Chain
    start: np.ndarray
    owned: np.ndarray


@dataclass(frozen=True)
class Attention:
    """name: of the Softmax.  sides: q, k, v.  out: the layer that reads the joined heads.  tables: stored tensors added to the scores,
    with the axis that counts heads.  mixed: softmax(q k^T) v, (n, heads, tokens, size)."""

    name: str
    mixed: str
    sides: tuple[Side, Side, Side]
    out: Side
    tables: tuple[tuple[str, int], ...]

    @property
    def heads(self) -> int:
        return int(self.out.owned.shape[0])


class Left(Exception):
    """Why an attention cannot be cut."""


class Finder:
    """What a graph holds, for two rows at once. stored: constants, those computed from shapes too.  varying: of these, which entries
    change with the number of rows.  shapes: of everything computed."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.proto, self.read = proto, uses(proto)
        known = values(proto)
        self.stored = {name: value.samples[0].numpy() for name, value in known.items() if value.node is None}
        self.varying = {name: (value.samples[0] != value.samples[1]).numpy() for name, value in known.items()
                        if value.node is None and value.samples[0].shape == value.samples[1].shape and value.samples[0].ndim == 1}
        self.shapes = {name: tuple(value.samples[0].shape) for name, value in known.items()}
        self.makers = {name: node for node in proto.graph.node for name in node.output}

    def attentions(self) -> tuple[list[Attention], dict[str, str]]:
        """Those whose heads can go, in file order, and for each other one the reason."""
        found, left = [], {}
        for node in self.proto.graph.node:
            if node.op_type == "Softmax" and (mixed := self.mixed(node)) is not None:
                try:
                    found.append(self.attention(node, mixed))
                except Left as reason:
                    left[node.name or node.output[0]] = str(reason)
                except Untraceable as reason:
                    left[node.name or node.output[0]] = f"heads cannot be followed through {reason}"
        return found, left

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """Nodes that read the numbers of a value; its shape may be asked for by others."""
        return [node for node in self.proto.graph.node if name in node.input and node.op_type != "Shape"]

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        readers = self.readers(name)
        outer = {value.name for value in self.proto.graph.output}
        return readers[0] if len(readers) == 1 and name not in outer else None

    def mixed(self, softmax: onnx.NodeProto) -> onnx.NodeProto | None:
        """The product of the softmax with the values, or None where it is no attention."""
        name = softmax.output[0]
        while (node := self.only_reader(name)) is not None and node.op_type in PASSING:
            name = node.output[0]
        return node if node is not None and node.op_type == "MatMul" and node.input[0] == name \
            and node.input[1] not in self.stored else None

    def attention(self, softmax: onnx.NodeProto, mixed: onnx.NodeProto) -> Attention:
        shape = self.shapes[mixed.output[0]]
        if len(shape) != 4:
            raise Left("heads are not an axis of their own")
        scores, tables = self.scores(softmax, shape[1])
        sides = (self.side(scores.input[0], False), self.side(scores.input[1], True), self.side(mixed.input[1], False))
        found = Attention(softmax.name or softmax.output[0], mixed.output[0], sides, self.out(mixed.output[0]), tables)
        if {side.owned.shape[0] for side in sides} != {found.heads}:
            raise Left("queries and keys do not have as many heads each")
        self.alone(found)
        return found

    def scores(self, softmax: onnx.NodeProto, heads: int) -> tuple[onnx.NodeProto, tuple[tuple[str, int], ...]]:
        """The product q k^T behind the softmax, and tables with a place for each head that are added on the way."""
        name, tables = softmax.input[0], []
        while self.only_reader(name) is not None and (node := self.makers.get(name)) is not None and node.op_type in POINTWISE:
            onward = [other for other in node.input if other not in self.stored and self.shapes.get(other, ())[1:2] == (heads,)
                      and len(self.shapes[other]) == 4]
            if len(onward) != 1:
                raise Left(f"its scores cannot be followed through {place(node)}")
            for other in node.input:
                shape = self.shapes.get(other, ())
                if other and other != onward[0] and len(shape) >= 3 and shape[-3] != 1:
                    if other not in self.stored or self.read[other] != 1:
                        raise Left(f"{place(node)} adds for each head what is computed or read elsewhere")
                    tables.append((other, len(shape) - 3))
            name = onward[0]
        if self.only_reader(name) is None or (node := self.makers.get(name)) is None or node.op_type != "MatMul":
            raise Left("its scores are no product of queries and keys")
        return node, tuple(tables)

    def side(self, name: str, turned: bool) -> Side:
        """The linear layer behind q, k or v; turned: the last two axes are (size, tokens)."""
        chain: list[tuple[onnx.NodeProto, str]] = []
        while (node := self.makers.get(name)) is not None:
            onward = node.input[0] if node.op_type in MOVES else self.scaled(node) if node.op_type in ("Mul", "Div") else None
            if onward is None:
                break
            chain.insert(0, (node, name))
            name = onward
        if node is None:
            raise Left("a query, key or value is computed by no linear layer")
        weight = self.linear(node)
        start = np.broadcast_to(np.arange(self.shapes[name][-1]), self.shapes[name])
        end = follow(start, chain, self.stored)[-1] if chain else start
        end = end.swapaxes(-1, -2) if turned else end
        if end.ndim != 4 or not (end == end[:1, :, :1]).all():
            raise Left("heads are not an axis of their own")
        return Side(weight, tuple(chain), start, end[0, :, 0])

    def scaled(self, node: onnx.NodeProto) -> str | None:
        """What a node multiplies by one stored number."""
        computed = [name for name in node.input if name not in self.stored]
        single = all(self.stored[name].size == 1 for name in node.input if name in self.stored)
        return computed[0] if len(computed) == 1 and single else None

    def linear(self, node: onnx.NodeProto) -> Weight:
        """A product with a stored matrix, and the Add of its bias."""
        bias = ""
        if node.op_type == "Add":
            vectors = [name for name in node.input if name in self.stored and self.stored[name].size == self.shapes[name][-1]]
            others = [name for name in node.input if name not in self.stored]
            if len(vectors) != 1 or len(others) != 1 or self.only_reader(others[0]) is None or others[0] not in self.makers:
                raise Left(f"{place(node)} is no linear layer")
            node, bias = self.makers[others[0]], vectors[0]
        axis = self.columns(node)
        return Weight(node.input[1], axis, bias or (node.input[2] if len(node.input) > 2 else ""))

    def columns(self, node: onnx.NodeProto) -> int:
        """The axis of a product's stored matrix that counts what it makes."""
        axis = 1 if node.op_type == "MatMul" else channel_axis(node) if node.op_type == "Gemm" else None
        if axis is None or node.input[1] not in self.stored or self.stored[node.input[1]].ndim != 2:
            raise Left(f"{place(node)} is no linear layer with stored weights")
        return axis

    def out(self, name: str) -> Side:
        """The linear layer that reads the joined heads."""
        rows, heads, tokens, size = self.shapes[name]
        start = np.broadcast_to(np.arange(heads * size).reshape(1, heads, 1, size), (rows, heads, tokens, size))
        chain: list[tuple[onnx.NodeProto, str]] = []
        while (node := self.only_reader(name)) is not None and node.op_type in MOVES:
            name = node.output[0]
            chain.append((node, name))
        end = follow(start, chain, self.stored)[-1] if chain else start
        if node is None or node.input[0] != name:
            raise Left("its heads go to no linear layer with stored weights")
        axis = 1 - self.columns(node)
        flat = end.reshape(-1, end.shape[-1])
        if not (flat == flat[:1]).all() or flat.shape[1] != heads * size:
            raise Left("its heads are not joined on the last axis")
        return Side(Weight(node.input[1], axis), tuple(chain), start, np.argsort(flat[0]).reshape(heads, size))

    def alone(self, found: Attention) -> None:
        """Nothing else may read what changes its width. Raises Left."""
        every = (*found.sides, found.out)
        own = {id(node) for side in every for node, _ in side.chain}
        if any(self.read[name] != 1 for side in every for name in (side.weight.name, side.weight.bias) if name):
            raise Left("it shares its weights with another layer")
        for name in {node.input[0] for side in every for node, _ in side.chain} | {made for side in every for _, made in side.chain}:
            others = [node for node in self.readers(name) if id(node) not in own]
            if len(others) > 1 or any(node.op_type not in ("MatMul", "Gemm") for node in others):
                raise Left(f"'{name}' is read elsewhere too")
