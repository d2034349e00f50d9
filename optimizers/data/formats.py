"""Which reader opens which file: one line a format. Bytes decide, the suffix must agree; nothing heavy is imported here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers.data.archive import Archive, Limits
from optimizers.data.idx_names import looks_like_idx
from optimizers.data.table_names import looks_like_svmlight, looks_like_tables
from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import refuse_disguise

if TYPE_CHECKING:
    from optimizers.data.source import Source

Report = Callable[[float, str], None]        # share done, 0 to 1, and a note


def silent(fraction: float, note: str = "") -> None:
    """For those whom nobody watches."""


WAYS = ("Upload a zip of class folders (train/cats/1.jpg, ...), a .npz with x and y, a zip of idx .gz files, a table (.csv, .parquet, "
        ".arff, .svm), or a zip of train and test tables.")


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
    "tables": Format((".zip",), "optimizers.data.table_zip:open_zip", long=True),
    "csv": Format((".csv", ".tsv", ".txt", ".data", ".test", ".train"), "optimizers.data.table:open_csv", long=True),
    "parquet": Format((".parquet",), "optimizers.data.table_parquet:open_parquet", long=True),
    "arff": Format((".arff",), "optimizers.data.table_arff:open_arff", long=True),
    "svmlight": Format((".svm", ".libsvm", ".svmlight", ".txt", ".data", ".test", ".train"),
                       "optimizers.data.table_svmlight:open_svmlight", long=True),
}


def format_of(path: Path) -> str:
    """The key of FORMATS for a file, from its bytes; the suffix must agree.  Raises OptimizerError."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise OptimizerError("The file is empty.", path.name, WAYS, "empty")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        kind = zip_kind(path)
    elif head[:4] == b"PAR1":
        kind = "parquet"
    else:
        refuse_disguise(head, path, WAYS)
        kind = text_kind(head)
        if head[:1] in (b"{", b"[") and path.suffix.lower() == ".json":
            raise OptimizerError("This is JSON, not a table.", path.name, WAYS, "unknown-format")
    if path.suffix.lower() not in FORMATS[kind].suffixes:
        suffix = path.suffix or "nothing"
        raise OptimizerError(f"The file's bytes are those of a {FORMATS[kind].suffixes[0]} file, but it is called {suffix}.",
                             path.name, f"Rename it to end in {FORMATS[kind].suffixes[0]} if that is what it is. {WAYS}", "suffix-differs")
    return kind


def text_kind(head: bytes) -> str:
    """
    >>> text_kind(b"% Iris\\n@RELATION iris\\n"), text_kind(b"1 3:0.5\\n"), text_kind(b"a,b\\n")
    ('arff', 'svmlight', 'csv')
    """
    first = next((line for line in head.lower().splitlines() if line.strip() and not line.startswith(b"%")), b"")
    if first.lstrip(b"\xef\xbb\xbf").startswith((b"@relation", b"@attribute")):
        return "arff"
    return "svmlight" if looks_like_svmlight(head) else "csv"


def zip_kind(path: Path) -> str:
    with Archive(path, Limits(entry=20 << 30, nested=frozenset({".gz"}))) as archive:
        names = tuple(entry.name for entry in archive.entries)
    if not names:
        raise OptimizerError("The archive is empty.", path.name, WAYS, "empty")
    refuse_disguise(b"PK\x03\x04", path, WAYS, names)
    if all(name.endswith(".npy") for name in names):
        return "npz"
    if looks_like_idx(names):
        return "idx"
    return "tables" if looks_like_tables(names) else "images"
