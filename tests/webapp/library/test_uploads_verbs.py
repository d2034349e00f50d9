"""Uploads below the API: a cut keeps what came, two writers do not mix, what is abandoned goes."""

import io
from datetime import timedelta

import pytest
from django.core.exceptions import RequestAborted
from django.utils import timezone

from jobs.models import Asset, Blob
from optimizers.errors import OptimizerError
from webapp.library import uploads
from webapp.library.models import Upload
from webapp.library.names import clean, file_name, refuse_by_name


@pytest.fixture
def upload(cast):
    return uploads.begin(cast.team, cast.bob, kind="model", filename="net.onnx", name="", size=1000, sha256="", options={})


class Cut(io.BytesIO):
    """A body whose connection breaks after what it holds."""

    def read(self, size=-1):
        piece = super().read(size)
        if not piece:
            raise RequestAborted
        return piece


def test_a_cut_keeps_what_came_and_the_rest_completes_it(upload):
    half = uploads.add(upload, 0, Cut(b"a" * 400))
    assert (half.offset, half.asset_id) == (400, None)
    whole = uploads.add(half, 400, io.BytesIO(b"b" * 600))
    assert whole.asset.blob.size == 1000
    assert whole.asset.name == "net"


def test_the_second_writer_at_an_offset_is_sent_back(upload):
    stale = Upload.objects.get(pk=upload.pk)
    uploads.add(upload, 0, io.BytesIO(b"a" * 400))
    with pytest.raises(uploads.Elsewhere) as error:
        uploads.add(stale, 0, io.BytesIO(b"b" * 400))
    assert error.value.offset == 400
    assert Upload.objects.get(pk=upload.pk).offset == 400


def test_bytes_beyond_the_end_are_not_read(upload):
    body = io.BytesIO(b"a" * 1500)
    assert uploads.add(upload, 0, body).asset.blob.size == 1000
    assert body.tell() == 1000


def test_abandoned_uploads_go_with_the_next_one(cast, upload):
    Upload.objects.update(touched_at=timezone.now() - timedelta(hours=25))
    uploads.begin(cast.team, cast.bob, kind="model", filename="b.onnx", name="", size=10, sha256="", options={})
    assert Upload.objects.get().filename == "b.onnx"
    assert Blob.objects.count() == 1
    assert not Asset.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x00b", "a\nb", "a\u202eb", "a\u2066b", "a\u200bb", "a\u2028b"])
def test_names_nobody_can_read_are_refused(name):
    with pytest.raises(OptimizerError):
        clean(name, "name")


def test_names_are_normalized_and_paths_are_cut():
    assert clean("  e\u0301tude ", "name") == "étude"
    assert file_name("C:\\Users\\me\\net.onnx") == "net.onnx"
    assert file_name("/etc/passwd") == "passwd"


@pytest.mark.parametrize(("kind", "name"), [("model", "a.pkl"), ("model", "a.onnx.exe"), ("dataset", "a.tar"), ("dataset", "a.npy"),
                                              ("model", "a")])
def test_a_refusal_says_how_to_convert(kind, name):
    with pytest.raises(OptimizerError) as error:
        refuse_by_name(kind, name)
    assert error.value.refusal.mend


@pytest.mark.parametrize("options", [{"unknown": 1}, {"target": "x" * 501}, {"target": "a\0b"}])
def test_options_are_few_and_short(options):
    with pytest.raises(OptimizerError):
        uploads.checked_options(options)
