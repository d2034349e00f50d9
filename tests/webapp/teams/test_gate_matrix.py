"""Every address x everybody who might knock. A route that is missing here fails: say who may open it, then add it to the table."""

import uuid
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import Artifact, Candidate, Job
from tests.webapp.cast import Api, asset_of
from webapp.api.api import api as face
from webapp.checks import routes
from webapp.devices.models import TeamDevice
from webapp.library.downloads import artifact_link
from webapp.library.models import Upload
from webapp.teams import members
from webapp.teams.models import Scope, Token

V, E, O = "viewer", "editor", "owner"
PAGES = {   # route -> (who may GET, who may POST); None: this method is not for anybody (405)
    "accounts/login/": ("public", "public"),
    "accounts/logout/": ("public", "public"),
    "accounts/signup/": ("public", "public"),
    "accounts/inactive/": ("public", None),
    "accounts/reauthenticate/": ("signed-in", "signed-in"),
    "accounts/password/change/": ("signed-in", "signed-in"),
    "accounts/password/set/": ("signed-in", "signed-in"),
    "": ("signed-in", None),
    "healthz": ("public", None),
    "readyz": ("public", None),
    "csp-report": (None, "public"),
    "join/<str:token>": ("public", "signed-in"),
    "d/<str:signed>": ("public", None),
    "teams/new": (None, "signed-in"),
    "t/<slug:team>/team/": (V, None),
    "t/<slug:team>/team/rename": (None, O),
    "t/<slug:team>/team/leave": (None, V),
    "t/<slug:team>/team/invitations": (None, O),
    "t/<slug:team>/team/invitations/<int:invitation>/withdraw": (None, O),
    "t/<slug:team>/team/members/<int:user>/role": (None, O),
    "t/<slug:team>/team/members/<int:user>/remove": (None, O),
    "t/<slug:team>/team/tokens": (None, V),
    "t/<slug:team>/team/tokens/<uuid:token>/revoke": (None, V),
    "t/<slug:team>/library/": (V, None),
    "t/<slug:team>/library/<uuid:asset>": (V, None),
    "t/<slug:team>/library/<uuid:asset>/delete": (None, E),
    "t/<slug:team>/library/<uuid:asset>/again": (None, E),
    "t/<slug:team>/": (V, None),
    "t/<slug:team>/examples/<slug:name>/start": (None, E),
    "t/<slug:team>/examples/<uuid:asset>": (E, None),
    "t/<slug:team>/examples/<uuid:asset>/go": (None, E),
    "t/<slug:team>/jobs/": (V, None),
    "t/<slug:team>/jobs/new": (E, E),
    "t/<slug:team>/jobs/plan": (None, E),
    "t/<slug:team>/jobs/<uuid:job>": (V, None),
    "t/<slug:team>/jobs/<uuid:job>/live": (V, None),
    "t/<slug:team>/jobs/<uuid:job>/events": (V, None),
    "t/<slug:team>/jobs/<uuid:job>/cancel": (None, E),
    "t/<slug:team>/jobs/<uuid:job>/replay": (None, E),
    "t/<slug:team>/jobs/<uuid:job>/log": (V, None),
    "t/<slug:team>/jobs/<uuid:job>/csv": (V, None),
    "t/<slug:team>/jobs/<uuid:job>/files/<uuid:artifact>": (V, None),
    "t/<slug:team>/devices/": (V, None),
    "t/<slug:team>/devices/new": (E, E),
    "t/<slug:team>/devices/<slug:name>": (V, None),
    "t/<slug:team>/devices/<slug:name>/edit": (E, E),
    "t/<slug:team>/devices/<slug:name>/delete": (None, E),
}
CALLS = {   # operation -> the scope of the token it needs; None: open to the world
    "GET /openapi.json": None,
    "GET /docs": None,
    "OPTIONS /uploads": None,
    "POST /models": "run", "GET /models": "read", "GET /models/{id}": "read", "DELETE /models/{id}": "run",
    "POST /datasets": "run", "GET /datasets": "read", "GET /datasets/{id}": "read", "DELETE /datasets/{id}": "run",
    "POST /datasets/{id}/inspect": "run",
    "POST /uploads": "run", "HEAD /uploads/{id}": "run", "PATCH /uploads/{id}": "run", "DELETE /uploads/{id}": "run",
    "GET /devices": "read", "POST /devices": "run", "GET /techniques": "read", "GET /chains": "read", "POST /plans": "read",
    "POST /jobs": "run", "GET /jobs": "read", "GET /jobs/{id}": "read", "POST /jobs/{id}/cancel": "run", "POST /jobs/{id}/replay": "run",
    "GET /jobs/{id}/events": "read", "GET /artifacts/{id}": "read", "HEAD /artifacts/{id}": "read",
}
NOTHING_THERE = (404,)
NO_SAMPLE = {       # the gate lets them in; there is no such thing to show
    "t/<slug:team>/library/<uuid:asset>/again", "t/<slug:team>/examples/<slug:name>/start", "t/<slug:team>/examples/<uuid:asset>",
    "t/<slug:team>/examples/<uuid:asset>/go",
}
ORDER = ["public", "signed-in", V, E, O]
CALLERS = {"anonymous": "public", "stranger": "signed-in", "vera": V, "bob": E, "alice": O}


