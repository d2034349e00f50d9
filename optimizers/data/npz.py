"""Datasets in a .npz file: x and y, or one pair for each split, under the names people give them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimizers.cards import Problem
from optimizers.data import npy
from optimizers.data.archive import GB, Archive, Limits
from optimizers.data.arrays import from_arrays
from optimizers.data.source import Source, info
from optimizers.errors import OptimizerError

X_NAMES = {"x", "images", "image", "data", "features", "inputs", "input", "imgs"}
Y_NAMES = {"y", "labels", "label", "target", "targets", "output", "outputs"}
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "validation", "valid": "validation",
          "validation": "validation", "dev": "validation"}
LIMITS = Limits(entries=1000, directory=1 << 20, total=20 * GB, entry=20 * GB, depth=1)
MOST = 20 * GB


def open_npz(path: Path, options: Mapping[str, Any], work: Path) -> Source:
    """Raises OptimizerError.  Arrays are put into `work` and mapped from there."""
    with Archive(path, LIMITS) as archive:
        entries = {entry.name.removesuffix(".npy"): entry for entry in archive.entries}
        heads = {name: head_of(archive, entry) for name, entry in entries.items()}
        total = sum(head.nbytes for head, _ in heads.values())
        if total > MOST:
            raise OptimizerError(f"The arrays expand to {total / GB:.1f} GB; at most 20 GB are read.", path.name,
                                 "Upload fewer rows, or bytes (uint8) in place of floats.", "too-large")
        pairs, problems = pairs_of(tuple(heads), path.name)
        arrays: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        for split, names in pairs.items():
            x, y = (extracted(archive, entries[name], *heads[name], work / f"npz-{split}-{role}.npy") if name else None
                    for role, name in zip("xy", names))
            assert x is not None
            arrays[split] = (x, y)
    return from_arrays(arrays, options, f"Arrays in {path.suffix[1:]}", problems)


def head_of(archive: Archive, entry: Any) -> tuple[npy.Header, int]:
    """Header and data offset; the size in the directory must be what the shape needs, before a byte of data is expanded."""
    if not entry.name.endswith(".npy"):
        raise OptimizerError("The file holds a member that is not an array.", entry.name, "Save it with np.savez: only .npy members.",
                             "not-npy")
    head = b""
    for piece in archive.stream(entry):
        head += piece
        if len(head) >= 12 + npy.LONGEST:
            break
    what, start = npy.header(head, entry.name)
    if entry.size != start + what.nbytes:
        raise npy.bad(f"Shape {what.shape} of {what.dtype} needs {what.nbytes:,} bytes, the file has {entry.size - start:,}.", entry.name,
                      "size-differs")
    return what, start


def extracted(archive: Archive, entry: Any, what: npy.Header, start: int, into: Path) -> np.ndarray:
    def data() -> Any:
        skip = start
        for piece in archive.stream(entry):
            yield piece[skip:]
            skip = max(0, skip - len(piece))
    return npy.write(into, what, data(), entry.name)


def pairs_of(names: tuple[str, ...], where: str) -> tuple[dict[str, tuple[str, str | None]], tuple[Problem, ...]]:
    """split ("" for all rows) -> (name of x, name of y); no y where the file has no labels at all.

    >>> pairs_of(("x_train", "y_train", "x_test", "y_test"), "a.npz")[0]
    {'train': ('x_train', 'y_train'), 'test': ('x_test', 'y_test')}
    """
    found: dict[tuple[str, str], str] = {}
    for name in names:
        words = [word for word in name.lower().replace("-", "_").split("_") if word]
        split = next((SPLITS[word] for word in words if word in SPLITS), "")
        rest = [word for word in words if word not in SPLITS]
        role = "y" if any(word in Y_NAMES for word in rest) else "x" if not rest or any(word in X_NAMES for word in rest) else ""
        if role and (split, role) in found:
            raise OptimizerError(f"Both '{found[split, role]}' and '{name}' could be {role}{' of ' + split if split else ''}.", where,
                                 "Keep one, and name the arrays x and y (or x_train, y_train, x_test, y_test).", "ambiguous-arrays")
        if role:
            found[split, role] = name
    bare = not any(role == "y" for _, role in found)
    splits = [split for split in ("", "train", "validation", "test") if (split, "x") in found and (bare or (split, "y") in found)]
    if "" in splits:
        splits = [""]
    if not splits or (splits != [""] and "train" not in splits):
        raise OptimizerError(f"Neither rows nor a pair of rows and labels was found among the arrays "
                             f"{', '.join(sorted(names)) or '(none)'}.", where,
                             "Name them x and y, or x_train, y_train, x_test, y_test: np.savez('data.npz', x=x, y=y).", "no-arrays")
    pairs = {split: (found[split, "x"], found.get((split, "y"))) for split in splits}
    unused = sorted(set(names) - set(itertools.chain(*pairs.values())))
    notes = (info(f"Arrays not used: {', '.join(unused)}.", where, code="unused-arrays"),) if unused else ()
    return pairs, notes
