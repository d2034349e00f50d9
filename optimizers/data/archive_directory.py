"""The directory of a zip file, record by record, from bytes alone.  APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from optimizers.errors import OptimizerError

END, END64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
CENTRAL = struct.Struct("<4s6H3I5H2I")
LARGEST16, LARGEST32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Record:
    """One line of the directory, as it stands there."""

    name: str
    raw_name: bytes
    size: int
    stored: int
    method: int
    crc: int
    start: int
    mode: int               # Unix mode, 0 where the archive was made elsewhere
    encrypted: bool
    directory_at: int       # where the directory begins: all data lies before

    @property
    def folder(self) -> bool:
        return self.raw_name.endswith(b"/") or self.mode & 0o170000 == 0o040000


def records(file: BinaryIO, most: int, most_bytes: int) -> list[Record]:
    """All records, at most `most` in at most `most_bytes` of directory.  Raises OptimizerError."""
    count, size, at = place(file)
    if count > most:
        raise OptimizerError(f"The archive has {count:,} entries; at most {most:,} are read.", "zip directory",
                             "Upload a part of the data, or pack it as one .npz file.", "too-many-entries")
    if size > most_bytes:
        raise OptimizerError(f"The archive's directory has {size:,} bytes; at most {most_bytes:,} are read.", "zip directory",
                             "Use shorter file names or fewer files.", "directory-too-large")
    file.seek(at)
    directory = file.read(size)
    found, offset = [], 0
    for index in range(count):
        record, offset = one(directory, offset, index, at)
        found.append(record)
    if offset != size:
        raise damaged(f"The zip directory has {size - offset:,} bytes more than its {count:,} entries need.")
    return found


def place(file: BinaryIO) -> tuple[int, int, int]:
    """(entries, directory bytes, directory offset) from the end record, the 64-bit one where there is one."""
    length = file.seek(0, os.SEEK_END)
    tail_at = max(0, length - 65_557)
    file.seek(tail_at)
    tail = file.read(65_557)
    found = tail.rfind(END)
    while found >= 0 and (found + 22 > len(tail) or found + 22 + int.from_bytes(tail[found + 20:found + 22], "little") != len(tail)):
        found = tail.rfind(END, 0, found)
    if found < 0:
        raise OptimizerError("The zip file has no directory at its end: it is cut off.", f"byte {length:,}",
                             "Upload it again; compare its size with the original.", "truncated")
    disk, first, here, count, size, at, _ = struct.unpack("<4H2IH", tail[found + 4:found + 22])
    end = tail_at + found
    file.seek(max(0, end - 20))
    if file.read(4) == LOCATOR or LARGEST16 in (here, count) or LARGEST32 in (size, at):    # some writers add the 64-bit record unasked
        disk, first, here, count, size, at, end = place64(file, end)
    if disk or first or here != count:
        raise damaged("The archive is one part of several.")
    if at + size != end:
        raise damaged("The zip directory is not where the end record says, so bytes were added or lost.")
    return count, size, at


def place64(file: BinaryIO, end: int) -> tuple[int, int, int, int, int, int, int]:
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if end < 20 or locator[:4] != LOCATOR:
        raise damaged("The archive needs a 64-bit end record and has none.")
    at64 = int.from_bytes(locator[8:16], "little")
    if at64 + 56 > end:
        raise damaged("The 64-bit end record lies outside the file.")
    file.seek(at64)
    record = file.read(56)
    if record[:4] != END64:
        raise damaged("The 64-bit end record is not where the file says.")
    disk, first, here, count, size, at = struct.unpack("<2I4Q", record[16:56])
    return disk, first, here, count, size, at, at64


def one(directory: bytes, offset: int, index: int, at: int) -> tuple[Record, int]:
    if offset + CENTRAL.size > len(directory):
        raise damaged(f"The zip directory ends in record {index + 1}.")
    (magic, made, _need, flags, method, _time, _date, crc, stored, size, name_length, extra_length, comment_length, _disk, _internal,
     external, start) = CENTRAL.unpack_from(directory, offset)
    name_at = offset + CENTRAL.size
    extra_at = name_at + name_length
    after = extra_at + extra_length + comment_length
    if magic != b"PK\x01\x02" or after > len(directory):
        raise damaged(f"Record {index + 1} of the zip directory is damaged.")
    raw = directory[name_at:extra_at]
    size, stored, start = wide(directory[extra_at:extra_at + extra_length], size, stored, start)
    if start + 30 + stored > at:
        raise damaged(f"Record {index + 1} of the zip directory points outside the file.")
    mode = external >> 16 if made >> 8 == 3 else 0
    return Record(text(raw, bool(flags & 0x800)), raw, size, stored, method, crc, start, mode, bool(flags & 0x2041), at), after


def wide(extra: bytes, size: int, stored: int, start: int) -> tuple[int, int, int]:
    """The 64-bit values of the extra field, for those that did not fit into 32."""
    offset = 0
    while offset + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, offset)
        body = extra[offset + 4:offset + 4 + length]
        if kind == 1:
            values = [int.from_bytes(body[i:i + 8], "little") for i in range(0, len(body) - 7, 8)]
            try:
                size = values.pop(0) if size == LARGEST32 else size
                stored = values.pop(0) if stored == LARGEST32 else stored
                start = values.pop(0) if start == LARGEST32 else start
            except IndexError as fault:
                raise damaged("A 64-bit size is missing in the zip directory.") from fault
        offset += 4 + length
    return size, stored, start


def text(raw: bytes, utf8: bool) -> str:
    """Names are UTF-8 when they can be (most tools), else the code page of old."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        if utf8:
            raise damaged("A file name says it is UTF-8 and is not.") from fault
        return raw.decode("cp437")


def damaged(wrong: str) -> OptimizerError:
    return OptimizerError(wrong, "zip directory", "Make the zip again with an ordinary tool and upload that.", "broken-zip")