@pytest.fixture
def things(cast):
    """One row of every kind that an address can name."""
    model = asset_of(cast.team)
    job = Job.objects.create(team=cast.team, number=1, kind=Job.Kind.FIT, title="net", state=Job.State.FAILED, model=asset_of(cast.team),
                             device=board(), goal={"metric": "top1"}, budget={"minutes": 1}, finished_at=timezone.now(),
                             started_at=timezone.now(), error={"stage": "fit", "fault": "user", "refusal": {"wrong": "No."}})
    measured = {name: {"value": 0.9, "unit": unit, "origin": "measured", "how": "a test", "low": 0.8, "high": 1.0, "n": 10}
                for name, unit in (("top1", "fraction"), ("size_kib", "KiB"), ("latency_ms", "ms"))}
    candidate = Candidate.objects.create(job=job, key="k", title="k", fits=True, baseline=True, quality=0.9, size_kib=0.9, data={
        "key": "k", "title": "k", "recipe": {"steps": []}, "baseline": True, "fits": True, "validation": 0.9, "measurements": measured})
    artifact = Artifact.objects.create(job=job, candidate=candidate, role="model", name="model.onnx", blob=model.blob)
    TeamDevice.objects.create(team=cast.team, name="bench", data=board())
    invitation, secret = members.invite(cast.team, cast.alice)
    upload = Upload.objects.create(team=cast.team, kind="model", name="n", filename="n.onnx", size=5, blob=asset_of(cast.team).blob)
    token = Token.issue(cast.team, cast.alice, "t")[0]
    return SimpleNamespace(team=cast.team.slug, asset=model.id, job=job.id, artifact=artifact.id, name="bench", invitation=invitation.id,
                           user=cast.bob.id, token=token.id, secret=secret, upload=upload.id, signed=artifact_link(artifact, cast.bob)[3:])


def board() -> dict:
    fact = {"value": 1000, "unit": "", "source": "a test"}
    return {"name": "bench", "title": "Bench", "core": "A72", "kind": "board", "isa": "aarch64", "clock_mhz": fact, "ram_kib": fact,
            "dtypes": ["fp32"], "runtimes": ["onnxruntime"]}


def address(route: str, things: SimpleNamespace) -> str:
    values = dict(vars(things))
    if route.startswith("join/"):
        values["token"] = things.secret
    for kind in ("slug", "uuid", "str", "int"):
        for name, value in values.items():
            route = route.replace(f"<{kind}:{name}>", str(value))
    assert "<" not in route, f"no sample for {route}"
    return f"/{route}"


def test_the_table_names_every_route():
    found = {route for route, _ in routes() if not route.startswith("api/v1/")}
    assert found - set(PAGES) == set(), "say in PAGES who may open these"
    assert set(PAGES) - found == set(), "PAGES names what is not there"


