"""Which reader opens which file: one line a format. Bytes decide, the suffix must agree; nothing heavy is imported here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers.data.archive import Archive, Limits
from optimizers.data.idx_names import looks_like_idx
from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import refuse_disguise

if TYPE_CHECKING:
    from optimizers.data.source import Source

Report = Callable[[float, str], None]        # share done, 0 to 1, and a note


def silent(fraction: float, note: str = "") -> None:
    """For those whom nobody watches."""


WAYS = ("Upload a zip of class folders (train/cats/1.jpg, ...), a .npz with x and y, a zip of idx .gz files, or a .csv table.")


@dataclass(frozen=True)
class Format:
    """suffixes: what a file of this kind may be called.  reader: module:function(path, options, work) -> Source.
    long: the reader takes a fourth argument, to be told how far it is."""

    suffixes: tuple[str, ...]
    reader: str
    long: bool = False

    def open(self, path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
        module, function = self.reader.split(":")
        opener: Callable[..., Source] = getattr(importlib.import_module(module), function)
        work.mkdir(parents=True, exist_ok=True)
        return opener(path, options, work, report) if self.long else opener(path, options, work)


FORMATS = {
    "images": Format((".zip",), "optimizers.data.images:open_images"),
    "idx": Format((".zip",), "optimizers.data.idx:open_idx"),
    "npz": Format((".npz",), "optimizers.data.npz:open_npz"),
    "csv": Format((".csv", ".tsv", ".txt"), "optimizers.data.table:open_csv", long=True),
}


def format_of(path: Path) -> str:
    """The key of FORMATS for a file, from its bytes; the suffix must agree.  Raises OptimizerError."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise OptimizerError("The file is empty.", path.name, WAYS, "empty")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        kind = zip_kind(path)
    else:
        refuse_disguise(head, path, WAYS)
        kind = "csv"
        if head[:1] in (b"{", b"[") and path.suffix.lower() == ".json":
            raise OptimizerError("This is JSON, not a table.", path.name, WAYS, "unknown-format")
    if path.suffix.lower() not in FORMATS[kind].suffixes:
        suffix = path.suffix or "nothing"
        raise OptimizerError(f"The file's bytes are those of a {FORMATS[kind].suffixes[0]} file, but it is called {suffix}.",
                             path.name, f"Rename it to end in {FORMATS[kind].suffixes[0]} if that is what it is. {WAYS}", "suffix-differs")
    return kind


def zip_kind(path: Path) -> str:
    with Archive(path, Limits(entry=20 << 30, nested=frozenset({".gz"}))) as archive:
        names = tuple(entry.name for entry in archive.entries)
    if not names:
        raise OptimizerError("The archive is empty.", path.name, WAYS, "empty")
    refuse_disguise(b"PK\x03\x04", path, WAYS, names)
    if all(name.endswith(".npy") for name in names):
        return "npz"
    return "idx" if looks_like_idx(names) else "images"
