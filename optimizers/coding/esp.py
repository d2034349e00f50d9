"""model.esp: a model file in which each weight tensor is coded by what it is, and the rest by DEFLATE. Lossless: `decode.py` gives the
file back byte for byte.

What a tensor is, is seen from its numbers: few distinct ones (int8, int4, clustered) become places in a list, and the places are entropy
coded; many zeros become a mask and the numbers that are left; floats are split into planes of bytes, of which that of the exponent says
little. Which of these is taken is decided by what each would weigh.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import onnx

from optimizers.coding import decode, rans
from optimizers.coding.lists import Lists, counted, number

LEAST = decode.SHORTEST  # bytes: shorter tensors stay among the rest, where DEFLATE sees them together
MOST_VALUES = decode.MOST_LISTS     # distinct numbers that a list may hold
SAMPLE = 1 << 16        # numbers that are looked at before all are sorted
TRIED = 1 << 16         # bytes by which DEFLATE is judged where there are more
LONG_LIST = 256         # distinct numbers beyond which other ways are tried beside the list
WIDTHS = {onnx.TensorProto.FLOAT: 4, onnx.TensorProto.INT32: 4, onnx.TensorProto.UINT32: 4, onnx.TensorProto.FLOAT16: 2,
          onnx.TensorProto.BFLOAT16: 2, onnx.TensorProto.INT16: 2, onnx.TensorProto.UINT16: 2, onnx.TensorProto.DOUBLE: 8,
          onnx.TensorProto.INT64: 8, onnx.TensorProto.UINT64: 8}       # bytes of one number; 1 for all others

Piece = tuple[bytes, bytes]     # what goes into the head, what goes into the body
Way = tuple[float, Callable[[], Piece]]     # about how many bytes, and how to make it


def encode(content: bytes) -> bytes:
    """content: a serialized ONNX model. Raises AssertionError if decoding did not give it back, which no file should bring about."""
    head, body, between, end = [], [], [], 0
    places = list(tensors(content))
    lists = Lists([np.frombuffer(content, np.uint8, stop - start, start) for start, stop, width in places if width == 1])
    for start, stop, width in places:
        described, coded = best(np.frombuffer(content, np.uint8, stop - start, start), width, lists)
        head.append(number(start - end) + number(stop - start) + described)
        body.append(coded)
        between.append(content[end:start])
        end = stop
    whole = lists.written() + number(len(head)) + b"".join(head) + b"".join(between) + content[end:]
    packed = zlib.compress(whole, 9)
    start_of_file = decode.START.pack(b"ESP1", len(content), len(packed), len(whole), hashlib.sha256(content).digest())
    made = b"".join((start_of_file, packed, *body))
    assert decode.decode(made, max(decode.MOST, len(content))) == content
    return made


def tensors(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, stop, bytes of one number) of every stored tensor of the main graph, in the order of the file.

    Where the same bytes stand earlier by chance, those are taken: for coding it makes no difference which.
    """
    graph = onnx.load_model_from_string(content).graph
    held = [attribute.t for node in graph.node if node.op_type == "Constant" for attribute in node.attribute if attribute.HasField("t")]
    at = 0
    for tensor in (*held, *graph.initializer):
        raw = tensor.raw_data or np.asarray(tensor.float_data, "<f4").tobytes()
        width = WIDTHS.get(tensor.data_type, 1)
        if len(raw) >= LEAST and len(raw) % width == 0 and (start := content.find(raw, at)) >= 0:
            at = start + len(raw)
            yield start, at, width


def best(raw: np.ndarray, width: int, lists: Lists) -> Piece:
    """The lightest way to write bytes that are numbers of `width` bytes each."""
    ways: list[Way] = [(len(raw), lambda: (number(decode.STORED), raw.tobytes())), deflated(raw)]
    numbers = raw.view(f"<u{width}") if width > 1 else raw
    if listed := few(numbers):
        ways.append(as_list(numbers, *listed, lists))
    if width == 1:
        halves = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)
        weight, make = as_list(halves, *counted(halves), lists)
        ways.append((weight, lambda: behind(number(decode.NIBBLES), make())))
    elif not listed or len(listed[0]) > LONG_LIST:
        zero = numbers == 0
        ways.append(as_mask(numbers, width, zero, lists) if zero.mean() > 0.02 else as_planes(raw, width, lists))
    return min(ways, key=lambda way: way[0])[1]()


def deflated(raw: np.ndarray) -> Way:
    """Judged by the beginning where there is much."""
    part = zlib.compress(raw[:TRIED].tobytes(), 9)

    def make() -> Piece:
        packed = part if len(raw) <= TRIED else zlib.compress(raw.tobytes(), 9)
        return number(decode.DEFLATED) + number(len(packed)), packed

    return len(part) * max(1.0, len(raw) / TRIED), make


def few(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Distinct numbers, ascending, and how often each occurs; None where there are too many."""
    if numbers.dtype.itemsize > 1 and len(np.unique(numbers[:SAMPLE])) > min(MOST_VALUES, len(numbers[:SAMPLE]) // 2):
        return None
    values, counts = counted(numbers)
    return (values, counts) if len(values) <= MOST_VALUES else None


def as_list(numbers: np.ndarray, values: np.ndarray, counts: np.ndarray, lists: Lists) -> Way:
    """Places in a list of numbers, by range asymmetric numeral systems."""
    weight, take = lists.lightest(values, counts)

    def make() -> Piece:
        which = take()
        listed = lists.kept[which]
        head = number(decode.SYMBOLS) + number(which)
        if len(listed.values) == 1:
            return head, b""
        lanes = rans.lanes_for(len(numbers))
        coded = rans.encode(np.searchsorted(listed.values, numbers).astype(np.uint16), listed.shares, listed.bits, lanes)
        return head + number(lanes) + number((len(coded) - 4 * lanes) // 2), coded

    return weight + 2 * rans.lanes_for(len(numbers)) + 4, make


def as_mask(numbers: np.ndarray, width: int, zero: np.ndarray, lists: Lists) -> Way:
    """Where there is a number and where a zero; then the numbers."""
    mask, held = (~zero).astype(np.uint8), numbers[~zero]
    weight, make = as_list(mask, *counted(mask), lists)
    rest, make_rest = as_planes(held.view(np.uint8), width, lists) if len(held) else (0.0, lambda: (number(decode.STORED), b""))

    def whole() -> Piece:
        (one, two), (three, four) = make(), make_rest()
        return number(decode.SPARSE) + number(width) + number(len(held)) + one + three, two + four

    return weight + rest, whole


def as_planes(raw: np.ndarray, width: int, lists: Lists) -> Way:
    """The first bytes of all numbers together, then the second bytes, ...; each plane in its own lightest way."""
    planes = [np.ascontiguousarray(raw[place::width]) for place in range(width)]
    ways = [min((float(len(plane)), plain(plane)), as_list(plane, *counted(plane), lists), key=lambda way: way[0]) for plane in planes]

    def whole() -> Piece:
        made = [make() for _, make in ways]
        return number(decode.PLANES) + number(width) + b"".join(head for head, _ in made), b"".join(body for _, body in made)

    return sum(weight for weight, _ in ways), whole


def behind(words: bytes, made: Piece) -> Piece:
    return words + made[0], made[1]


def plain(raw: np.ndarray) -> Callable[[], Piece]:
    return lambda: (number(decode.STORED), raw.tobytes())
