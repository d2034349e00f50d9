"""Weights as codes of 1 to 8 bits in an ordinary ONNX file: what they stand for is looked up by standard operators.

The codes of all tensors of one width lie in one initializer of bytes, or in one for each plane: codes of 5 bits as their upper 4 and their
last. BitShift takes a byte apart, Gather looks each code up in the tensor's codebook, Mul applies a scale. All of it reads constants only,
so ONNX Runtime does it once, when the session opens, and then holds and multiplies float32: the file is small, the arithmetic is not.
Needs operator set 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from optimizers.models.graph import copied, keep, set_nodes
from optimizers.models.rewrite import fresh

WIDTHS = range(1, 9)
OPSET = 13              # from which Split takes its sizes as an input


@dataclass(frozen=True)
class Coded:
    """A tensor in codes. codes: whole numbers, of the tensor's shape.  book: (k,), k at most 2 ** bits: what code i stands for.

    The tensor has the book's type: int8 for weights that integer kernels read, else float32.

    scale: float32 that broadcasts against the tensor, as (outs, 1, 1, 1) for one number a channel; None for none.
    """

    codes: np.ndarray
    book: np.ndarray
    bits: int
    scale: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.bits not in WIDTHS:
            raise ValueError(f"Codes have 1 to 8 bits, not {self.bits}.")
        if not 1 <= len(self.book) <= 2**self.bits or self.codes.min(initial=0) < 0 or self.codes.max(initial=0) >= len(self.book):
            raise ValueError(f"{self.bits}-bit codes need a book of at most {2**self.bits} entries that covers them all.")

    @property
    def entries(self) -> np.ndarray:
        return self.book if self.book.dtype == np.int8 else self.book.astype(np.float32)

    @property
    def values(self) -> np.ndarray:
        """The tensor the codes stand for."""
        looked_up = self.entries[self.codes]
        return looked_up if self.scale is None else looked_up * self.scale.astype(np.float32)


def packed(proto: onnx.ModelProto, table: dict[str, Coded]) -> onnx.ModelProto:
    """A new graph in which each named initializer (or Constant node) is rebuilt from codes, under its old name."""
    made = copied(proto)
    keep(made.graph.initializer, [tensor for tensor in made.graph.initializer if tensor.name not in table])
    nodes = [node for node in made.graph.node if node.op_type != "Constant" or node.output[0] not in table]
    rebuilding = [node for bits in WIDTHS if (group := {name: coded for name, coded in table.items() if coded.bits == bits})
                  for node in unpacking(made, group, bits)]
    set_nodes(made, [*rebuilding, *nodes])
    return made


def unpacking(proto: onnx.ModelProto, group: dict[str, Coded], bits: int) -> list[onnx.NodeProto]:
    """Store the codes of tensors of one width, and return the nodes that rebuild them."""
    one = Writer(proto, f"c{bits}")
    sizes = [coded.codes.size for coded in group.values()]
    each = 8 // planes(bits)[-1]                # codes in a byte of the narrowest plane
    padding = -sum(sizes) % each
    row = each if len(planes(bits)) == 1 and not any(size % each for size in sizes) else 1      # tensors then begin where bytes do
    codes = one.codes(np.concatenate([*(coded.codes.reshape(-1) for coded in group.values()), np.zeros(padding, int)]), bits, row == 1)
    books = [coded.entries for coded in group.values()]
    shared = all(book.dtype == books[0].dtype and np.array_equal(book, books[0]) for book in books)
    if shared:
        codes = one.node("Gather", one.store(books[0]), codes)
    parts = [codes]
    if len(sizes) > 1 or padding:
        parts = one.split(codes, [size // row for size in sizes] + ([padding] if padding else []))
    for (name, coded), book, part in zip(group.items(), books, parts, strict=False):
        if not shared:
            part = one.node("Gather", one.store(book), part)
        target = one.store(np.array(coded.codes.shape, np.int64))
        if coded.scale is None:
            one.node("Reshape", part, target, makes=name)
        else:
            one.node("Mul", one.node("Reshape", part, target), one.store(coded.scale.astype(np.float32)), makes=name)
    return one.nodes


class Writer:
    """Appends tensors to a graph, and collects nodes; every name is new, and short: nobody but the runtime reads it."""

    def __init__(self, proto: onnx.ModelProto, prefix: str) -> None:
        self.proto, self.prefix, self.nodes = proto, prefix, list[onnx.NodeProto]()
        self.number = 0

    def name(self) -> str:
        self.number += 1
        return fresh(self.proto, f"{self.prefix}.{self.number}")

    def store(self, array: np.ndarray) -> str:
        name = self.name()
        self.proto.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, *inputs: str, makes: str = "", **attributes: Any) -> str:
        output = makes or self.name()
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def split(self, whole: str, sizes: list[int], makes: list[str] | None = None) -> list[str]:
        """The value cut along its first axis."""
        names = makes or [self.name() for _ in sizes]
        self.nodes.append(helper.make_node("Split", [whole, self.store(np.array(sizes, np.int64))], names))
        return names

    def codes(self, codes: np.ndarray, bits: int, flat: bool = True) -> str:
        """Codes (n,), stored plane by plane, as int32; n must fill whole bytes of each plane. flat: (n,) again, else a row a byte."""
        made, below = "", bits
        for width in planes(bits):
            below -= width
            plane = self.plane(pack(codes >> below & 2**width - 1, width), width, flat)
            made = self.node("Add", self.node("Mul", made, self.store(np.array(2**width, np.int32))), plane) if made else plane
        return made

    def plane(self, content: np.ndarray, width: int, flat: bool) -> str:
        """The numbers that bytes hold, in order, as int32. Shifting left drops the numbers before, shifting right those behind."""
        if width == 8:
            return self.node("Cast", self.store(content), to=TensorProto.INT32)
        left = self.node("BitShift", self.store(content.reshape(-1, 1)), self.store(np.arange(0, 8, width, dtype=np.uint8)),
                         direction="LEFT")
        right = self.node("BitShift", left, self.store(np.array([8 - width], np.uint8)), direction="RIGHT")
        numbers = self.node("Cast", right, to=TensorProto.INT32)
        return self.node("Reshape", numbers, self.store(np.array([-1], np.int64))) if flat else numbers


def planes(bits: int) -> tuple[int, ...]:
    """Widths that fill a byte and together hold a code, the upper bits first.

    >>> planes(5), planes(8), planes(7)
    ((4, 1), (8,), (4, 2, 1))
    """
    return tuple(width for width in (8, 4, 2, 1) if bits & width)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers (n,) in bytes, the first in the highest bits; zeros fill the last byte.

    >>> [f"{byte:08b}" for byte in pack(np.array([1, 2, 3, 0, 3]), 2)]
    ['01101100', '11000000']
    """
    each = 8 // bits
    padded = np.zeros(-(-len(codes) // each) * each, np.uint8)
    padded[:len(codes)] = codes
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    return np.bitwise_or.reduce(padded.reshape(-1, each) << shifts, axis=1).astype(np.uint8)
