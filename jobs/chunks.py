"""Chunks of at most 1 MB, and the raw cursor their bytes travel through.

A raw, server-bound, binary cursor on Django's own connection is in Django's transaction. Django's cursor would bind on the client and
turn every byte into hex text, which is four to five times slower.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

CHUNK = 1024 * 1024
BATCH = 8                       # chunks that are looked up and locked together, in the order of their hashes


@contextmanager
def raw() -> Iterator[psycopg.Cursor[Any]]:
    """A server-bound binary cursor on Django's connection."""
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.format = psycopg.pq.Format.BINARY
        yield cursor


def keep_chunks(wanted: dict[bytes, bytes]) -> None:
    """Make sure each chunk is there and stays there until the transaction ends.

    A row that is there is locked FOR KEY SHARE: uploads of the same content do not wait for one another, the sweep skips it. Both the
    locks and the inserts go in the order of the hashes, so that two uploads never wait for each other in a ring.
    """
    with raw() as cursor:
        cursor.execute("SELECT sha256, last_seen < now() - interval '1 hour' FROM store_chunk WHERE sha256 = ANY(%b) "
                       "ORDER BY sha256 FOR KEY SHARE", [list(wanted)])
        there = dict(cursor.fetchall())
        if stale := [sha for sha, old in there.items() if old]:
            cursor.execute("UPDATE store_chunk SET last_seen = now() WHERE sha256 = ANY(%b)", [stale])
        for sha in sorted(wanted.keys() - there.keys()):
            cursor.execute("INSERT INTO store_chunk (sha256, size, data) VALUES (%b, %b, %b) ON CONFLICT DO NOTHING",
                           [sha, len(wanted[sha]), wanted[sha]])


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of exactly 1 MB, but for the last.

    >>> [len(piece) for piece in pieces([b"a" * 1_500_000, b"", b"b" * 700_000])]
    [1048576, 1048576, 102848]
    """
    held = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        if not held:
            while len(view) >= CHUNK:
                yield bytes(view[:CHUNK])
                view = view[CHUNK:]
        held += view
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    if held:
        yield bytes(held)


def batches(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for piece in parts:
        batch.append(piece)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


RUNNING: OrderedDict[UUID, tuple[int, Any]] = OrderedDict()     # blob -> (size, sha256 so far), for uploads of many requests


def running_hash(blob_id: UUID, size: int) -> Any:
    """A copy of the hash over the first `size` bytes, or None where another process received some of them."""
    if size == 0:
        return hashlib.sha256()
    known, so_far = RUNNING.get(blob_id, (-1, None))
    return so_far.copy() if known == size else None


def remember_hash(blob_id: UUID, size: int, whole: Any) -> None:
    if whole is not None:
        RUNNING[blob_id] = (size, whole)
        RUNNING.move_to_end(blob_id)
        while len(RUNNING) > 256:
            RUNNING.popitem(last=False)
