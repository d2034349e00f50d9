"""/models and /datasets: works, refuses the stranger, refuses nonsense, changes nothing else."""

import hashlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.models import Asset, Blob, Job
from tests.webapp.cast import api_of, asset_of
from webapp.teams.models import Scope


def file(name: str = "net.onnx", content: bytes = b"\x08\x0a not really a graph") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_an_upload_becomes_an_asset_under_inspection(api, cast):
    answer = api.form("/models", {"name": "Digits net", "file": file()})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["name"], said["state"], said["kind"]) == ("Digits net", "inspecting", "model")
    assert said["sha256"] == hashlib.sha256(file().read()).hexdigest()
    row = Asset.objects.get()
    assert (row.team, row.created_by, row.filename) == (cast.team, cast.bob, "net.onnx")
    assert Job.objects.get().kind == Job.Kind.INSPECT


def test_a_large_file_arrives_whole(api):
    content = bytes(range(256)) * 40_000        # 10 MB: more than one piece
    said = api.form("/datasets", {"file": file("table.csv", content)}).json()
    assert said["bytes"] == len(content)
    assert said["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("path", "name", "status", "code"), [
    ("/models", "net.pkl", 415, "unsupported-format"),
    ("/models", "net.pt", 415, "unsupported-format"),
    ("/models", "photos.zip", 415, "wrong-kind"),
    ("/datasets", "net.onnx", 415, "wrong-kind"),
    ("/datasets", "noend", 415, "unsupported-format"),
])
def test_a_name_that_says_enough_is_refused_at_once(api, path, name, status, code):
    answer = api.form(path, {"file": file(name)})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Asset.objects.exists()
    assert not Blob.objects.exists()


def test_a_path_in_a_file_name_is_only_a_name(api):
    assert api.form("/models", {"file": file("../../etc/cron.d/net.onnx")}).json()["filename"] == "net.onnx"


@pytest.mark.parametrize("fields", [{}, {"name": "only a name"}, {"file": "text"}, {"other": file()}])
def test_a_form_without_a_file_is_refused(api, fields):
    answer = api.form("/models", fields)
    assert answer.status_code == 422
    assert not Asset.objects.exists()


def test_an_empty_file_and_json_are_refused(api):
    assert api.form("/models", {"file": file(content=b"")}).json()["code"] in ("empty", "no-file")
    assert api.post("/models", {"file": "x"}).status_code == 415
    assert not Asset.objects.exists()


def test_the_quota_is_kept_and_named(api, cast):
    cast.team.quota_bytes = 10
    cast.team.save()
    answer = api.form("/models", {"file": file()})
    assert (answer.status_code, answer.json()["code"]) == (413, "quota")
    assert not Blob.objects.exists()


