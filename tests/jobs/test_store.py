"""Bytes in, the same bytes out; content kept once; nothing that is referred to is ever swept."""

import hashlib
import os
import random
import shutil
from collections import namedtuple

import pytest
from django.db import transaction

from jobs import store
from jobs.chunks import CHUNK, RUNNING
from jobs.models import Blob, BlobPart, Chunk

pytestmark = pytest.mark.django_db(transaction=True)


def whole(blob, *span):
    return b"".join(store.read(blob, *span))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 17])
def test_round_trip(size, tmp_path):
    data = os.urandom(size)
    blob = store.put([data[:10], data[10:]])
    assert (blob.size, blob.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert whole(blob) == data
    store.copy_to(blob, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == data


def test_ranges_across_edges_of_uneven_chunks():
    data = os.urandom(3 * CHUNK + 500)
    blob, at = store.create(), 0
    for size in (10, CHUNK, CHUNK + 7, 300, 2 * CHUNK):
        at = store.append(blob, [data[at:at + size]])
    store.seal(blob)
    assert [part.start for part in BlobPart.objects.filter(blob=blob).order_by("n")][:3] == [0, 10, CHUNK + 10]
    for start, stop in [(0, 1), (9, 11), (CHUNK + 5, CHUNK + 15), (CHUNK, 3 * CHUNK), (5, None), (len(data) - 1, None), (7, 7)]:
        assert whole(blob, start, stop) == data[start:stop]
    assert whole(blob, 0, 10**12) == data


def test_an_append_counts_whole_or_not_at_all():
    blob = store.create()
    store.append(blob, [b"first"])

    def breaks():
        yield b"x" * CHUNK
        raise ConnectionError("the client left")

    with pytest.raises(ConnectionError):
        store.append(blob, breaks())
    assert store.append(blob, [b" second"]) == 12
    assert whole(store.seal(blob)) == b"first second"
    assert blob.sha256 == hashlib.sha256(b"first second").hexdigest()


def test_a_rolled_back_append_leaves_no_trace_in_the_hash():
    blob = store.create()
    with transaction.atomic():
        store.append(blob, [b"gone"])
        transaction.set_rollback(True)
    blob.refresh_from_db()
    store.append(blob, [b"kept"])
    assert store.seal(blob).sha256 == hashlib.sha256(b"kept").hexdigest()


def test_seal_reads_back_what_another_process_received():
    blob = store.create()
    store.append(blob, [b"there"])
    RUNNING.clear()
    store.append(blob, [b"here"])
    assert store.seal(blob).sha256 == hashlib.sha256(b"therehere").hexdigest()


def test_a_sealed_blob_takes_nothing_more():
    blob = store.put([b"done"])
    with pytest.raises(ValueError, match="sealed"):
        store.append(blob, [b"more"])


def test_content_is_kept_once():
    data = os.urandom(3 * CHUNK)
    first, second = store.put([data]), store.put([data])
    assert first.id != second.id
    assert Chunk.objects.count() == 3
    assert BlobPart.objects.count() == 6


def test_too_large_leaves_nothing_behind():
    with pytest.raises(store.TooLarge):
        store.put([b"x" * 2000], limit=1999)
    assert Blob.objects.count() == 0


def test_a_full_disk_refuses_and_harms_nothing(monkeypatch, settings):
    blob = store.put([b"safe"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "total used free")(10**12, 10**12 - 10**6, 10**6))
    for act in (store.create, lambda: store.put([b"more"])):
        with pytest.raises(store.StoreFull) as caught:
            act()
        assert "1 MB" in caught.value.refusal.wrong.replace("0.954", "1")
    assert whole(blob) == b"safe"


def test_a_missing_part_is_said_not_skipped():
    blob = store.put([os.urandom(3 * CHUNK)])
    BlobPart.objects.filter(blob=blob, n=1).delete()
    with pytest.raises(OSError, match="lacks bytes"):
        whole(blob)


def age_everything():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE store_chunk SET last_seen = now() - interval '2 days'")
        cursor.execute("UPDATE store_blob SET created_at = now() - interval '2 days'")


def test_sweep_takes_what_nobody_refers_to_and_only_after_a_day(team):
    from jobs.models import Asset

    kept, orphan = store.put([b"kept"]), store.put([b"orphan"])
    Asset.objects.create(team=team, kind="model", name="m", filename="m.onnx", blob=kept)
    assert store.sweep() == (0, 0)
    age_everything()
    assert store.sweep() == (1, 1)
    assert not Blob.objects.filter(id=orphan.id).exists()
    assert whole(kept) == b"kept"


@pytest.mark.parametrize("seed", range(3))
def test_no_live_blob_ever_loses_a_chunk(seed, team):
    """Uploads, deletes and sweeps in any order, over few distinct chunks, so that nearly every upload reuses some."""
    from jobs.models import Asset

    chance = random.Random(seed)
    pieces = [bytes([i]) * CHUNK for i in range(5)]
    live: list[tuple[Asset, bytes]] = []
    for _ in range(40):
        act = chance.choice(["upload", "upload", "delete", "sweep"])
        if act == "upload":
            data = b"".join(chance.choices(pieces, k=chance.randint(1, 3)))
            asset = Asset.objects.create(team=team, kind="model", name="m", filename="m", blob=store.put([data]))
            live.append((asset, data))
        elif act == "delete" and live:
            live.pop(chance.randrange(len(live)))[0].delete()
        else:
            age_everything()
            store.sweep()
    for asset, data in live:
        assert whole(asset.blob) == data


def test_sweep_passes_over_a_chunk_that_an_upload_is_reusing(team):
    """The upload has looked the old chunk up and not yet committed: the sweep must not take it away."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    store.delete(store.put([b"old"]))
    age_everything()
    blob = store.create()

    def sweep():
        try:
            return store.sweep()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        store.append(blob, [b"old"])
        assert pool.submit(sweep).result(20) == (0, 0)
    assert whole(store.seal(blob)) == b"old"