def test_the_table_names_every_operation():
    found = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, operations in face.get_openapi_schema()["paths"].items()
             for method in operations}
    assert found | {"GET /openapi.json", "GET /docs"} == set(CALLS)


@pytest.mark.parametrize("route", PAGES)
def test_pages_open_to_those_who_may(route, cast, things):
    for method, who in zip(("GET", "POST"), PAGES[route], strict=True):
        for caller in CALLERS:
            client = Client(raise_request_exception=False)
            if caller != "anonymous":
                client.force_login(cast.carol if caller == "stranger" else getattr(cast, caller))
            with transaction.atomic():
                answer = client.generic(method, address(route, things))
                transaction.set_rollback(True)
            assert_fits(answer, caller, who, f"{method} /{route} by {caller}", NOTHING_THERE if route in NO_SAMPLE else ())


def assert_fits(answer, caller: str, who: str | None, what: str, also: tuple[int, ...]) -> None:
    to_login = answer.status_code == 302 and answer["Location"].startswith(reverse("account_login"))
    if who is None:
        assert answer.status_code in (405, 302, 404, 403), f"{what}: {answer.status_code}"      # refused before or after the gate
    elif ORDER.index(CALLERS[caller]) >= ORDER.index(who):
        allowed = answer.status_code < 400 or answer.status_code in (400, 409, 422, *also)
        assert allowed, f"{what}: {answer.status_code}"
        assert not to_login, f"{what}: sent to the sign-in page"
    elif caller == "anonymous":
        assert to_login, f"{what}: {answer.status_code}"
    elif caller == "stranger":
        assert answer.status_code == 404, f"{what}: {answer.status_code}"
    else:
        assert answer.status_code == 403, f"{what}: {answer.status_code}"


@pytest.mark.parametrize("operation", CALLS)
def test_calls_need_their_scope(operation, cast, things):
    method, path = operation.split(" ")
    needed = CALLS[operation]
    kind = path.split("/")[1]
    id = {"models": things.asset, "datasets": uuid.uuid4(), "uploads": things.upload, "jobs": things.job,
          "artifacts": things.artifact}.get(kind)
    path = path.replace("{id}", str(id))
    mine_exists = "{id}" in operation and kind != "datasets"

    def status(user=None, scope=Scope.RUN, team=cast.team, revoked=False) -> int:
        secret = ""
        if user:
            token, secret = Token.issue(team, user, "t", scope)
            Token.objects.filter(pk=token.pk).update(revoked_at=timezone.now() if revoked else None)
        with transaction.atomic():
            answer = Api(secret).send(method, path, b"", "application/json", Tus_Resumable="1.0.0")
            transaction.set_rollback(True)
        return answer.status_code

    if needed is None:
        assert status() < 300
        return
    assert status() == 401
    assert status(cast.alice, revoked=True) == 401
    assert status(cast.vera, Scope.RUN) == (403 if needed == "run" else status(cast.bob))       # the role behind the scope counts
    assert (status(cast.bob, Scope.READ) == 403) == (needed == "run")
    assert status(cast.bob, Scope.RUN) not in (401, 403, 500)
    stranger = status(cast.carol, Scope.ADMIN, cast.other)
    assert stranger == 404 if "{id}" in operation else stranger not in (401, 403, 404, 500)
    assert not mine_exists or status(cast.bob) != 404


@pytest.mark.parametrize("nasty", ["..%2f..%2fetc%2fpasswd", "%252e%252e%252f", "%00", "..", "'; DROP TABLE", "\u202e"])
@pytest.mark.parametrize("place", ["/t/{}/", "/t/{}/library/", "/d/{}", "/join/{}", "/api/v1/models/{}", "/api/v1/artifacts/{}",
                                   "/static/{}"])
def test_no_path_leads_anywhere_else(place, nasty, cast):
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    assert client.get(place.format(nasty)).status_code in (404, 401)
