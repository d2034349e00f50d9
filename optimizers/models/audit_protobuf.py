"""The wire format of protocol buffers, walked without recursion and without the library: lengths, nesting and counts are bounded.

protobuf.dev/programming-guides/encoding. Only the messages of onnx.proto (onnx 1.23) are known; unknown fields are skipped as the
format demands. Large byte fields are never copied: their place in the file is kept.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

from optimizers.errors import OptimizerError

MOST_FIELDS = 5_000_000
MOST_MESSAGES = 1_500_000
DEEPEST = 100           # messages inside messages, the limit of the protobuf library itself
KEPT = 4096             # bytes: shorter fields are kept as values, longer ones as a span

# message -> field number -> message inside
SCHEMA: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "Opset", 14: "Entry", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 11: "Value", 12: "Value", 13: "Value", 14: "Annotation", 15: "Sparse", 16: "Entry"},
    "Function": {7: "Node", 9: "Opset", 11: "Attribute", 12: "Value", 14: "Entry"},
    "Node": {5: "Attribute", 9: "Entry"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 14: "Type", 15: "Type", 22: "Sparse", 23: "Sparse"},
    "Tensor": {3: "Segment", 13: "Entry", 16: "Entry"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Value": {2: "Type", 4: "Entry"},
    "Type": {1: "TensorType", 4: "Sequence", 5: "Map", 8: "TensorType", 9: "Sequence"},
    "TensorType": {2: "Shape"},
    "Sequence": {1: "Type"},
    "Map": {2: "Type"},
    "Shape": {1: "Extent"},
    "Annotation": {2: "Entry"},
}


@dataclass(slots=True)
class Message:
    """One message. fields: number -> what stands there in file order: whole numbers, bytes, (start, stop) of long ones, inner messages."""

    kind: str
    stop: int
    depth: int
    fields: dict[int, list[int | bytes | tuple[int, int] | Message]] = field(default_factory=dict)

    def numbers(self, number: int) -> list[int]:
        return [value for value in self.fields.get(number, ()) if isinstance(value, int)]

    def number(self, which: int, default: int = 0) -> int:
        return (self.numbers(which) or [default])[-1]

    def raw(self, number: int) -> list[bytes]:
        """Byte fields short enough to be kept."""
        return [value for value in self.fields.get(number, ()) if isinstance(value, bytes)]

    def texts(self, number: int) -> list[str]:
        return [value.decode("utf-8", "replace") for value in self.raw(number)]

    def text(self, number: int) -> str:
        return (self.texts(number) or [""])[-1]

    def messages(self, number: int) -> list[Message]:
        return [value for value in self.fields.get(number, ()) if isinstance(value, Message)]

    def size(self, number: int) -> int:
        """Bytes of a byte field, short or long."""
        held = self.fields.get(number, ())
        return sum(len(v) if isinstance(v, bytes) else v[1] - v[0] for v in held if isinstance(v, bytes | tuple))

    def long(self, number: int) -> bool:
        return any(isinstance(value, tuple) for value in self.fields.get(number, ()))


def walk(data: mmap.mmap | bytes, where: str) -> Message:
    """The Model message that fills `data`.  Raises OptimizerError with the byte offset of the first fault."""
    top = Message("Model", len(data), 0)
    stack, at, fields, messages = [top], 0, 0, 0
    while stack:
        message = stack[-1]
        if at >= message.stop:
            stack.pop()
            continue
        begin = at
        tag, at = varint(data, at, message.stop, where)
        number, wire = tag >> 3, tag & 7
        fields += 1
        if fields > MOST_FIELDS or messages > MOST_MESSAGES:
            raise OptimizerError(f"The file has more than {MOST_FIELDS:,} fields or {MOST_MESSAGES:,} messages.",
                                 f"{where}, byte {begin:,}", "Upload a smaller model.",
                                 "too-many-fields")
        if not number or wire in (3, 4, 6, 7):
            raise damaged(f"There is no valid field (number {number}, wire type {wire})", begin, where)
        if wire == 0:
            value, at = varint(data, at, message.stop, where)
            message.fields.setdefault(number, []).append(value - (1 << 64) if value >= 1 << 63 else value)
            continue
        length, at = (8, at) if wire == 1 else (4, at) if wire == 5 else varint(data, at, message.stop, where)
        stop = at + length
        if stop > len(data):
            raise OptimizerError(f"The file ends in the middle: a part that starts at byte {begin:,} should reach byte {stop:,}, and the "
                                 f"file has {len(data):,}.", f"{where}, byte {begin:,}", "It was cut off while copying; upload it again.",
                                 "truncated")
        if stop > message.stop:
            raise damaged(f"A field reaches beyond its {message.kind}", begin, where)
        kind = SCHEMA.get(message.kind, {}).get(number, "")
        if wire == 2 and kind:
            stack.append(opened(message, kind, number, at, stop, where))
            messages += 1
            continue
        if wire == 2 and length <= KEPT:
            message.fields.setdefault(number, []).append(bytes(data[at:stop]))
        elif wire == 2:
            message.fields.setdefault(number, []).append((at, stop))
        at = stop
    return top


def opened(message: Message, kind: str, number: int, at: int, stop: int, where: str) -> Message:
    if message.depth >= DEEPEST:
        raise OptimizerError(f"Messages are nested more than {DEEPEST} deep.", f"{where}, byte {at:,}", "Export the model anew.",
                             "too-deep")
    child = Message(kind, stop, message.depth + 1)
    message.fields.setdefault(number, []).append(child)
    return child


def varint(data: mmap.mmap | bytes, at: int, stop: int, where: str) -> tuple[int, int]:
    """(value, offset after it): seven bits a byte, at most ten bytes."""
    value = shift = 0
    begin = at
    while at < stop:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
        shift += 7
        if shift >= 70:
            raise damaged("A number is longer than ten bytes", begin, where)
    if stop == len(data):
        raise OptimizerError("The file ends in the middle of a number.", f"{where}, byte {begin:,}",
                             "It was cut off while copying; upload it again.", "truncated")
    raise damaged("A number reaches beyond its message", begin, where)


def packed(message: Message, number: int, most: int = 64) -> list[int]:
    """A repeated whole number, written one by one or packed."""
    values = list(message.numbers(number))
    for raw in message.raw(number):
        at = 0
        while at < len(raw) and len(values) <= most:
            value, at = varint(raw, at, len(raw), "packed field")
            values.append(value - (1 << 64) if value >= 1 << 63 else value)
    if message.long(number):
        values.extend([0] * (most + 1))
    return values


def damaged(what: str, at: int, where: str) -> OptimizerError:
    return OptimizerError(f"{what}: the bytes are no ONNX model, or damaged.", f"{where}, byte {at:,}",
                          "Check the file with onnx.checker.check_model('model.onnx') and upload it again.", "damaged")
