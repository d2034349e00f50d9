"""The idx files of MNIST and its relatives, zipped as a set: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-...

The one place where an archive inside an archive is read: each .gz is expanded as a stream and counted against the idx header.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimizers.data import npy
from optimizers.data.archive import GB, PIECE, Archive, Entry, Limits
from optimizers.data.arrays import from_arrays
from optimizers.data.idx_names import NAME
from optimizers.data.source import Source
from optimizers.errors import OptimizerError

KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LIMITS = Limits(entries=1000, directory=1 << 20, total=20 * GB, entry=20 * GB, nested=frozenset({".gz"}))


def open_idx(path: Path, options: Mapping[str, Any], work: Path) -> Source:
    """Raises OptimizerError."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    with Archive(path, LIMITS) as archive:
        for entry in archive.entries:
            base = entry.name.rpartition("/")[2].lower()
            if not NAME.search(base):
                continue
            split = "test" if base.startswith(("t10k", "test")) else "validation" if base.startswith("val") else "train"
            role = "y" if re.search("label|lbl|idx1", base) else "x"
            if role in arrays.setdefault(split, {}):
                raise OptimizerError(f"There are two files for the {'labels' if role == 'y' else 'images'} of {split}.", entry.name,
                                     "Zip one pair for train and, where there is one, one for test.", "ambiguous-arrays")
            arrays[split][role] = extracted(archive, entry, work / f"idx-{split}-{role}.npy")
    for split, pair in arrays.items():
        for role, name in (("x", "images"), ("y", "labels")):
            if role not in pair:
                raise OptimizerError(f"The {name} of {split} are missing.", path.name,
                                     f"Zip both files: {split}-images-idx3-ubyte.gz and {split}-labels-idx1-ubyte.gz.", "missing-pair")
    if "train" not in arrays:
        raise OptimizerError("No train files were found.", path.name,
                             "Name them train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz.", "no-train")
    return from_arrays({split: (pair["x"], pair["y"]) for split, pair in arrays.items()}, options, "idx images")


def extracted(archive: Archive, entry: Entry, into: Path) -> np.ndarray:
    """One idx array on disk.  Header: 0, 0, type, dimensions, then each extent as a big-endian 32-bit number."""
    pieces = archive.stream(entry)
    if entry.name.lower().endswith(".gz"):
        pieces = gunzipped(pieces, entry, archive.limits)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 4 and len(head) >= 4 + 4 * head[3]:
            break
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in KINDS or not 1 <= head[3] <= 8 or len(head) < 4 + 4 * head[3]:
        raise OptimizerError("This is not an idx file: its first bytes are no idx header.", entry.name,
                             "Zip the original idx files, gzipped or not.", "bad-idx-header")
    start = 4 + 4 * head[3]
    shape = tuple(int.from_bytes(head[4 + 4 * i:8 + 4 * i], "big") for i in range(head[3]))
    what = npy.Header(np.dtype(KINDS[head[2]]), False, shape)
    if what.nbytes > 20 * GB:
        raise OptimizerError(f"The header says shape {shape}, {what.nbytes / GB:,.0f} GB; at most 20 GB are read.", entry.name,
                             "Upload fewer rows.", "too-large")

    def data() -> Iterator[bytes]:
        yield head[start:]
        yield from pieces
    return npy.write(into, what, data(), entry.name)


def gunzipped(pieces: Iterator[bytes], entry: Entry, limits: Limits) -> Iterator[bytes]:
    """A single gzip member as a stream of bounded pieces; the ratio rule of archives holds here too."""
    inflate, out, eaten = zlib.decompressobj(31), 0, 0
    for raw in pieces:
        eaten += len(raw)
        while raw:
            if inflate.eof:
                raise OptimizerError("There are bytes after the end of the gzip data.", entry.name, "Gzip the file again.", "broken-gzip")
            try:
                piece = inflate.decompress(raw, PIECE)
            except zlib.error as fault:
                raise OptimizerError("The gzip data is damaged.", entry.name, "Gzip the file again.", "broken-gzip") from fault
            out += len(piece)
            if out > limits.free and out > limits.ratio * entry.stored:
                raise OptimizerError(f"The file expands to more than {limits.ratio} times its size, as a bomb does.", entry.name,
                                     "Zip the unpacked idx file.", "zip-bomb")
            if piece:
                yield piece
            raw = inflate.unconsumed_tail or inflate.unused_data
    if not inflate.eof:
        raise OptimizerError("The gzip data ends before it should.", entry.name, "Upload it again.", "truncated")
