"""/jobs, /plans, /devices, /techniques: works, refuses the stranger, refuses nonsense, changes nothing else."""

import uuid

import pytest

from jobs.models import Artifact, Candidate, Event, Job
from tests.webapp.cast import api_of, asset_of
from webapp.devices.models import TeamDevice
from webapp.teams.models import Scope

BOARD = {"name": "bench", "title": "Bench board", "core": "Cortex-A72", "kind": "board", "isa": "aarch64", "cores": 4,
         "clock_mhz": {"value": 1500, "unit": "MHz", "source": "data sheet"},
         "ram_kib": {"value": 1e6, "unit": "KiB", "source": "data sheet"},
         "dtypes": ["fp32", "int8"], "runtimes": ["onnxruntime"],
         "macs_per_cycle": {"fp32": {"value": 4, "unit": "MAC/cycle", "source": "measured"}}}


@pytest.fixture
def wish(cast):
    return {"model": str(asset_of(cast.team).id), "dataset": str(asset_of(cast.team, "dataset").id), "device": BOARD,
            "goal": {"metric": "top1", "max_drop": 0.01}, "budget": {"minutes": 2}}


def finished(team, number=1) -> Job:
    """A job with a baseline, one fitting and one rejected candidate, and a file."""
    job = Job.objects.create(team=team, number=number, kind=Job.Kind.FIT, title="net for bench", state=Job.State.SUCCEEDED, device=BOARD,
                             progress=1.0, goal={"metric": "top1"}, budget={"minutes": 2},
                             result={"type": "done", "front": ["k1"], "recommended": "k1", "verdict": "It fits."})
    size = {"value": 20.5, "unit": "KiB", "origin": "measured", "how": "bytes / 1024"}
    top1 = {"value": 0.97, "unit": "fraction", "origin": "measured", "how": "360 test rows", "low": 0.95, "high": 0.98, "n": 360}
    for key, fits, baseline in (("k0", False, True), ("k1", True, False)):
        candidate = Candidate.objects.create(job=job, key=key, title=key, fits=fits, baseline=baseline, quality=0.97, size_kib=20.5, data={
            "key": key, "title": key, "recipe": {"steps": []}, "fits": fits, "measurements": {"top1": top1, "size_kib": size},
            "change": None, "broke": [] if fits else [{"limit": "size_kib", "value": 80, "allowed": 40, "by": 40, "unit": "KiB",
                                                       "sentence": "size by 40 KiB"}]})
        Artifact.objects.create(job=job, candidate=candidate, role="model", name="model.onnx", blob=asset_of(team).blob)
    return job


def test_a_wish_becomes_a_queued_job(api, cast, wish):
    answer = api.post("/jobs", wish | {"title": "For the bench", "seed": 7})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["state"], said["title"], said["seed"], said["device"]["name"]) == ("queued", "For the bench", 7, "bench")
    assert said["model"]["id"] == wish["model"]
    row = Job.objects.get()
    assert (row.team, row.created_by, row.state) == (cast.team, cast.bob, Job.State.QUEUED)


def test_a_plan_says_what_would_be_tried_and_stores_nothing(api, wish):
    answer = api.post("/plans", wish)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert said["refusal"] is None
    assert said["tried"]
    assert said["seconds"] > 0
    assert not Job.objects.exists()


def test_a_metric_that_was_not_said_is_the_first_that_suits(api, cast, wish):
    dataset = asset_of(cast.team, "dataset")
    dataset.card = dataset.card | {"task": "unlabelled", "classes": []}
    dataset.save()
    changes = {"dataset": str(dataset.id), "goal": {"max_drop": 0.02}, "budget": {"minutes": 1, "sensitivity": True}}
    said = api.post("/jobs", wish | changes).json()
    assert (said["goal"]["metric"], said["goal"]["max_drop"], said["budget"]["sensitivity"]) == ("agreement", 0.02, True)


def test_preprocessing_is_said_beside_the_recipe_or_inside_it(api, wish):
    how = {"scale": "standard", "mean": [0.5], "std": [0.25]}
    said = api.post("/jobs", wish | {"preprocessing": how}).json()
    assert said["preprocessing"] == how and Job.objects.get(pk=said["id"]).preprocessing == how
    text = "steps: [{technique: quantize-static}]\npreprocessing: {scale: '0-255'}\n"
    assert api.post("/jobs", wish | {"recipe": text}).json()["preprocessing"] == {"scale": "0-255"}
    assert api.post("/jobs", wish).json()["preprocessing"] is None
    refused = api.post("/jobs", wish | {"preprocessing": {"scale": "loud"}})
    assert refused.status_code == 422 and "preprocessing" in str(refused.json())


