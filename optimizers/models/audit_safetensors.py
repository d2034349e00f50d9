"""A safetensors header by the rules of the format: 8 bytes of length, JSON, then tensors without gaps or overlap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizers.errors import OptimizerError
from optimizers.models.audit_json import Bounds, read_json

LONGEST = 10 << 20
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
        "F32": 32, "F64": 64, "I64": 64, "U64": 64}
SAVE = "Save it again: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
DEEPEST = 4         # brackets inside brackets; a header needs 3


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """A length that fits the file, then a JSON object."""
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def audit_safetensors(path: Path) -> dict[str, dict[str, Any]]:
    """tensor name -> {dtype, shape, data_offsets}, every rule checked.  Raises OptimizerError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        length = int.from_bytes(first, "little")
        if len(first) < 8 or length > size - 8:
            raise wrong(f"The header says it is {length:,} bytes long; the file has {max(size - 8, 0):,} after it: it is cut off or no "
                        "safetensors file.", path, "truncated")
        if length > LONGEST:
            raise wrong(f"The header is {length:,} bytes long; at most 10 MB are read.", path, "header-too-long")
        raw = file.read(length)
    header = parsed(raw, path)
    if not header:
        raise wrong("The file holds no tensor.", path, "empty")
    offset = 0
    for name, tensor in sorted(header.items(), key=lambda item: start_of(item, path)):
        offset = checked(name, tensor, offset, path)
    if offset != size - 8 - length:
        raise wrong(f"The tensors take {offset:,} bytes, the file has {size - 8 - length:,} for them: it is cut off or was added to.", path,
                    "size-differs")
    return header


def parsed(raw: bytes, path: Path) -> dict[str, dict[str, Any]]:
    if raw[:1] != b"{":
        raise wrong("The header is no JSON object.", path, "bad-header")
    found = read_json(raw, path.name, SAVE, Bounds(depth=DEEPEST, size=LONGEST))
    notes = found.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise wrong("The metadata of the header is not text.", path, "bad-header")
    return found


def start_of(item: tuple[str, Any], path: Path) -> tuple[int, int]:
    name, tensor = item
    fields = tensor if isinstance(tensor, dict) else {}
    offsets, shape = fields.get("data_offsets"), fields.get("shape")
    if set(fields) != {"dtype", "shape", "data_offsets"} or not whole(offsets) or len(offsets) != 2 or not whole(shape):
        raise wrong(f"Tensor '{name[:80]}' is not described by dtype, shape and data_offsets.", path, "bad-header")
    return offsets[0], offsets[1]


def whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in numbers)


def checked(name: str, tensor: dict[str, Any], offset: int, path: Path) -> int:
    """The end of a tensor that starts at `offset` and is as long as its shape and type say."""
    dtype, shape, (start, stop) = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
    if dtype not in BITS:
        raise wrong(f"Tensor '{name[:80]}' has the unknown type {str(dtype)[:20]}.", path, "unknown-dtype")
    if len(shape) > 8:
        raise wrong(f"Tensor '{name[:80]}' has {len(shape)} dimensions; at most 8 are read.", path, "too-many-dimensions")
    size = BITS[dtype] // 8
    for extent in shape:
        size *= extent
    if start != offset:
        raise wrong(f"Tensor '{name[:80]}' starts at byte {start:,} where {offset:,} was due: tensors overlap or leave gaps.", path,
                    "bad-offsets")
    if stop - start != size:
        raise wrong(f"Tensor '{name[:80]}' of shape {shape} and type {dtype} needs {size:,} bytes and has {stop - start:,}.", path,
                    "bad-offsets")
    return stop


def wrong(what: str, path: Path, code: str) -> OptimizerError:
    return OptimizerError(what, path.name, SAVE, code)
