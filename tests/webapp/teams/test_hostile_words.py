"""Words from strangers that no database keeps: the pages and the API answer with a page or a refusal, never with a fault."""

import base64
import json

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Asset
from tests.webapp.cast import api_of
from webapp.devices.models import TeamDevice
from webapp.library.models import Upload
from webapp.teams.models import Scope, Team, Token

ODD = ["a\0b", "\u202eevil", "x" * 100_000, "²", "nan", "1e999", "<img src=x onerror=alert(1)>"]


@pytest.fixture
def alice(cast):
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    return client


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:12]))
def test_no_form_breaks(alice, cast, odd):
    at = {"team": cast.team.slug}
    for name, fields in {"team-rename": {"name": odd}, "token-issue": {"name": odd, "days": odd, "scope": "read"},
                         "team-invite": {"role": odd}, "device-new": {"title": odd, "core": odd, "clock_mhz": odd},
                         "job-new": dict.fromkeys(("device", "model", "dataset", "drop", "minutes", "seed", "step", "recipe", "do"), odd),
                         "job-plan": {"how": "paste", "recipe": odd}}.items():
        assert alice.post(reverse(name, kwargs=at), fields).status_code < 500, name
    assert alice.post(reverse("team-new"), {"name": odd}).status_code < 500
    for page in ("library", "jobs", "devices", "job-new", "dashboard"):
        query = dict.fromkeys(("q", "kind", "page", "state", "before", "mine", "from", "model", "dataset", "device"), odd[:2000])
        assert alice.get(reverse(page, kwargs=at), query).status_code < 500, page
    for row in [*Team.objects.all(), *Token.objects.all()]:
        assert not set("\0\u202e") & set(row.name)


def test_a_page_with_a_fresh_key_is_never_cached(alice, cast):
    assert "no-store" in alice.get(reverse("team", kwargs={"team": cast.team.slug}))["Cache-Control"]


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "\u202eevil", "x" * 100_000])
def test_no_device_of_odd_words(cast, odd):
    api = api_of(cast.team, cast.alice, Scope.RUN)
    plain = next(one for one in api.get("/devices").json() if one["name"] == "rp2040")
    plain.pop("own")
    for change in ({"title": odd}, {"note": odd}, {"dtypes": [odd]}, {"clock_mhz": {"value": 1, "unit": odd, "source": "s"}},
                   {"macs_per_cycle": {odd: {"value": 1, "unit": "u", "source": "s"}}}):
        assert api.post("/devices", plain | {"name": "mine"} | change).status_code == 422
    assert not TeamDevice.objects.exists()
    assert api.post("/plans", {"device": odd}).status_code in (404, 422)


@pytest.mark.parametrize("options", [
    '{"target": "\\u0000"}', '{"target": "\\ud800"}', '{"preprocessing": {"mean": NaN}}', "[" * 20_000, "[]",
], ids=lambda text: text[:20])
def test_no_option_that_cannot_be_kept(cast, options):
    api = api_of(cast.team, cast.alice, Scope.RUN)
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in
             {"kind": "dataset", "filename": "a.csv", "options": options}.items()}
    answer = api.client.post("/api/v1/uploads", headers=api.headers | {
        "Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": ",".join(f"{key} {value}" for key, value in coded.items())})
    assert answer.status_code == 422, answer.content
    assert json.loads(answer.content)["hint"] or json.loads(answer.content)["where"]
    assert not Upload.objects.exists()
    assert not Asset.objects.exists()
