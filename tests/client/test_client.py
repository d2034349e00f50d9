"""The client against the real API: nothing between them but a socket."""

import hashlib
import io
import json

import httpx
import pytest

from espalier import Client, InternalError, UserError, cli, uploads
from jobs import store
from jobs.models import Artifact, Asset, Candidate, Job
from webapp.teams.models import Membership, Role, Scope, Team, Token, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(transactional_db) -> User:
    return User.objects.create_user("alice@example.org", "correct horse battery")


@pytest.fixture
def team(alice) -> Team:
    team = Team.objects.create(name="Roses", slug="roses")
    Membership.objects.create(team=team, user=alice, role=Role.OWNER)
    return team


@pytest.fixture
def token(team, alice) -> str:
    return Token.issue(team, alice, "tests", Scope.RUN)[1]


@pytest.fixture
def client(live_server, token) -> Client:
    return Client(live_server.url, token)


@pytest.fixture
def npz(tmp_path):
    import numpy as np

    path = tmp_path / "noise.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 255, (400, 28, 28), dtype=np.uint8), y=np.arange(400) % 4)
    return path


def test_devices_and_techniques(client):
    names = [device["name"] for device in client.get_devices()]
    assert {"rp2040", "raspberry-pi-4", "this-server"} <= set(names)
    assert {"train", "quantize-static", "prune-channels"} <= {one["name"] for one in client.get_techniques()}


def test_an_upload_arrives_whole_and_tells_how_far_it_is(client, npz, monkeypatch):
    monkeypatch.setattr(uploads, "PIECE", 100_000)
    seen = []
    dataset = client.upload_dataset(npz, name="Noise", progress=lambda sent, whole: seen.append((sent, whole)), wait=False)
    row = Asset.objects.get(id=dataset.id)
    assert (dataset.state, row.name, row.kind) == ("inspecting", "Noise", "dataset")
    assert dataset.data["sha256"] == hashlib.sha256(npz.read_bytes()).hexdigest()
    assert b"".join(store.read(row.blob)) == npz.read_bytes()
    assert seen == sorted(seen)
    assert seen[-1] == (npz.stat().st_size, npz.stat().st_size)
    assert len(seen) >= 4


class Cut(httpx.HTTPTransport):
    """A line that breaks: before the piece leaves, and after it arrived."""

    def __init__(self, before: set[int], after: set[int]) -> None:
        super().__init__()
        self.before, self.after, self.patches = before, after, 0

    def handle_request(self, request):
        if request.method != "PATCH":
            return super().handle_request(request)
        self.patches += 1
        if self.patches in self.before:
            raise httpx.ConnectError("cut", request=request)
        response = super().handle_request(request)
        if self.patches in self.after:
            response.read()
            raise httpx.ReadError("cut", request=request)
        return response


def test_an_upload_goes_on_after_the_connection_was_lost(live_server, token, npz, monkeypatch):
    monkeypatch.setattr(uploads, "PIECE", 100_000)
    line = Cut(before={2}, after={4})
    client = Client(token=token, url=live_server.url, http=httpx.Client(base_url=live_server.url, transport=line))
    dataset = client.upload_dataset(npz, wait=False)
    assert line.patches >= 5
    assert dataset.data["sha256"] == hashlib.sha256(npz.read_bytes()).hexdigest()


