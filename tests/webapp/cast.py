"""The cast: Alice owns the team, Bob edits, Vera looks on; Carol owns another team and is a stranger here."""

import json
from functools import cache
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.hashers import make_password
from django.test import Client

from jobs import store
from jobs.models import Asset
from webapp.teams import members
from webapp.teams.models import Membership, Role, Scope, Team, Token, User

PASSWORD = "apples and pears"


@cache
def password() -> str:
    """Hashed once: the hash is slow on purpose."""
    return make_password(PASSWORD)


def person(name: str, team: Team | None = None, role: str = Role.VIEWER) -> User:
    user = User(email=f"{name.lower()}@example.org", name=name)
    user.password = password()
    user.save()
    if team:
        Membership.objects.create(team=team, user=user, role=role)
    return user


def gather() -> SimpleNamespace:
    """alice, bob, vera and their team; carol and other, hers."""
    alice, carol = person("Alice"), person("Carol")
    team, other = members.make_team(alice, "Orchard"), members.make_team(carol, "Elsewhere")
    return SimpleNamespace(alice=alice, bob=person("Bob", team, Role.EDITOR), vera=person("Vera", team, Role.VIEWER), carol=carol,
                           team=team, other=other)


class Api:
    """The API as one token sees it: api.get("/jobs"), api.post("/jobs", {...})."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers | dashed(headers))

    def delete(self, path: str, **headers: str) -> Any:
        return self.client.delete(f"/api/v1{path}", headers=self.headers | dashed(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=self.headers | dashed(headers))

    def form(self, path: str, fields: dict[str, Any], **headers: str) -> Any:
        return self.client.post(f"/api/v1{path}", fields, headers=self.headers | dashed(headers))

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "application/offset+octet-stream", **headers: str) -> Any:
        return self.client.generic(method, f"/api/v1{path}", body, content_type, headers=self.headers | dashed(headers))


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def api_of(team: Team, user: User, scope: str = Scope.RUN) -> Api:
    return Api(Token.issue(team, user, "test", scope)[1])


MODEL_CARD = {
    "kind": "onnx", "family": "network", "title": "ONNX network, opset 20", "task": "classification",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 1, 8, 8]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [None, 10]}],
    "classes": 10, "parameters": 12_000, "macs": 300_000, "activation_bytes": 20_000, "opset": 20, "operators": {"Conv": 2, "Gemm": 1},
    "layers": [
        {"name": "conv1", "operator": "Conv", "input_shape": [1, 8, 8], "output_shape": [16, 8, 8], "parameters": 160, "macs": 9_216},
        {"name": "conv2", "operator": "Conv", "input_shape": [16, 8, 8], "output_shape": [16, 8, 8], "parameters": 2_320, "macs": 147_456},
        {"name": "fc", "operator": "Gemm", "input_shape": [1024], "output_shape": [10], "parameters": 10_250, "macs": 10_240}],
    "problems": [{"severity": "info", "wrong": "The batch axis is free."}],
}
DATASET_CARD = {
    "kind": "array", "title": "Arrays, 1,797 rows", "rows": 1797, "splits": {"train": 1257, "validation": 180, "test": 360},
    "task": "classification", "classes": [str(n) for n in range(10)], "class_counts": [180] * 9 + [177], "row_shape": [1, 8, 8],
    "row_dtype": "float32",
}


def asset_of(team: Team, kind: str = "model", state: str = "ready", content: bytes = b"bytes of a file", name: str = "net") -> Asset:
    """A library row whose blob really lies in the store."""
    card = (MODEL_CARD if kind == "model" else DATASET_CARD) if state == "ready" else None
    refusal = {"wrong": "The file ends too early.", "where": "byte 12", "mend": "Export it again.", "code": "truncated"}
    return Asset.objects.create(team=team, kind=kind, state=state, name=name, filename=f"{name}{'.onnx' if kind == 'model' else '.npz'}",
                                blob=store.put([content]), card=card, refusal=refusal if state == "rejected" else None)
