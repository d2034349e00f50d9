"""Tensors of few different numbers stored as those numbers and a short code for each place: what makes shared weights a small file.

Seen from the numbers alone, so it does not matter which technique shared them, and a tensor that was trained apart again stays as it is.
What is rebuilt is the same bit for bit.
"""

from __future__ import annotations

import numpy as np
import onnx

from optimizers.export.packed import OPSET, Coded, packed
from optimizers.models.graph import constants, opset

MOST = 256              # different numbers that a code of 8 bits tells apart
LOOKED_AT = 4096        # numbers that are counted before all are sorted
BESIDE = 200            # bytes of the nodes and names that rebuild one tensor, at most


def with_books(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A new graph in which float32 and int8 tensors of at most 256 different numbers are rebuilt from codes, where that is smaller.

    The graph itself where no tensor is such, or where its operator set is too old.
    """
    if opset(proto) < OPSET:
        return proto
    table = {name: coded for name, array in constants(proto).items() if (coded := in_codes(array)) is not None}
    return packed(proto, table) if table else proto


def in_codes(array: np.ndarray) -> Coded | None:
    """The tensor in codes; None where that would not be smaller.

    The most frequent number comes first: codes of all tensors then look alike, as do their upper bits, whatever codes the file on its way.

    >>> made = in_codes(np.tile(np.array([3, 3, -1, 3, -1, 0.5], np.float32), (200, 1)))
    >>> made.book.tolist(), made.codes[0].tolist(), made.bits
    ([3.0, -1.0, 0.5], [0, 0, 1, 0, 1, 2], 2)
    """
    if array.dtype not in (np.float32, np.int8) or array.ndim < 2 or array.nbytes <= BESIDE:
        return None
    pattern = np.ascontiguousarray(array).reshape(-1).view(np.uint32 if array.dtype == np.float32 else np.uint8)   # tells -0.0 from 0.0
    if len(np.unique(pattern[:LOOKED_AT])) > MOST:
        return None
    found, places, counts = np.unique(pattern, return_inverse=True, return_counts=True)
    bits = max(1, (len(found) - 1).bit_length())
    if bits > 8 or array.size * bits / 8 + len(found) * array.itemsize + BESIDE >= array.nbytes:
        return None
    order = np.argsort(-counts, kind="stable")
    return Coded(np.argsort(order)[places].reshape(array.shape), found.view(array.dtype)[order], bits)
