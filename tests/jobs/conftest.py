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
