"""The header of a .npy member, read by a pattern and held against the bytes that are really there. Nothing is ever unpickled.

numpy/lib/format.py, versions 1.0 to 3.0; structured and object types are not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from optimizers.errors import OptimizerError

MAGIC = b"\x93NUMPY"
LONGEST = 10_000        # characters of a header, as numpy itself allows
KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
HEADER = re.compile(
    r"^\{'descr': *'([<>|=]?)([a-zA-Z])(\d*)(?:\[\w+\])?', *'fortran_order': *(True|False), *'shape': *\(([\d, L]*)\),? *\} *\n?$")


@dataclass(frozen=True)
class Header:
    dtype: np.dtype
    fortran: bool
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize       # Python's whole numbers do not overflow


def header(head: bytes, where: str) -> tuple[Header, int]:
    """(header, bytes before the data) from the first bytes of a .npy file.  Raises OptimizerError."""
    if head[:6] != MAGIC or len(head) < 12:
        raise bad("This member is not a numpy array.", where, "not-npy")
    wide = head[6] >= 2
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    start = 12 if wide else 10
    if head[6] not in (1, 2, 3) or length > LONGEST or start + length > len(head):
        raise bad("The header of the array is damaged, or longer than 10,000 characters.", where, "bad-npy-header")
    text = head[start:start + length].decode("latin-1")
    found = HEADER.match(text)
    if found is None:
        objects = "O" in text.split("fortran_order")[0]
        raise object_array(where) if objects else bad("The array has a structured or unknown type; plain numbers are read.", where,
                                                      "structured-array")
    order, kind, size, fortran, shape = found.groups()
    if kind == "O":
        raise object_array(where)
    if kind not in KINDS or int(size or 0) not in KINDS[kind]:
        what = {"U": "text", "S": "text", "c": "complex numbers", "M": "dates", "m": "time spans"}.get(kind, f"type '{kind}{size}'")
        raise OptimizerError(f"The array holds {what}; only numbers are read.", where,
                             "Save labels as numbers: names, y = np.unique(y, return_inverse=True).", "not-numeric")
    numbers = tuple(int(n) for n in re.findall(r"\d+", shape))
    if len(numbers) > 8 or any(n >= 1 << 40 for n in numbers) or prod(numbers) * int(size) >= 1 << 45:
        raise bad(f"The array says its shape is {numbers}, which no file can hold.", where, "shape-too-large")
    return Header(np.dtype(f"{order or '='}{kind}{size}"), fortran == "True", numbers), start + length


def object_array(where: str) -> OptimizerError:
    return OptimizerError(
        "The array holds Python objects, which means a pickle inside; pickles can run code and are never opened.", where,
        "Save plain numbers: np.savez('data.npz', x=np.stack(list(x)).astype('float32'), y=y.astype('int64')).", "pickle")


def bad(wrong: str, where: str, code: str) -> OptimizerError:
    return OptimizerError(wrong, where, "Save the file again with np.savez or np.savez_compressed.", code)


def write(into: Path, what: Header, pieces: Iterator[bytes], where: str) -> np.ndarray:
    """Put the data of an array on disk piece by piece and map it read-only.  Raises OptimizerError when bytes are missing or left."""
    with into.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": what.dtype.str, "fortran_order": what.fortran, "shape": what.shape})  # type: ignore[arg-type]
        come = 0
        for piece in pieces:
            come += len(piece)
            if come > what.nbytes:
                raise bad(f"The member holds more than the {what.nbytes:,} bytes of its shape {what.shape}.", where, "size-differs")
            file.write(piece)
    if come != what.nbytes:
        raise bad(f"The member holds {come:,} bytes, its shape {what.shape} needs {what.nbytes:,}.", where, "size-differs")
    if not what.nbytes:
        return np.zeros(what.shape, what.dtype)
    return np.load(into, mmap_mode="r", allow_pickle=False)
