"""Fault pages without a database, a cache without Redis, a log without keys, and a start that refuses what is unsafe."""

import pytest
from django.test import RequestFactory

from webapp import checks, faults
from webapp.cache import RedisOrMemory
from webapp.logs import mask, without_keys
from webapp.static_files import StaticFiles


@pytest.mark.parametrize(("answer", "status"), [
    (lambda request: faults.bad_request(request), 400), (lambda request: faults.forbidden(request), 403),
    (lambda request: faults.not_found(request), 404), (lambda request: faults.broken(request), 500),
    (lambda request: faults.csrf_failed(request), 403)])
@pytest.mark.parametrize("path", ["/t/x/", "/api/v1/jobs"])
def test_faults_are_told_without_a_database(answer, status, path):
    """No fixture opens the database here, so a page that asked it would fail."""
    said = answer(RequestFactory().get(path))
    assert said.status_code == status
    assert said["Content-Type"].startswith("application/problem+json" if path.startswith("/api") else "text/html")
    assert b"Traceback" not in said.content


def test_our_own_fault_has_an_id_that_the_log_has_too(caplog):
    said = faults.broken(RequestFactory().get("/api/v1/jobs")).content.decode()
    fault = caplog.records[-1].msg["fault"]
    assert fault in said


def test_counters_count_on_while_redis_is_away():
    cache = RedisOrMemory("unix:///nowhere/valkey.sock", {"KEY_PREFIX": "t"})
    assert cache.add("n", 1, 60)
    assert not cache.add("n", 1, 60)
    assert cache.incr("n") == 2
    assert cache.get("n") == 2
    assert cache.away()


@pytest.mark.parametrize("text", ["Authorization: Bearer esp_AbCdEf0123456789",
                                  "GET /join/AbCdEf0123456789 200", "GET /d/WyJh:1x:AbCdEf0123456789",
                                  "cookie sessionid=AbCdEf0123456789; a=b", "esp_AbCdEf0123456789"])
def test_no_key_reaches_a_log_line(text):
    assert "AbCdEf0123456789" not in mask(text)
    assert "AbCdEf0123456789" not in str(without_keys(None, "info", {"event": text, "path": text}))


def test_a_view_without_a_word_on_who_may_open_it_stops_the_start(monkeypatch):
    monkeypatch.setattr(checks, "routes", lambda: [("t/x/", lambda request: None)])
    assert [found.id for found in checks.every_url_is_gated(None)] == ["espalier.E001"]


@pytest.mark.parametrize(("changes", "id"), [
    ({"SECRET_KEY": "changeme"}, "espalier.E002"), ({"SECRET_KEY": "django-insecure-" + "x" * 50}, "espalier.E002"),
    ({"DEBUG": True, "ALLOWED_HOSTS": ["espalier.example.org"]}, "espalier.E003"),
    ({"ALLOWED_HOSTS": ["espalier.example.org"], "HTTPS": False}, "espalier.W001")])
def test_an_unsafe_start_is_refused_with_a_hint(settings, changes, id):
    for name, value in changes.items():
        setattr(settings, name, value)
    found = checks.secrets_are_secret(None) + checks.debug_stays_at_home(None)
    assert [one.id for one in found] == [id]
    assert found[0].hint


def test_this_house_starts_without_findings():
    assert checks.every_url_is_gated(None) + checks.secrets_are_secret(None) + checks.debug_stays_at_home(None) == []


@pytest.mark.parametrize("path", ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static//etc/passwd", "/static/css"])
def test_static_files_are_those_listed_and_no_others(path):
    request = RequestFactory().get("/")
    request.path_info = path
    assert StaticFiles(lambda request: None).process_request(request) is None


def test_a_static_file_edited_under_the_server_is_served_whole(tmp_path):
    path = tmp_path / "a.css"
    path.write_text("a { color: green }")
    files = StaticFiles(lambda request: None)
    files._files.files["/static/a.css"] = files._files.get_static_file(str(path), "/static/a.css")
    path.write_text("a { color: green; margin: 0 }")
    answer = files.process_request(RequestFactory().get("/static/a.css"))
    assert answer.content == path.read_bytes()
    assert answer["Content-Length"] == str(path.stat().st_size)
    path.unlink()
    assert files.process_request(RequestFactory().get("/static/a.css")) is None
