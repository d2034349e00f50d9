"""The schema tells the truth: no 5xx, nothing undeclared, every error a problem; and its page needs nobody else's server."""

import re

import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.webapp.cast import Api, api_of
from webapp.api.api import api as face
from webapp.teams.models import Scope

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")      # a piece of an upload is plain bytes
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_operation_declares_its_errors():
    for path, operations in face.get_openapi_schema()["paths"].items():
        for method, said in operations.items():
            errors = {str(status): answer for status, answer in said["responses"].items() if int(status) >= 400 and int(status) != 416}
            assert method == "options" or {"401", "403", "422", "429", "500"} <= set(errors), f"{method} {path}"
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"]
            assert said.get("description") or said["summary"]


def test_the_schema_and_its_page_are_for_everybody(db):
    anybody = Api()
    schema = anybody.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    page = anybody.get("/docs").content.decode()
    for path in schema["paths"]:
        assert path in page
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nothing", 404), ("PUT", "/jobs", 405), ("GET", "/jobs/nonsense", 404), ("GET", "/", 404)])
def test_errors_before_any_endpoint_are_problems_too(api, method, path, status):
    answer = api.send(method, path)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "detail", "where", "hint", "code"}


def operations():
    for path, methods in face.get_openapi_schema()["paths"].items():
        for method in methods:
            if not path.endswith("/events"):       # a stream; test_api_jobs reads it
                yield pytest.param(path, method.upper(), id=f"{method.upper()} {path}")


@pytest.fixture
def one_connection():
    """A whole request through the WSGI door, without closing the connection that holds the test's transaction."""
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("path", "method"), list(operations()))
def test_whatever_is_sent_the_answer_is_declared(path, method, mode, cast, one_connection):
    """Eight requests of each sort by an owner's token: never a 5xx, never a status, media type or shape that the schema does not name."""
    secret = api_of(cast.team, cast.alice, Scope.ADMIN).secret
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())

    @settings(max_examples=8, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def send(case):
        answer = case.call(headers={"Authorization": f"Bearer {secret}"})
        case.validate_response(answer, checks=CHECKS)

    try:
        send()
    except Unsatisfiable:       # nothing in this operation can be wrong in a way its schema forbids
        assert mode is GenerationMode.NEGATIVE
