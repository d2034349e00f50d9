"""Universal Binary JSON (ubjson.org, draft 12) as XGBoost writes it, read with every length held against the bytes that are left."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Any

from optimizers.errors import OptimizerError

DEEPEST = 32
MOST = 2_000_000            # values outside of typed lists; those cost what their bytes cost
NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
WORTHLESS = {b"T": True, b"F": False, b"Z": None}


def read_ubj(raw: bytes, where: str, mend: str) -> Any:
    """dict, list, array.array, str, number, bool or None.  Raises OptimizerError naming the byte."""
    reader = Reader(raw, where, mend)
    found = reader.value(reader.take(1), 0)
    if reader.at != len(raw):
        raise reader.bad(f"{len(raw) - reader.at:,} bytes follow after the end")
    return found


class Reader:
    def __init__(self, raw: bytes, where: str, mend: str) -> None:
        self.raw, self.where, self.mend = raw, where, mend
        self.at = self.values = 0

    def bad(self, wrong: str, code: str = "bad-ubj") -> OptimizerError:
        return OptimizerError(f"The UBJ is damaged: {wrong}.", f"{self.where}, byte {self.at:,}", self.mend, code)

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.raw) - self.at:
            raise self.bad(f"{count:,} bytes are asked for and {len(self.raw) - self.at:,} are left", "truncated")
        self.at += count
        return self.raw[self.at - count:self.at]

    def value(self, mark: bytes, deep: int) -> Any:
        self.values += 1
        if deep > DEEPEST or self.values > MOST:
            raise self.bad(f"it is nested more than {DEEPEST} deep, or holds more than {MOST:,} values", "too-deep")
        if mark in NUMBERS:
            return self.number(mark)
        if mark in WORTHLESS:
            return WORTHLESS[mark]
        if mark == b"S":
            return self.text()
        if mark == b"C":
            return self.take(1).decode("latin-1")
        if mark == b"[":
            return self.list(deep)
        if mark == b"{":
            return self.table(deep)
        raise self.bad(f"no value begins with {mark!r}")

    def number(self, mark: bytes) -> Any:
        kind = ">" + NUMBERS[mark]
        return struct.unpack(kind, self.take(struct.calcsize(kind)))[0]

    def count(self) -> int:
        mark = self.take(1)
        if mark not in NUMBERS or mark in b"dD":
            raise self.bad(f"a length begins with {mark!r}")
        found = self.number(mark)
        if not 0 <= found <= len(self.raw) - self.at:           # whatever is counted takes a byte at least
            raise self.bad(f"a length of {found:,} is said and {len(self.raw) - self.at:,} bytes are left", "truncated")
        return found

    def text(self) -> str:
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError:
            raise self.bad("a text is not UTF-8") from None

    def header(self) -> tuple[bytes | None, int | None]:
        """(type, count) of a container, where they are said."""
        kind = None
        if self.raw[self.at:self.at + 1] == b"$":
            kind = self.take(2)[1:]
            if self.raw[self.at:self.at + 1] != b"#":
                raise self.bad("a type is said without a count")
        if self.raw[self.at:self.at + 1] != b"#":
            return kind, None
        self.take(1)
        return kind, self.count()

    def list(self, deep: int) -> Any:
        kind, count = self.header()
        if kind is not None:
            return self.numbers(kind, count or 0)
        found: list[Any] = []
        while len(found) != count if count is not None else self.raw[self.at:self.at + 1] != b"]":
            found.append(self.value(self.take(1), deep + 1))
        if count is None:
            self.take(1)
        return found

    def numbers(self, kind: bytes, count: int) -> array[Any]:
        """A typed list; types without bytes of their own would be a bomb, and XGBoost writes none."""
        if kind not in NUMBERS:
            raise self.bad(f"a list of the type {kind!r}")
        found = array(NUMBERS[kind])
        found.frombytes(self.take(count * found.itemsize))
        if sys.byteorder == "little":
            found.byteswap()
        return found

    def table(self, deep: int) -> dict[str, Any]:
        kind, count = self.header()
        if kind is not None:
            raise self.bad("an object of one type")
        found: dict[str, Any] = {}
        while len(found) != count if count is not None else self.raw[self.at:self.at + 1] != b"}":
            name = self.text()
            if name in found:
                raise self.bad(f"an object names '{name[:60]}' twice", "duplicate-key")
            found[name] = self.value(self.take(1), deep + 1)
        if count is None:
            self.take(1)
        return found
