"""Forgetting: blobs that no row refers to, and chunks that no blob has, both after a day of grace."""

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from jobs.limits import limit
from jobs.models import Blob, BlobPart


def sweep() -> tuple[int, int]:
    """Delete blobs that no row refers to, and chunks that no blob has, both after a day of grace. Returns how many of each."""
    return sweep_blobs(), sweep_chunks()


def sweep_blobs() -> int:
    """Blobs that nothing refers to (an upload or an artifact that never came to its end), older than the grace."""
    used = " ".join(f"AND NOT EXISTS (SELECT 1 FROM {relation.related_model._meta.db_table} r "
                    f"WHERE r.{relation.field.column} = b.id)"
                    for relation in Blob._meta.related_objects if relation.related_model is not BlobPart)
    return in_rounds(
        f"SELECT id FROM store_blob b WHERE created_at < now() - make_interval(secs => %s) {used} "
        "ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED",
        lambda cursor, ids: [
            cursor.execute("DELETE FROM store_blob_part WHERE blob_id = ANY(%s)", [ids]),
            cursor.execute(f"DELETE FROM store_blob b WHERE id = ANY(%s) {used}", [ids])])


def sweep_chunks() -> int:
    """Chunks without a part that nobody touched for the grace. Two statements: the second sees what was committed before the lock."""
    orphan = "NOT EXISTS (SELECT 1 FROM store_blob_part p WHERE p.sha256 = c.sha256)"
    return in_rounds(
        f"SELECT sha256 FROM store_chunk c WHERE last_seen < now() - make_interval(secs => %s) AND {orphan} "
        "ORDER BY sha256 LIMIT 500 FOR UPDATE SKIP LOCKED",
        lambda cursor, hashes: cursor.execute(f"DELETE FROM store_chunk c WHERE sha256 = ANY(%s) AND {orphan}", [hashes]))


def in_rounds(choose: str, drop: Callable[[Any, list[Any]], Any]) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(choose, [limit("store_grace_seconds")])
            chosen = [row[0] for row in cursor.fetchall()]
            if not chosen:
                return total
            drop(cursor, chosen)
            if cursor.rowcount == 0:        # all of them were taken up again in between
                return total
            total += cursor.rowcount
