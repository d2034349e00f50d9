"""The files for containers, read as far as that is possible where no engine runs: shape, references, and agreement with `manage.py up`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from webapp.up.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
STRINGS = {"type": "array", "items": {"type": "string"}}
COMMAND = {"oneOf": [{"type": "string"}, STRINGS]}
DURATION = {"type": "string", "pattern": r"^(\d+(us|ms|s|m|h))+$"}
MAPPING = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
CONDITION = {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
NAMES = {"type": "object", "patternProperties": {r"^[a-zA-Z0-9._-]+$": {"type": ["object", "null"]}}, "additionalProperties": False}
SERVICE = {     # the part of the compose specification that this file uses; anything else in it is a slip
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:[\w.-]+$"},
        "build": {"type": "object", "additionalProperties": False, "required": ["context"],
                  "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}, "args": MAPPING}},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "command": COMMAND,
        "environment": MAPPING,
        "depends_on": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["condition"], "additionalProperties": False, "properties": {"condition": CONDITION}}},
        "ports": STRINGS,
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[\w-]+:/[\w/-]+(:ro)?$"}},
        "networks": STRINGS,
        "healthcheck": {"type": "object", "required": ["test"], "additionalProperties": False, "properties": {
            "test": COMMAND, "interval": DURATION, "timeout": DURATION, "retries": {"type": "integer"}}},
        "mem_limit": {"type": "string", "pattern": r"^\d+[kmg]b?$"},
        "shm_size": {"type": "string", "pattern": r"^\d+[kmg]b?$"},
        "stop_grace_period": DURATION,
    },
}
COMPOSE = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9_-]*$"}, "volumes": NAMES, "networks": NAMES,
                   "services": {"type": "object", "additionalProperties": SERVICE}},
    "patternProperties": {"^x-": {}},
}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_compose_file_follows_the_specification(compose):
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in Draft202012Validator(COMPOSE).iter_errors(compose)]
    assert errors == []


def test_compose_itself_reads_the_file():
    """Where Docker's client has its compose plugin: no engine is needed for `config`. A missing secret is refused by name."""
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("NO DOCKER COMPOSE: the compose file was read by the tests' own rules only")
    bare = {key: value for key, value in os.environ.items() if key not in ("POSTGRES_PASSWORD", "ESPALIER_SECRET_KEY")}
    command = ["docker", "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "-q"]
    with_secrets = bare | {"POSTGRES_PASSWORD": "p", "ESPALIER_SECRET_KEY": "s"}
    done = subprocess.run(command, env=with_secrets, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(command, env=bare, capture_output=True, text=True)
    assert done.returncode
    assert re.search("set (POSTGRES_PASSWORD|ESPALIER_SECRET_KEY)", done.stderr)


def test_every_reference_in_it_leads_somewhere(compose):
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            assert how["condition"] != "service_healthy" or "healthcheck" in services[other], f"{name} waits for {other}'s health"
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])
        assert set(service["networks"]) <= set(compose["networks"])
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_one_image_serves_web_worker_and_beat_as_up_runs_them(compose):
    services, plan = compose["services"], Plan(Path("/data"))
    assert len({services[name]["image"] for name in ("web", "worker", "beat", "migrate")}) == 1
    for name, words in (("web", plan.web()), ("worker", plan.worker()), ("beat", plan.beat())):
        command = services[name]["command"]
        assert command[:2] == ["python", "-m"]
        assert command[2] == words[0]
        assert {"webapp.asgi:application", "jobs.celery"} & set(command) == {"webapp.asgi:application", "jobs.celery"} & set(words)


def test_no_secret_has_a_default(compose):
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"\$\{(POSTGRES_PASSWORD|ESPALIER_SECRET_KEY)(?!:\?)", text) == []
    assert all(port.startswith("127.0.0.1:") for service in compose["services"].values() for port in service.get("ports", []))


def test_the_dockerfile_copies_what_exists_and_does_not_run_as_root():
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert "USER espalier" in lines
    assert lines.index("USER espalier") < next(n for n, line in enumerate(lines) if line.startswith("CMD"))