def test_a_file_over_the_limit_is_refused_by_its_announced_length(api, monkeypatch):
    monkeypatch.setattr("webapp.library.uploads.MOST", {"model": 100, "dataset": 100})
    monkeypatch.setattr("webapp.library.intake.MOST", {"model": 100, "dataset": 100})
    answer = api.form("/models", {"file": file(content=b"x" * 5000)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert not Blob.objects.exists()


def test_lists_show_the_teams_own_and_page(api, cast):
    mine = [asset_of(cast.team, name=f"net {n}") for n in range(5)]
    asset_of(cast.other)
    asset_of(cast.team, "dataset")
    first = api.get("/models?limit=3").json()
    second = api.get(f"/models?limit=3&cursor={first['next']}").json()
    assert [row["id"] for row in first["items"] + second["items"]] == [str(row.id) for row in reversed(mine)]
    assert second["next"] is None
    assert api.get("/models?cursor=nonsense").status_code == 422


def test_details_carry_the_card_or_the_refusal(api, cast):
    ready, rejected = asset_of(cast.team), asset_of(cast.team, state="rejected")
    assert api.get(f"/models/{ready.id}").json()["card"]["parameters"] == 12_000
    assert api.get(f"/models/{ready.id}").json()["problems"][0]["wrong"] == "The batch axis is free."
    said = api.get(f"/models/{rejected.id}").json()
    assert said["card"] is None
    assert said["refusal"]["mend"] == "Export it again."


def test_a_stranger_finds_nothing_and_deletes_nothing(cast):
    row, stranger = asset_of(cast.team), api_of(cast.other, cast.carol, Scope.ADMIN)
    for answer in (stranger.get(f"/models/{row.id}"), stranger.delete(f"/models/{row.id}"), stranger.get(f"/datasets/{row.id}")):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"
    assert Asset.objects.filter(pk=row.pk).exists()


def test_delete_forgets_what_no_job_uses(api, cast):
    free, used = asset_of(cast.team), asset_of(cast.team)
    Job.objects.create(team=cast.team, number=1, kind=Job.Kind.FIT, title="t", model=used)
    assert api.delete(f"/models/{free.id}").status_code == 204
    assert api.delete(f"/models/{used.id}").json()["code"] == "in-use"
    assert list(Asset.objects.all()) == [used]


def test_the_same_key_gets_the_same_answer(api):
    one = api.form("/models", {"file": file()}, Idempotency_Key="k1")
    two = api.form("/models", {"file": file()}, Idempotency_Key="k1")
    assert one.json()["id"] == two.json()["id"]
    assert two["Idempotency-Replayed"] == "true"
    assert Asset.objects.count() == 1


TABLE = {"kind": "table", "title": "Table, 100 rows, 2 columns", "rows": 100, "target": "y", "row_shape": [1],
         "columns": [{"name": "a", "type": "number"}, {"name": "y", "type": "category"}]}


def test_a_dataset_is_inspected_again_with_other_options(api, cast):
    row = asset_of(cast.team, "dataset")
    Asset.objects.filter(pk=row.pk).update(card=TABLE, options={"target": "y", "example": "wine"})
    answer = api.post(f"/datasets/{row.id}/inspect", {"types": {"a": "category"}, "split": "groups", "split_by": "a"})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert said["options"] == {"example": "wine", "target": "y", "types": {"a": "category"}, "split": "groups", "split_by": "a"}
    assert (said["state"], said["sha256"]) == ("inspecting", row.blob.sha256)
    assert [asset.pk for asset in Asset.objects.all()] == [Asset.objects.get().pk]          # it took the old one's place
    assert Job.objects.get(asset=said["id"]).kind == Job.Kind.INSPECT
    assert api.post(f"/datasets/{said['id']}/inspect", {}).status_code == 409               # still being inspected
    Asset.objects.filter(pk=said["id"]).update(state="ready", card=TABLE)
    assert api.post(f"/datasets/{said['id']}/inspect", {}).json()["options"] == {"example": "wine"}


@pytest.mark.parametrize(("options", "where"), [
    ({"target": "z"}, "options.target"), ({"drop": ["a", "b"]}, "options.drop"), ({"split": "time"}, "options.split_by"),
    ({"types": {"a": "numeric"}}, ""), ({"tarket": "y"}, ""), ({"target": "a\0"}, "")])
def test_options_that_cannot_be_are_refused_and_nothing_changes(api, cast, options, where):
    row = asset_of(cast.team, "dataset")
    Asset.objects.filter(pk=row.pk).update(card=TABLE)
    answer = api.post(f"/datasets/{row.id}/inspect", options)
    assert answer.status_code == 422
    assert where in answer.json()["where"]
    assert Asset.objects.get().pk == row.pk


def test_options_may_come_with_the_file(api):
    said = api.form("/datasets", {"file": file("t.csv"), "options": '{"drop": ["a"], "strip_labels": true}', "target": "y"}).json()
    assert said["options"] == {"drop": ["a"], "strip_labels": True, "target": "y"}
    assert api.form("/datasets", {"file": file("t.csv"), "options": "[1]"}).status_code == 422
    assert api.form("/datasets", {"file": file("t.csv"), "options": '{"types": 3}'}).json()["where"] == "options.types"
