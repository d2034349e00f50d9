"""Files as content-addressed chunks in Postgres: put, append, seal, read. Memory stays flat whatever the size."""

import hashlib
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from jobs import limits
from jobs.chunks import CHUNK, RUNNING, batches, keep_chunks, pieces, raw, remember_hash, running_hash
from jobs.collect import sweep
from jobs.limits import in_words
from jobs.models import Blob, BlobPart
from optimizers.errors import OptimizerError

AHEAD = 4 * CHUNK               # bytes fetched at a time
__all__ = ["StoreFull", "TooLarge", "append", "copy_to", "create", "delete", "put", "read", "refuse_when_full", "seal", "stream", "sweep"]


class StoreFull(OptimizerError):
    """The disk of the store has too little room left; what is there stays whole."""


class TooLarge(OptimizerError):
    """More bytes than the caller allowed."""


def put(chunks: Iterable[bytes], limit: int | None = None) -> Blob:
    """Store a whole file; the blob comes back sealed.

    Raises TooLarge past `limit` bytes and StoreFull; either way nothing stays behind but chunks that the sweep takes.
    Each batch is its own transaction, so a file of gigabytes holds no long one open.
    """
    blob = create()
    try:
        total = 0
        for batch in batches(pieces(chunks)):
            total += sum(map(len, batch))
            if limit is not None and total > limit:
                raise TooLarge(f"The file is larger than {in_words(limit)}.", "", "Make it smaller.", "too-large")
            append(blob, batch)
        return seal(blob)
    except BaseException:
        delete(blob)
        raise


def create() -> Blob:
    """An empty, open blob. Raises StoreFull."""
    refuse_when_full()
    return Blob.objects.create()


def append(blob: Blob, chunks: Iterable[bytes]) -> int:
    """Add bytes at the end, all of them or none: one transaction. Returns the new size, which `blob` then also carries.

    chunks: pieces of any size.  Raises StoreFull, and ValueError for a blob that is sealed or gone.
    """
    refuse_when_full()
    with transaction.atomic():
        row = Blob.objects.select_for_update().filter(id=blob.id, sha256=None).first()
        if row is None:
            raise ValueError(f"blob {blob.id} is sealed or gone")
        last = BlobPart.objects.filter(blob=row).aggregate(Max("n"))["n__max"]
        size, n = row.size, 0 if last is None else last + 1
        whole = running_hash(row.id, size)
        for batch in batches(pieces(chunks)):
            hashes = [hashlib.sha256(piece).digest() for piece in batch]
            keep_chunks(dict(zip(hashes, batch, strict=True)))
            starts = [size + sum(map(len, batch[:i])) for i in range(len(batch))]
            rows = [(row.id, n + i, starts[i], hashes[i]) for i in range(len(batch))]
            with raw() as cursor:
                cursor.executemany("INSERT INTO store_blob_part (blob_id, n, start, sha256) VALUES (%b, %b, %b, %b)", rows)
            for piece in batch if whole else ():
                whole.update(piece)
            size, n = size + sum(map(len, batch)), n + len(batch)
        Blob.objects.filter(id=row.id).update(size=size)
        transaction.on_commit(lambda: remember_hash(row.id, size, whole))
    blob.size = size
    return size


def seal(blob: Blob) -> Blob:
    """Close the blob and note the sha256 of the whole; read back only where the bytes did not all pass through this process."""
    with transaction.atomic():
        row = Blob.objects.select_for_update().get(id=blob.id)
        if row.sha256 is None:
            whole = running_hash(row.id, row.size)
            if whole is None:
                whole = hashlib.sha256()
                for piece in read(row):
                    whole.update(piece)
            row.sha256 = whole.hexdigest()
            row.save(update_fields=["sha256"])
    RUNNING.pop(row.id, None)
    blob.sha256, blob.size = row.sha256, row.size
    return blob


def delete(blob: Blob) -> None:
    """Forget a blob; its chunks go with a later sweep, unless another blob has them too."""
    with transaction.atomic():
        connection.cursor().execute("DELETE FROM store_blob_part WHERE blob_id = %s", [blob.id])
        connection.cursor().execute("DELETE FROM store_blob WHERE id = %s", [blob.id])


def refuse_when_full() -> None:
    """Raises StoreFull when the disk under the data folder has less room than the smaller of 5 GB and 10 %."""
    disk = shutil.disk_usage(settings.DATA_DIR if Path(settings.DATA_DIR).exists() else "/")
    least = min(limits.limit("store_free_bytes"), limits.limit("store_free_share") * disk.total)
    if disk.free < least:
        raise StoreFull(f"The disk of this server has {in_words(disk.free)} left, and keeps {in_words(least)} in reserve.", "",
                        "Delete models, datasets or jobs that are no longer needed, or ask the administrator for room.", "store-full")


def read(blob: Blob, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Bytes start:stop, a few MB at a time; cheap for any range. Raises OSError where a part is missing."""
    stop = blob.size if stop is None else min(stop, blob.size)
    while start < stop:
        piece = fetch(blob.id, start, min(stop, start + AHEAD))
        start += len(piece)
        yield piece


async def stream(blob: Blob, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
    """`read` for an asynchronous view. The database connection goes back to its pool between two pieces: a slow client holds none."""
    stop = blob.size if stop is None else min(stop, blob.size)
    fetch_async = sync_to_async(fetch_and_release)
    while start < stop:
        piece = await fetch_async(blob.id, start, min(stop, start + AHEAD))
        start += len(piece)
        yield piece


def fetch(blob_id: UUID, start: int, stop: int) -> bytes:
    """Bytes start:stop of a blob in one query; only the wanted part of the first and last chunk leaves the server."""
    with raw() as cursor:
        cursor.execute(
            "SELECT substring(c.data FROM greatest(%b - p.start, 0)::int + 1 "
            "                 FOR (least(%b, p.start + c.size) - greatest(%b, p.start))::int) "
            "FROM store_blob_part p JOIN store_chunk c ON c.sha256 = p.sha256 "
            "WHERE p.blob_id = %b AND p.start > %b AND p.start < %b AND p.start + c.size > %b ORDER BY p.start",
            [start, stop, start, blob_id, start - CHUNK, stop, start])
        found = b"".join(row[0] for row in cursor.fetchall())
    if len(found) != stop - start:
        raise OSError(f"blob {blob_id} lacks bytes in {start}:{stop}")
    return found


def fetch_and_release(blob_id: UUID, start: int, stop: int) -> bytes:
    try:
        return fetch(blob_id, start, stop)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def copy_to(blob: Blob, path: Path) -> None:
    """Lay the blob out as a new file; raises FileExistsError where there is one."""
    with open(path, "xb") as file:
        for piece in read(blob):
            file.write(piece)
