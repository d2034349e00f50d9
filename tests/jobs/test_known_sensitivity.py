"""A look at every layer is believed by later jobs that ask the same, and by nobody else's."""

import pytest

from jobs.models import Candidate
from jobs.workspace import known_sensitivity

pytestmark = pytest.mark.django_db
ROWS = [{"layer": "conv", "operator": "Conv", "treatment": "4 bits", "loss": 0.3}]


@pytest.fixture
def asked(make_asset, make_job):
    """One job that looked, and a maker of jobs like it."""
    like = {"model": make_asset(b"model"), "dataset": make_asset(b"rows", kind="dataset"), "goal": {"metric": "top1"},
            "budget": {"sensitivity": True}, "seed": 3}
    Candidate.objects.create(job=make_job(**like), key="a", title="baseline", baseline=True, data={"sensitivity": ROWS})
    return lambda **changes: make_job(**(like | changes))


def test_the_same_question_has_its_answer(asked):
    assert known_sensitivity(asked()) == ROWS


@pytest.mark.parametrize("change", [{"seed": 4}, {"goal": {"metric": "macro_f1"}}, {"budget": {}}, {"model": None},
                                    {"preprocessing": {"scale": "0-255"}}])
def test_another_question_has_none(asked, change):
    assert known_sensitivity(asked(**change)) == []


def test_another_network_or_other_rows_have_none(asked, make_asset):
    assert known_sensitivity(asked(model=make_asset(b"other"))) == []
    assert known_sensitivity(asked(dataset=make_asset(b"others", kind="dataset"))) == []
    assert known_sensitivity(asked(dataset=make_asset(b"rows", kind="dataset", options={"target": "y"}))) == []


def test_another_team_with_the_same_bytes_learns_nothing(asked, other_team, make_asset):
    theirs = {"model": make_asset(b"model", team=other_team), "dataset": make_asset(b"rows", kind="dataset", team=other_team)}
    assert known_sensitivity(asked(team_id=other_team.id, **theirs)) == []