def test_further_inputs_are_said_and_held_against_the_card(api, cast, wish):
    model = asset_of(cast.team, "model")
    model.card = model.card | {"inputs": [*model.card["inputs"], {"name": "sr", "dtype": "int64", "shape": []}]}
    model.save()
    asked = wish | {"model": str(model.id)}
    refused = api.post("/jobs", asked).json()
    assert refused["code"] == "inputs" and "constants sr=16000" in refused["hint"]
    how = {"constants": {"sr": 16000}}
    assert api.post("/jobs", asked | {"preprocessing": how}).json()["preprocessing"] == how
    plan = api.post("/plans", asked | {"preprocessing": how}).json()
    assert plan["refusal"] is None and "'sr' is 16000, fixed in the file" in plan["notes"][0]
    unknown = api.post("/plans", asked | {"preprocessing": {"constants": {"rate": 1}}}).json()
    assert unknown["refusal"]["code"] == "no-input" and "sr" in unknown["refusal"]["mend"]


@pytest.mark.parametrize("field", ["model", "dataset"])
@pytest.mark.parametrize("path", ["/jobs", "/plans"])
def test_another_teams_ids_are_nobodys(api, cast, wish, field, path):
    answer = api.post(path, wish | {field: str(asset_of(cast.other, field).id)})
    unknown = api.post(path, wish | {field: str(uuid.uuid4())})
    assert answer.status_code == unknown.status_code == 404
    assert answer.json() == unknown.json()
    assert not Job.objects.exists()


@pytest.mark.parametrize(("change", "status"), [
    ({"device": "no-such-board"}, 422), ({"device": {"name": "x"}}, 422), ({"goal": {"metric": "beauty"}}, 422),
    ({"goal": {"max_drop": 3}}, 422), ({"goal": {"limits": {"size_kib": -1}}}, 422), ({"budget": {"minutes": 0}}, 422),
    ({"seed": -1}, 422), ({"wish": 1}, 422), ({"recipe": {"steps": [{"technique": "magic"}]}}, 422), ({"recipe": "steps: ["}, 422),
    ({"goal": {"limits": {"size_kib": 0.001}}}, 422), ({"title": "a\u0000b"}, 422), ({"model": "not-an-id"}, 422),
])
def test_nonsense_is_refused_with_a_sentence_and_no_row(api, wish, change, status):
    answer = api.post("/jobs", wish | change)
    said = answer.json()
    assert (answer.status_code, said["status"]) == (status, status), said
    assert said["detail"]
    assert said["code"]
    assert answer["Content-Type"] == "application/problem+json"
    assert not Job.objects.exists()


def test_an_asset_that_is_not_ready_is_a_conflict(api, cast, wish):
    answer = api.post("/jobs", wish | {"model": str(asset_of(cast.team, state="inspecting").id)})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-ready")


def test_a_body_that_is_no_json_is_refused(api):
    answer = api.send("POST", "/jobs", b"{", "application/json")
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_the_same_key_makes_one_job_and_another_body_none(api, wish):
    one, two = (api.post("/jobs", wish, Idempotency_Key="once").json()["id"] for _ in range(2))
    assert one == two
    assert api.post("/jobs", wish | {"seed": 2}, Idempotency_Key="once").json()["code"] == "key-reused"
    assert Job.objects.count() == 1


def test_a_refused_request_does_not_use_up_its_key(api, wish):
    assert api.post("/jobs", wish | {"seed": -1}, Idempotency_Key="k").status_code == 422
    assert api.post("/jobs", wish | {"device": "nowhere"}, Idempotency_Key="k").status_code == 422
    assert api.post("/jobs", wish, Idempotency_Key="k").status_code == 201


def test_a_job_shows_candidates_front_and_files(api, cast):
    job = finished(cast.team)
    said = api.get(f"/jobs/{job.id}").json()
    assert (said["front"], said["recommended"], said["verdict"]) == (["k1"], "k1", "It fits.")
    baseline, best = said["candidates"]
    assert baseline["broke"][0]["sentence"] == "size by 40 KiB"
    assert best["measurements"]["top1"] == {"value": 0.97, "unit": "fraction", "origin": "measured", "how": "360 test rows", "low": 0.95,
                                            "high": 0.98, "n": 360}
    file = best["artifacts"][0]
    assert file["url"] == f"/api/v1/artifacts/{file['id']}"
    assert api.get(file["url"].removeprefix("/api/v1")).getvalue() == b"bytes of a file"


def test_a_study_is_told_over_rest_too(api, cast):
    """What a job is asked for by REST is answered there; a candidate without a study says null."""
    job = finished(cast.team)
    found = {"resamples": 20, "rows": 360, "measure": "Brier score", "loss": 0.3, "bias": 0.2, "variance": 0.1,
             "zero_one": [0.2, 0.15, 0.05],
             "seconds": 1.5, "how": "20 resamplings"}
    row = Candidate.objects.get(job=job, key="k1")
    row.data |= {"study": found, "importance": [{"column": "age", "loss": 1.4, "low": 1.0, "high": 1.8}]}
    row.save()
    shown = {each["key"]: each for each in api.get(f"/jobs/{job.id}").json()["candidates"]}
    assert found.items() <= shown["k1"]["study"].items() and shown["k1"]["importance"][0]["column"] == "age"
    assert shown["k0"]["study"] is None and shown["k0"]["sensitivity"] == []


