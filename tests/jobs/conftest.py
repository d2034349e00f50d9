"""A team, its assets and its jobs."""

import pytest


@pytest.fixture
def team(db):
    from webapp.teams.models import Team

    return Team.objects.create(name="Orchard", slug="orchard")


@pytest.fixture
def other_team(db):
    from webapp.teams.models import Team

    return Team.objects.create(name="Meadow", slug="meadow")


@pytest.fixture
def make_asset(team):
    from jobs import store
    from jobs.models import Asset

    def make(data=b"bytes", kind="model", **fields):
        return Asset.objects.create(**{"team": team, "kind": kind, "name": "thing", "filename": f"thing.{kind}",
                                       "blob": store.put([data])} | fields)
    return make


@pytest.fixture
def make_job(team):
    """A queued fit, without asking the planner."""
    from jobs.submit import queue

    def make(**fields):
        return queue(**{"team_id": team.id, "kind": "fit", "title": "a fit"} | fields)
    return make


@pytest.fixture
def run_script(monkeypatch):
    """Give the child a script of the test instead of the craft; `say(type, ...)` and `folder` are at its hand."""
    from jobs import sandbox
    from jobs.cage.rungs import python

    def use(script: str) -> None:
        monkeypatch.setattr(sandbox, "craft", lambda folder: [python(), "-c", PRELUDE + script, str(folder)])
    return use


@pytest.fixture
def prelude():
    return PRELUDE


PRELUDE = '''
import hashlib, json, os, signal, sys, time
folder = sys.argv[1]
def say(type, **fields):
    print(json.dumps({"type": type} | fields), flush=True)
def candidate(key, data=b"weights", name="model.onnx", **fields):
    os.makedirs(f"{folder}/out/{key}", exist_ok=True)
    with open(f"{folder}/out/{key}/{name}", "wb") as file:
        file.write(data)
    file = {"role": "model", "name": name, "path": f"{key}/{name}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    size = {"value": len(data) / 1024, "unit": "KiB", "origin": "measured", "how": "bytes of the file"}
    say("candidate", candidate={"key": key, "title": key, "recipe": {"steps": []}, "fits": True, "measurements": {"size_kib": size},
                                "files": [file]} | fields)
'''
