"""tus 1.0.0: resume after a cut, wrong offset, wrong hash; browser sessions and tokens."""

import hashlib
import json
from base64 import b64encode
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Asset, Blob, Job
from tests.webapp.cast import api_of
from webapp.library.models import Upload

CONTENT = bytes(range(256)) * 1000
TUS = {"Tus_Resumable": "1.0.0"}


def pairs(**values: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in values.items())


def begin(api, content=CONTENT, **said):
    said = {"filename": "net.onnx", "kind": "model"} | said
    return api.send("POST", "/uploads", Upload_Length=str(len(content)), Upload_Metadata=pairs(**said), **TUS)


def path(answer) -> str:
    return answer["Location"].removeprefix("/api/v1")


def test_a_file_in_two_pieces_becomes_an_asset(api, cast):
    answer = begin(api, name="Résumé net", sha256=hashlib.sha256(CONTENT).hexdigest(), options=json.dumps({"architecture": "resnet8"}))
    assert answer.status_code == 201, answer.content
    where = path(answer)
    half = api.send("PATCH", where, CONTENT[:100_000], Upload_Offset="0", **TUS)
    assert (half.status_code, half["Upload-Offset"]) == (204, "100000")
    assert "Espalier-Asset" not in half
    assert api.send("HEAD", where, **TUS)["Upload-Offset"] == "100000"
    last = api.send("PATCH", where, CONTENT[100_000:], Upload_Offset="100000", **TUS)
    asset = Asset.objects.select_related("blob").get()
    assert UUID(last["Espalier-Asset"]) == asset.pk
    assert (asset.name, asset.options, asset.team) == ("Résumé net", {"architecture": "resnet8"}, cast.team)
    assert asset.blob.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert Job.objects.get().asset == asset
    assert api.send("HEAD", where, **TUS)["Espalier-Asset"] == str(asset.pk)      # the answer may have been lost


def test_a_wrong_offset_says_where_the_upload_stands(api):
    where = path(begin(api))
    answer = api.send("PATCH", where, b"x", Upload_Offset="5", **TUS)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "0")
    assert Upload.objects.get().offset == 0


def test_a_changed_file_is_refused_and_forgotten(api):
    where = path(begin(api, sha256="0" * 64))
    answer = api.send("PATCH", where, CONTENT, Upload_Offset="0", **TUS)
    assert (answer.status_code, answer.json()["code"]) == (422, "sha256-differs")
    assert not Asset.objects.exists()
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()


def test_more_than_announced_is_refused(api):
    where = path(begin(api))
    assert api.send("PATCH", where, CONTENT + b"x", Upload_Offset="0", **TUS).status_code == 413
    assert Upload.objects.get().offset == 0


@pytest.mark.parametrize(("change", "status"), [
    ({"Tus_Resumable": "0.2"}, 412), ({"Upload_Length": "many"}, 422), ({"Upload_Length": "0"}, 422), ({"Upload_Length": str(10**13)}, 413),
    ({"Upload_Metadata": "filename ***"}, 422), ({"Upload_Metadata": pairs(filename="a.onnx")}, 422),
    ({"Upload_Metadata": pairs(filename="a.pkl", kind="model")}, 415), ({"Upload_Metadata": pairs(filename="a.onnx", kind="virus")}, 422),
    ({"Upload_Metadata": pairs(filename="a.onnx", kind="model", options="[1]")}, 422),
    ({"Upload_Metadata": pairs(filename="a.onnx", kind="model", sha256="12")}, 422),
    ({"Upload_Metadata": pairs(filename="a\n.onnx", kind="model")}, 422),
    ({"Upload_Metadata": pairs(filename="a\u202exnno.onnx", kind="model")}, 422),
    ({"Upload_Metadata": pairs(filename="a.onnx", kind="model", name="x" * 121)}, 422),
])
def test_nonsense_makes_no_upload(api, change, status):
    headers = TUS | {"Upload_Length": "10", "Upload_Metadata": pairs(filename="a.onnx", kind="model")} | change
    assert api.send("POST", "/uploads", **headers).status_code == status
    assert not Upload.objects.exists()


def test_five_at_once_and_no_more(api):
    answers = [begin(api).status_code for _ in range(6)]
    assert answers == [201] * 5 + [429]
    assert api.send("DELETE", f"/uploads/{Upload.objects.first().pk}", **TUS).status_code == 204
    assert begin(api).status_code == 201


def test_what_is_announced_counts_against_the_quota(api, cast):
    cast.team.quota_bytes = 2 * len(CONTENT)
    cast.team.save()
    assert [begin(api).status_code for _ in range(3)] == [201, 201, 413]


def test_a_stranger_finds_no_upload(api, cast):
    where, stranger = path(begin(api)), api_of(cast.other, cast.carol)
    for method in ("HEAD", "PATCH", "DELETE"):
        assert stranger.send(method, where, b"", Upload_Offset="0", **TUS).status_code == 404
    assert Upload.objects.get().offset == 0


def browser(user, csrf: bool = True) -> tuple[Client, dict[str, str]]:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get(reverse("account_logout"))       # a page with a form sets the cookie
    return client, {"X-CSRFToken": client.cookies["csrftoken"].value} if csrf else {}


def browser_begin(client, **headers):
    return client.generic("POST", "/api/v1/uploads", b"", "application/offset+octet-stream", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": pairs(filename="a.onnx", kind="model"), **headers})


def test_a_browser_uploads_with_its_session(cast):
    client, proof = browser(cast.bob)
    assert browser_begin(client, **proof, **{"Espalier-Team": cast.team.slug}).status_code == 201
    assert Upload.objects.get().created_by == cast.bob


def test_a_browser_needs_proof_a_team_and_a_role(cast):
    client, proof = browser(cast.bob)
    assert browser_begin(client, **{"Espalier-Team": cast.team.slug}).status_code == 403            # another site's form
    assert browser_begin(client, **proof, **{"Espalier-Team": cast.other.slug}).status_code == 404
    assert browser_begin(client, **proof).status_code == 404
    viewer, hers = browser(cast.vera)
    assert browser_begin(viewer, **hers, **{"Espalier-Team": cast.team.slug}).status_code == 403
    assert browser_begin(client, **proof, Authorization="Bearer esp_wrong", **{"Espalier-Team": cast.team.slug}).status_code == 401
    assert not Upload.objects.exists()


def test_options_tells_what_is_spoken(api):
    answer = api.send("OPTIONS", "/uploads")
    assert (answer.status_code, answer["Tus-Version"], answer["Tus-Extension"]) == (204, "1.0.0", "creation,termination")
