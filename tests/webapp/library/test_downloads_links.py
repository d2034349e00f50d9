"""Signed links: five minutes, one person, membership asked again on every use; ranges, ETag, and names no header breaks on."""

import hashlib
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from jobs.models import Artifact, Job
from tests.webapp.cast import asset_of
from webapp.library.downloads import artifact_link, asset_link, disposition
from webapp.teams import members

CONTENT = bytes(range(256)) * 5000          # 1.28 MB: crosses a chunk's edge


@pytest.fixture
def artifact(cast):
    job = Job.objects.create(team=cast.team, number=1, kind=Job.Kind.FIT, title="t")
    return Artifact.objects.create(job=job, role="model", name="net.onnx", blob=asset_of(cast.team, content=CONTENT).blob)


def get(link, **headers):
    return Client().get(link, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_link_gives_the_bytes_and_nothing_to_run(cast, artifact):
    answer = get(artifact_link(artifact, cast.vera))
    assert answer.getvalue() == CONTENT
    assert answer["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize(("asked", "span"), [
    ("bytes=0-99", (0, 100)), ("bytes=1048570-1048590", (1048570, 1048591)), ("bytes=-10", (len(CONTENT) - 10, len(CONTENT))),
    ("bytes=1279999-", (1279999, 1280000)), ("bytes=0-99999999", (0, len(CONTENT)))])
def test_ranges(cast, artifact, asked, span):
    answer = get(artifact_link(artifact, cast.bob), Range=asked)
    assert answer.status_code == 206
    assert answer.getvalue() == CONTENT[slice(*span)]
    assert answer["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/{len(CONTENT)}"
    assert int(answer["Content-Length"]) == span[1] - span[0]


@pytest.mark.parametrize(("asked", "status"), [("bytes=1280000-", 416), ("bytes=9-2", 416), ("bytes=-0", 416), ("rows=1-2", 200),
                                               ("bytes=0-1,5-6", 200), ("bytes=a-b", 200)])
def test_ranges_that_are_none(cast, artifact, asked, status):
    assert get(artifact_link(artifact, cast.bob), Range=asked).status_code == status


def test_who_has_it_already_gets_304(cast, artifact):
    etag = f'"{artifact.blob.sha256}"'
    assert get(artifact_link(artifact, cast.bob), If_None_Match=etag).status_code == 304
    assert get(artifact_link(artifact, cast.bob), If_None_Match='"other"').status_code == 200
    assert get(artifact_link(artifact, cast.bob), Range="bytes=0-1", If_Range='"other"').status_code == 200


def test_a_link_dies_with_its_time_its_letters_and_the_membership(cast, artifact, monkeypatch):
    link = artifact_link(artifact, cast.bob)
    assert get(link[:-1] + ("A" if link[-1] != "A" else "B")).status_code == 404
    assert get("/d/" + signing.dumps(["artifact", str(artifact.pk), cast.bob.pk])).status_code == 404      # another salt
    members.remove(cast.team, cast.bob.pk)
    assert get(link).status_code == 404
    fresh = artifact_link(artifact, cast.alice)
    monkeypatch.setattr("django.core.signing.time.time", lambda: (timezone.now() + timedelta(seconds=301)).timestamp())
    assert get(fresh).status_code == 404


def test_a_stranger_signs_nothing_useful(cast, artifact):
    assert get(artifact_link(artifact, cast.carol)).status_code == 404


def test_only_inspected_assets_leave_the_house(cast):
    assert get(asset_link(asset_of(cast.team), cast.bob)).status_code == 200
    assert get(asset_link(asset_of(cast.team, state="inspecting"), cast.bob)).status_code == 404


@pytest.mark.parametrize("name", ['a"b.onnx', "ä\u202e.onnx", "a\r\nSet-Cookie: x=1", "../../x", "", "名前.onnx"])
def test_no_name_breaks_the_header(name):
    said = disposition(name)
    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == 2
