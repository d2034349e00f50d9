"""What zeros would save where they are stored cheaply, and what they do not: a sentence for every candidate that has many."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from optimizers.models.graph import constants

if TYPE_CHECKING:
    from optimizers.measure.shipped import Shipped


def bitmask_bytes(w: np.ndarray) -> int:
    """One bit a weight, and the values that are not zero.

    >>> bitmask_bytes(np.array([[0, 0, 0, 7], [0, 0, 0, 0], [0, 5, 0, 0]], np.float32))
    10
    """
    return -(-w.size // 8) + int(np.count_nonzero(w)) * w.itemsize


def csr_bytes(w: np.ndarray) -> int:
    """Values that are not zero with their columns, and where each row begins; rows: the first axis. Indices are as short as they can be.

    >>> csr_bytes(np.array([[0, 0, 0, 7], [0, 0, 0, 0], [0, 5, 0, 0]], np.float32))
    14
    """
    rows, left = len(w), int(np.count_nonzero(w))
    return left * (w.itemsize + index_bytes(w.size // max(1, rows))) + (rows + 1) * index_bytes(left + 1)


def index_bytes(count: int) -> int:
    """Bytes of a whole number below `count`."""
    return 1 if count <= 2**8 else 2 if count <= 2**16 else 4


def stored(shipped: Shipped) -> dict[str, int]:
    """Bytes of the whole file by format; a tensor that would only grow stays dense."""
    found = {"a bitmask and the values": shipped.bytes, "compressed rows (CSR)": shipped.bytes}
    for w in constants(shipped.network.proto).values():
        if w.ndim > 1 and w.size and w.dtype.kind in "fiu":
            for name, count in zip(found, (bitmask_bytes(w), csr_bytes(w)), strict=True):
                found[name] -= max(0, w.nbytes - count)
    return found | {"the file zipped (zlib)": len(zlib.compress(shipped.content, 9))}


def sentences(shipped: Shipped) -> tuple[str, ...]:
    """The size a sparse network has, the best it could have and the others, and that zeros take their time all the same.

    Nothing where no tensor would be smaller: a network that lost its zeros on the way, to fresh weights say.
    """
    found = stored(shipped)
    if found["a bitmask and the values"] >= shipped.bytes:
        return ()
    sizes = sorted(found.items(), key=lambda pair: pair[1])
    kib = [f"{name} {count / 1024:.1f} KiB" for name, count in sizes]
    return (f"Its zeros are stored like any number: the file has {shipped.bytes / 1024:.1f} KiB, as if it were dense. "
            f"Stored sparse, the smallest would be {kib[0]}; then {', '.join(kib[1:])}.",
            "ONNX Runtime multiplies by zeros at full cost, and so does generated C: this sparsity saves no time there.")
