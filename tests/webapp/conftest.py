"""Fixtures of the web tests. Django's models are imported inside: this file is read before Django is set up."""

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def forgetful(request: pytest.FixtureRequest) -> None:
    """No counter and no remembered figure of the test before."""
    from django.core.cache import cache

    from webapp.teams import brief

    brief.forget()
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        cache.clear()


@pytest.fixture
def cast(db: None) -> SimpleNamespace:
    """alice (owner), bob (editor), vera (viewer) and their team; carol and other, hers."""
    from tests.webapp.cast import gather

    return gather()


@pytest.fixture
def api(cast: SimpleNamespace) -> Any:
    """The API as Bob sees it, by a token of scope run."""
    from tests.webapp.cast import api_of

    return api_of(cast.team, cast.bob)