def test_our_own_faults_keep_their_trace_to_themselves(api, cast):
    job = finished(cast.team)
    job.error = {"type": "error", "stage": "measure", "node": "conv1", "fault": "ours", "trace": "Traceback: secret path",
                 "refusal": {"wrong": "Something broke on our side.", "where": "ab12", "mend": "Quote ab12.", "code": "our-fault"}}
    job.save()
    answer = api.get(f"/jobs/{job.id}")
    assert answer.json()["error"]["where"] == "ab12"
    assert b"secret path" not in answer.content


def test_lists_hold_fits_of_the_team_only(api, cast):
    mine = finished(cast.team)
    finished(cast.other)
    Job.objects.create(team=cast.team, number=1, kind=Job.Kind.INSPECT, title="look")
    assert [row["id"] for row in api.get("/jobs").json()["items"]] == [str(mine.id)]
    assert api.get("/jobs?state=failed").json() == {"items": [], "next": None}
    assert api.get("/jobs?limit=0").status_code == 422


def test_cancel_and_replay(api, cast, wish):
    id = api.post("/jobs", wish).json()["id"]
    assert api.post(f"/jobs/{id}/cancel").json()["state"] == "cancelled"
    again = api.post(f"/jobs/{id}/replay").json()
    assert (again["replay_of"], again["state"], again["seed"]) == (id, "queued", 0)


def test_a_stranger_and_a_reader_change_nothing(cast):
    job = finished(cast.team)
    stranger, reader = api_of(cast.other, cast.carol, Scope.ADMIN), api_of(cast.team, cast.vera, Scope.READ)
    for answer in (stranger.get(f"/jobs/{job.id}"), stranger.post(f"/jobs/{job.id}/cancel"), stranger.post(f"/jobs/{job.id}/replay"),
                   stranger.get(f"/jobs/{job.id}/events"), stranger.get(f"/artifacts/{job.artifacts.first().id}")):
        assert answer.status_code == 404
    assert reader.get(f"/jobs/{job.id}").status_code == 200
    assert reader.post(f"/jobs/{job.id}/replay").status_code == 403
    assert Job.objects.count() == 1


def test_devices_are_the_catalogue_and_the_teams_own(api, cast):
    before = api.get("/devices").json()
    assert len(before) >= 10
    assert not any(device["own"] for device in before)
    assert api.post("/devices", BOARD).status_code == 201
    assert api.get("/devices").json()[0]["name"] == "bench"
    assert api.post("/devices", BOARD).status_code == 409
    assert TeamDevice.objects.get().team == cast.team
    assert all(device["name"] != "bench" for device in api_of(cast.other, cast.carol).get("/devices").json())


def test_a_device_must_make_sense(api):
    assert api.post("/devices", BOARD | {"here": True}).status_code == 422
    assert api.post("/devices", BOARD | {"name": "a b/c"}).status_code == 422
    assert api.post("/devices", BOARD | {"kind": "toaster"}).status_code == 422
    assert not TeamDevice.objects.exists()


def test_chains_are_recipes_a_job_takes(api):
    rows = {row["name"]: row for row in api.get("/chains").json()}
    assert [step["technique"] for step in rows["half"]["recipe"]["steps"]] == ["prune-channels", "distill", "quantize-static"]
    assert rows["half"]["title"] and rows["half"]["why"].endswith(".")


def test_techniques_carry_their_schema(api):
    rows = {row["name"]: row for row in api.get("/techniques").json()}
    assert {"train", "fine-tune", "prune-channels", "quantize-static", "quantize-dynamic"} <= set(rows)
    assert rows["prune-channels"]["parameters"]["properties"]


def test_events_tell_the_story_and_end(api, cast):
    job = finished(cast.team)
    first = Event.objects.create(job=job, type="log", data={"text": "hello", "trace": "no"})
    Event.objects.create(job=job, type="log", data={"text": "more"})
    from asgiref.sync import async_to_sync

    async def read(answer):
        return "".join([part.decode() if isinstance(part, bytes) else part async for part in answer.streaming_content])

    whole = async_to_sync(read)(api.get(f"/jobs/{job.id}/events"))
    assert f"id: {first.pk}\nevent: event\n" in whole
    assert '"text": "hello"' in whole
    assert '"no"' not in whole
    assert whole.rstrip().splitlines()[-2] == "event: end"
    rest = async_to_sync(read)(api.get(f"/jobs/{job.id}/events", Last_Event_ID=str(first.pk)))
    assert "hello" not in rest
    assert "more" in rest


def test_a_running_job_names_its_step_by_title(api, cast):
    job = finished(cast.team)
    Job.objects.filter(id=job.id).update(state="running", step="86b631c69981",
                                         plan=[{"key": "86b631c69981", "title": "int8", "state": "running"}])
    assert api.get(f"/jobs/{job.id}").json()["step"] == "int8"
