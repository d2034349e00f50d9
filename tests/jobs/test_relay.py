"""Hostile words and hostile files: not believed, counted, and nothing else comes to harm."""

import hashlib
import json
import os
import time

import pytest

from jobs import store
from jobs.claim import LeaseLost, claim
from jobs.models import Artifact, Blob, Candidate, Checkpoint, Event, Job
from jobs.relay import Relay
from jobs.words import parse

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def relay(make_job, tmp_path):
    make_job(goal={"metric": "top1"})
    lease = claim("w")
    for name in ("out", "checkpoint"):
        (tmp_path / name).mkdir()
    return Relay(lease, Job.objects.get(), tmp_path)


def tell(relay, *events):
    relay.listen([event if isinstance(event, bytes) else json.dumps(event).encode() for event in events])
    relay.flushed_at = 0
    relay.tell()


def candidate(files=(), key="a", **fields):
    return {"type": "candidate", "candidate": {"key": key, "title": key, "recipe": {}, "fits": True, "measurements": {},
                                               "files": list(files)} | fields}


def file(path="model.onnx", data=b"weights", **fields):
    return {"role": "model", "name": "model.onnx", "path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} | fields


HOSTILE = [
    b"", b"hello", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"type": "log"}', b'{"type": "shell", "text": "rm"}',
    b'{"type": "log", "text": "a", "extra": 1}', b'{"type": "log", "text": "' + b"x" * 3000 + b'"}',
    b'{"type": "log", "text": "a\\u0000b"}', b'{"type": "curve", "name": "loss", "x": 1, "y": NaN}',
    b'{"type": "log", "text": "\\ud800"}', b'{"type": "progress", "fraction": 2}', b'{"type": "progress", "fraction": NaN}',
    b'{"type": "log", "text": "a", "at": NaN}', b'{"type": "done", "summary": {"a": "\\u0000"}}',
    b'{"type": "checkpoint", "path": 7}', b'{"type": "inspected", "model": {"kind": "pickle"}}',
    b'{"type": "plan", "steps": ' + json.dumps([{"key": "k", "title": "t"}] * 501).encode() + b"}",
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:50]))
def test_nonsense_is_dropped_and_counted(relay, line):
    tell(relay, line, {"type": "log", "text": "still here"})
    assert relay.dropped == 1
    assert Event.objects.get().data["text"] == "still here"


def test_what_was_dropped_is_said_once_at_the_end(relay):
    tell(relay, b"x", b"y")
    relay.close()
    assert "2 messages" in Event.objects.get().data["text"]


def test_a_flood_is_bounded(relay, settings):
    settings.JOBS = {"events_per_second": 1, "events": 1000}
    relay.tokens = 5
    tell(relay, *[{"type": "log", "text": str(i)} for i in range(50)])
    assert Event.objects.count() == 5
    assert relay.dropped == 45


def test_the_number_of_events_is_bounded(relay, settings):
    settings.JOBS = {"events": 3}
    tell(relay, *[{"type": "curve", "name": "loss", "x": i, "y": None} for i in range(10)])
    assert Event.objects.count() == 3


def test_progress_changes_the_row_and_stores_no_event(relay):
    tell(relay, *[{"type": "progress", "fraction": i / 1000, "note": str(i)} for i in range(1000)])
    assert Job.objects.get().note == "999"
    assert not Event.objects.exists()
    assert relay.dropped == 0


def test_a_candidate_and_its_files_come_together(relay):
    (relay.folder / "out/a").mkdir()
    (relay.folder / "out/a/model.onnx").write_bytes(b"weights")
    top1 = {"value": 0.9, "unit": "fraction", "origin": "measured", "how": "test split"}
    tell(relay, candidate([file("a/model.onnx")], measurements={"top1": top1}))
    kept = Candidate.objects.get()
    assert (kept.quality, kept.size_kib) == (0.9, None)
    assert b"".join(store.read(Artifact.objects.get(candidate=kept).blob)) == b"weights"


def test_the_same_key_again_takes_the_place_of_the_first(relay):
    for data in (b"one", b"two"):
        (relay.folder / "out/model.onnx").write_bytes(data)
        tell(relay, candidate([file(data=data)]))
    assert b"".join(store.read(Artifact.objects.get().blob)) == b"two"
    assert Candidate.objects.count() == 1


