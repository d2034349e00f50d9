"""A zip file read as a stranger's: every record checked first, every byte counted while it streams, nothing written to disk.

`Archive(path)` reads the directory only and refuses what limits or rules forbid; `stream(entry)` gives an entry's bytes in pieces.
The numbers are the upload rules; a caller may tighten or widen them through `Limits`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from optimizers.data.archive_directory import Record, records
from optimizers.data.archive_names import ignored, normal_name, refuse_nested
from optimizers.errors import OptimizerError

MB, GB = 1 << 20, 1 << 30
PIECE = 1 << 16
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Limits:
    """entries: how many; directory, total, entry: bytes; ratio: expanded / stored, once `free` bytes came out; depth: folders."""

    entries: int = 200_000
    directory: int = 64 * MB
    total: int = 50 * GB
    entry: int = 2 * GB
    ratio: int = 100
    free: int = 10 * MB
    depth: int = 12
    nested: frozenset[str] = frozenset()        # suffixes of nested archives that are allowed, such as ".gz" for idx pairs


@dataclass(frozen=True)
class Entry:
    """One regular file. size and stored are what the directory says; `stream` holds them against the bytes."""

    name: str           # NFC, "/" between folders, never absolute, never ".."
    size: int
    stored: int
    method: int
    crc: int
    start: int          # offset of the local header
    stop: int           # where the next record starts: data must end before

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split("/"))


class Archive:
    """The regular files of a zip, in directory order, without the litter that desktops add.  Use as a context manager.

    Raises OptimizerError for every broken rule; names the entry, the limit and the value.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path, self.limits = path, limits or Limits()
        self._file: BinaryIO = path.open("rb")
        try:
            self.folders: list[str] = []
            self.entries = tuple(self._checked(records(self._file, self.limits.entries, self.limits.directory)))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _checked(self, found: list[Record]) -> Iterator[Entry]:
        seen: set[str] = set()
        total = stored = 0
        starts = sorted(record.start for record in found)
        following = dict(zip(starts, [*starts[1:], found[0].directory_at if found else 0]))
        if len(following) < len(found):
            raise broken("Two records of the archive start at the same byte.", self.path.name, "overlapping-records")
        for record in found:
            name = normal_name(record.name, self.limits.depth)
            if name.casefold() in seen:
                raise broken("Two entries have the same name, apart from upper and lower case.", name, "duplicate-entry")
            seen.add(name.casefold())
            refuse_kind(record, name)
            if record.folder:
                if not ignored(name):
                    self.folders.append(name)
                continue
            refuse_sizes(record, name, self.limits)
            total, stored = total + record.size, stored + record.stored
            if total > self.limits.total:
                raise too_big(f"The archive says it expands to more than {self.limits.total // GB} GB.", name)
            if record.start + 30 + len(record.raw_name) + record.stored > following[record.start]:
                raise broken("Two records of the archive overlap, so one piece of the file would be read twice.", name,
                             "overlapping-records")
            if ignored(name):
                continue
            refuse_nested(name, self.limits.nested)
            if total > self.limits.free and total > self.limits.ratio * stored:
                raise bomb("the whole archive", self.limits.ratio)
            yield Entry(name, record.size, record.stored, record.method, record.crc, record.start, following[record.start])

    def read(self, entry: Entry, most: int) -> bytes:
        """All bytes of an entry of at most `most` bytes."""
        if entry.size > most:
            raise too_big(f"An entry of {entry.size:,} bytes is larger than the {most:,} bytes allowed here.", entry.name)
        return b"".join(self.stream(entry))

    def stream(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of an entry in pieces of at most 64 KiB; more than the directory says is never given, so its total holds."""
        come, crc = 0, 0
        for piece in self._expanded(entry):
            come += len(piece)
            if come > entry.size:
                raise broken(f"The entry holds more than the {entry.size:,} bytes the directory says.", entry.name, "size-differs")
            if come > self.limits.free and come > self.limits.ratio * entry.stored:
                raise bomb(entry.name, self.limits.ratio)
            crc = zlib.crc32(piece, crc)
            yield piece
        if come != entry.size:
            raise broken(f"The entry holds {come:,} bytes, the directory says {entry.size:,}.", entry.name, "size-differs")
        if crc != entry.crc:
            raise broken("The entry's checksum differs from its bytes.", entry.name, "checksum-differs")

    def _expanded(self, entry: Entry) -> Iterator[bytes]:
        self._file.seek(entry.start)
        head = self._file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise broken("The directory points at bytes that are no entry.", entry.name, "broken-zip")
        at = entry.start + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        if at + entry.stored > entry.stop:
            raise broken("Two records of the archive overlap, so one piece of the file would be read twice.", entry.name,
                         "overlapping-records")
        left = entry.stored
        inflate = zlib.decompressobj(-15) if entry.method == DEFLATED else None
        while left:
            self._file.seek(at)         # entries may be read side by side
            raw = self._file.read(min(PIECE, left))
            if not raw:
                raise broken("The file ends in the middle of an entry.", entry.name, "truncated")
            at, left = at + len(raw), left - len(raw)
            yield from [raw] if inflate is None else inflated(inflate, raw, entry)
        if inflate is not None and not inflate.eof:
            raise broken("The compressed data ends before it should.", entry.name, "truncated")


def inflated(inflate: zlib._Decompress, raw: bytes, entry: Entry) -> Iterator[bytes]:
    """Bounded pieces: a kilobyte of deflate can hold a megabyte."""
    try:
        while raw:
            piece = inflate.decompress(raw, PIECE)
            if piece:
                yield piece
            raw = inflate.unconsumed_tail
            if inflate.eof and (raw or inflate.unused_data):
                raise broken("There are bytes after the end of the compressed data.", entry.name, "broken-zip")
    except zlib.error as fault:
        raise broken("The compressed data is damaged.", entry.name, "broken-zip") from fault


def refuse_kind(record: Record, name: str) -> None:
    """Only regular files and folders, not encrypted, stored or deflated."""
    kind = {0o120000: "a symbolic link", 0o010000: "a named pipe", 0o020000: "a device", 0o060000: "a device", 0o140000: "a socket"}
    if record.mode & 0o170000 in kind:
        raise OptimizerError(f"The archive holds {kind[record.mode & 0o170000]}; only files and folders are accepted.", name,
                             "Replace it by the file it stands for and zip again.", "not-a-file")
    if record.encrypted:
        raise OptimizerError("The archive is encrypted.", name, "Zip it again without a password.", "encrypted")
    if record.method not in (STORED, DEFLATED):
        raise OptimizerError(f"Compression method {record.method} is not read here; only store and deflate are.", name,
                             "Zip it again with the usual method (deflate).", "compression-method")


def refuse_sizes(record: Record, name: str, limits: Limits) -> None:
    if record.size > limits.entry:
        raise too_big(f"The entry says it has {record.size:,} bytes; at most {limits.entry:,} are read.", name)
    if record.size > limits.free and record.size > limits.ratio * record.stored:
        raise bomb(name, limits.ratio)
    if record.method == STORED and record.size != record.stored:
        raise broken("A stored entry has two different sizes.", name, "size-differs")


def broken(wrong: str, where: str, code: str) -> OptimizerError:
    return OptimizerError(wrong, where, "Make the zip again with an ordinary tool and upload that.", code)


def too_big(wrong: str, where: str) -> OptimizerError:
    return OptimizerError(wrong, where, "Upload a smaller part of the data, or ask the administrator to raise the limit.", "too-large")


def bomb(name: str, ratio: int) -> OptimizerError:
    return OptimizerError(f"The entry expands to more than {ratio} times its stored size, as a zip bomb does.", name,
                          "If the data really is that even, zip it again without compression (zip -0).", "zip-bomb")