def test_a_pickle_is_refused_with_the_way_out(client, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(UserError) as caught:
        client.upload_model(path)
    assert caught.value.status in (415, 422)
    assert caught.value.wrong
    assert caught.value.mend


def test_errors_carry_three_sentences_and_a_kind(client, live_server):
    with pytest.raises(UserError) as caught:
        client.get_job("00000000-0000-4000-8000-000000000000")
    assert (caught.value.status, caught.value.code) == (404, "not-found")
    assert caught.value.mend
    with pytest.raises(UserError) as caught:
        Client(live_server.url, "esp_wrong").get_devices()
    assert caught.value.status == 401


def test_a_server_that_is_not_there_is_not_the_users_fault(monkeypatch):
    monkeypatch.setattr("espalier.wire.TRIES", 1)
    with pytest.raises(InternalError, match="cannot be reached"):
        Client("http://127.0.0.1:9", "esp_x").get_devices()


@pytest.fixture
def ready(team, alice) -> Asset:
    """A dataset as inspection would have left it."""
    from optimizers.cards import DatasetCard

    card = DatasetCard(kind="array", title="Arrays", task="classification", rows=400, row_shape=(28, 28), classes=tuple("0123"),
                       splits={"train": 280, "validation": 60, "test": 60})
    blob = store.put([b"rows"])
    return Asset.objects.create(team=team, kind="dataset", name="noise", filename="noise.npz", blob=blob, state="ready",
                                card=card.model_dump(mode="json"), created_by=alice)


def test_a_job_is_planned_submitted_cancelled_and_listed(client, ready):
    plan = client.plan(dataset=str(ready.id), device="raspberry-pi-4", minutes=2)
    assert plan["tried"]
    wish = {"max_drop": 0.02, "minutes": 2, "limits": {"size_kib": 100}, "seed": 3}
    job = client.submit_optimize_job(dataset=str(ready.id), device="raspberry-pi-4", **wish)
    assert (job.state, job.data["goal"]["max_drop"], job.data["goal"]["limits"]["size_kib"], job.data["seed"]) == ("queued", 0.02, 100, 3)
    assert [line["id"] for line in client.get_jobs()] == [job.id]
    job.cancel()
    assert job.wait().state == "cancelled"
    assert job.front() == []
    assert job.recommended() is None


def test_train_and_quantize_are_recipes(client, ready):
    job = client.submit_train_job(dataset=str(ready.id), device="raspberry-pi-4", train={"epochs": 2})
    assert [step["technique"] for step in job.data["recipe"]["steps"]] == ["train"]
    with pytest.raises(UserError):
        client.submit_quantize_job(model="00000000-0000-4000-8000-000000000000", device="raspberry-pi-4")


def test_a_wish_that_cannot_work_is_refused_at_once(client, ready):
    with pytest.raises(UserError) as caught:
        client.submit_optimize_job(dataset=str(ready.id), device="no-such-board")
    assert caught.value.mend
    with pytest.raises(UserError) as caught:
        client.submit_optimize_job(dataset=str(ready.id), device="rp2040", recipe={"steps": [{"technique": "quantise-static"}]})
    assert "quantize-static" in caught.value.mend


@pytest.fixture
def artifact(client, ready) -> Artifact:
    job = Job.objects.get(id=client.submit_optimize_job(dataset=str(ready.id), device="raspberry-pi-4").id)
    candidate = Candidate.objects.create(job=job, key="k", title="baseline", baseline=True, data={"recipe": {}, "measurements": {}})
    return Artifact.objects.create(job=job, candidate=candidate, role="model", name="net.onnx", blob=store.put([bytes(range(256)) * 9000]))


def test_a_download_continues_a_half_file_and_is_checked(client, artifact, tmp_path):
    wanted = client.get_job(str(artifact.job_id)).candidates[0].artifact("model")
    whole = bytes(range(256)) * 9000
    (tmp_path / "net.onnx.part").write_bytes(whole[:1_000_000])
    seen = []
    path = client.download_artifact(wanted, tmp_path, progress=lambda sent, size: seen.append((sent, size)))
    assert path.read_bytes() == whole
    assert seen[0][0] > 1_000_000
    assert seen[-1] == (len(whole), len(whole))
    (tmp_path / "net.onnx.part").write_bytes(b"something else" * 10)
    with pytest.raises(InternalError, match="not what the server keeps"):
        client.download_artifact(wanted, tmp_path)
    assert client.download_artifact(str(artifact.id), tmp_path / "again.onnx").read_bytes() == whole


def test_the_terminal_logs_in_lists_devices_and_names_mistakes(live_server, token, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ESPALIER_CONFIG", str(tmp_path / "login.json"))
    assert cli.main(["login", live_server.url, "--token", token]) == 0
    assert (tmp_path / "login.json").stat().st_mode & 0o077 == 0
    assert cli.main(["devices"]) == 0
    assert "Cortex-M0+" in capsys.readouterr().out
    assert cli.main(["devices", "--json"]) == 0
    assert json.load(io.StringIO(capsys.readouterr().out))
    assert cli.main(["wait", "00000000-0000-4000-8000-000000000000"]) == 2
    assert "There is no such job" in capsys.readouterr().err
    assert cli.main(["upload", "nothing.npz"]) == 2


def test_a_table_is_corrected_with_the_client_and_from_the_shell(client, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,y\n" + "\n".join(f"{i},{i % 2}" for i in range(30)))
    dataset = client.upload_dataset(path, wait=False, target="y")
    assert dataset.data["options"] == {"target": "y"}
    Asset.objects.filter(id=dataset.id).update(state="ready", card={"kind": "table", "title": "Table", "columns": [
        {"name": "a", "type": "number"}, {"name": "y", "type": "number"}]})
    fresh = client.get_dataset(dataset.id).inspect_again(wait=False, types={"a": "category"}, split="groups", split_by="a")
    assert fresh.data["options"] == {"target": "y", "types": {"a": "category"}, "split": "groups", "split_by": "a"}
    assert fresh.id != dataset.id
    given = cli.parser().parse_args(["correct", fresh.id, "--type", "a=b=number", "--drop", "a", "--split", "time", "--split-by", "a"])
    assert cli.said(given) == {"types": {"a=b": "number"}, "drop": ["a"], "split": "time", "split_by": "a"}