def link(out):
    (out / "model.onnx").symlink_to("/etc/passwd")


def linked_folder(out):
    (out / "a").symlink_to("/etc")


def fifo(out):
    os.mkfifo(out / "model.onnx")


def folder(out):
    (out / "model.onnx").mkdir()


def other_bytes(out):
    (out / "model.onnx").write_bytes(b"WEIGHTS")


@pytest.mark.parametrize(("make", "path"), [
    (link, "model.onnx"), (linked_folder, "a/passwd"), (fifo, "model.onnx"), (folder, "model.onnx"), (other_bytes, "model.onnx"),
    (lambda out: None, "model.onnx"), (lambda out: None, "a/../../secret"), (lambda out: None, "a//b"),
])
def test_a_file_that_is_not_what_it_should_be_refuses_its_candidate(relay, make, path):
    (relay.folder / "secret").write_bytes(b"weights")
    make(relay.folder / "out")
    started = time.monotonic()
    tell(relay, candidate([file(path)]), {"type": "log", "text": "still here"})
    assert time.monotonic() - started < 5
    assert (Candidate.objects.count(), Artifact.objects.count(), Blob.objects.count()) == (0, 0, 0)
    assert relay.dropped == 1
    assert Event.objects.get().data["text"] == "still here"


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", ".hidden"])
def test_a_path_that_leaves_the_folder_is_not_even_a_candidate(relay, path):
    tell(relay, candidate([file(path)]))
    assert (Candidate.objects.count(), relay.dropped) == (0, 1)


def test_a_file_past_the_limit_is_refused_and_not_kept(relay, settings):
    settings.JOBS = {"artifact_bytes": 100}
    (relay.folder / "out/model.onnx").write_bytes(b"x" * 101)
    tell(relay, candidate([file(data=b"x" * 101)]))
    assert (Candidate.objects.count(), Blob.objects.count(), relay.dropped) == (0, 0, 1)


def test_too_many_candidates(relay, settings):
    settings.JOBS = {"candidates": 2}
    tell(relay, *[candidate(key=f"k{i}") for i in range(5)])
    assert (Candidate.objects.count(), relay.dropped) == (2, 3)


@pytest.mark.parametrize("path", ["task.json", "checkpoint/../task.json", "checkpoint/a/b", "checkpoint/", "out/x", "checkpoint/link"])
def test_only_files_in_checkpoint_are_checkpoints(relay, path):
    (relay.folder / "task.json").write_text("{}")
    (relay.folder / "checkpoint/link").symlink_to("/etc/passwd")
    tell(relay, {"type": "checkpoint", "path": path})
    relay.close()
    assert not Checkpoint.objects.exists()


def test_a_checkpoint_is_stored_now_and_then_and_at_the_end(relay):
    for i in range(5):
        (relay.folder / "checkpoint/net.state").write_bytes(b"epoch %d" % i)
        tell(relay, {"type": "checkpoint", "path": "checkpoint/net.state"})
    read = lambda: b"".join(store.read(Checkpoint.objects.get().blob))
    assert read() == b"epoch 0"
    relay.close()
    assert read() == b"epoch 4"


def test_nothing_is_written_without_the_lease(relay):
    Job.objects.update(lease_token=None, state="queued")
    for event in ({"type": "log", "text": "late"}, candidate()):
        with pytest.raises(LeaseLost):
            tell(relay, event)
    assert (Event.objects.count(), Candidate.objects.count()) == (0, 0)


def test_an_honest_line_of_each_kind_is_believed():
    assert parse(b'{"type": "curve", "name": "loss", "x": 1, "y": null}') is not None
    assert parse(b'{"type": "error", "stage": "open", "refusal": {"wrong": "w"}}').fault == "user"


def test_a_preview_that_is_no_picture_reaches_no_page(relay):
    png = "data:image/png;base64,iVBORw0KGgo="
    card = {"kind": "images", "title": "t", "preview": [png, "data:image/svg+xml,<svg/>", "https://example.org/pixel.png"]}
    tell(relay, {"type": "inspected", "dataset": card})
    assert relay.card("dataset")["preview"] == [png]
    assert relay.card("model") is None
