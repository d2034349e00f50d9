"""Bias and variance, what matters, scores and what is left over: on the page, in words, and without scripts."""

import pytest

from jobs.models import Candidate as CandidateRow
from jobs.models import Job
from optimizers.candidate import BiasVariance, Candidate, Scores
from optimizers.catalogue import TECHNIQUES
from optimizers.goal import Goal
from tests.webapp.sample import Garden, plant
from tests.webapp.sample_tables import FAMILIES, amounts, of_class, studied
from tests.webapp.studio.test_new_job import data_of
from tests.webapp.test_team_pages import as_
from webapp.devices.shelf import shelf
from webapp.forms import form_for
from webapp.studio import families, prefill, reading, scoring, steps, study
from webapp.studio.draft import Draft
from webapp.studio.grids import matrix


@pytest.fixture
def garden(db) -> Garden:
    return plant()


def page_of(garden: Garden, job: Job, query: str = "") -> str:
    answer = as_(garden.alice).get(f"/t/{garden.team.slug}/jobs/{job.pk}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_result_shows_all_that_explains_it(garden):
    page = page_of(garden, studied(garden))
    for part in ("study", "matters", "scores", "matrix"):
        assert f'id="{part}"' in page and f'href="#{part}"' in page, part
    assert "Take boosting. Stacking is not measurably better, and 90 times slower." in page
    assert "left the bias as it was (0.212 and 0.208, within the noise of resampling) and cut the variance from 0.181 to 0.041" in page
    assert 'id="residuals"' not in page and "<b>>50K</b>" not in page, "class names are escaped"


def test_a_page_without_any_of_it_is_as_it_was(garden):
    page = page_of(garden, garden.done)
    assert not any(f'id="{part}"' in page for part in ("study", "matters", "scores", "residuals")) and 'id="matrix"' in page


def test_amounts_show_what_is_left_over(garden):
    page = page_of(garden, amounts(garden))
    assert 'id="residuals"' in page and "answer minus truth" in page and 'id="scores"' not in page and 'id="study"' not in page


def test_a_class_that_is_not_there_falls_back(garden):
    job = studied(garden)
    assert "class <b>&gt;50K</b>" in page_of(garden, job, "?class=nonsense")
    assert CandidateRow.objects.filter(job=job).count() == len(FAMILIES)


def candidate(**changes) -> Candidate:
    return Candidate(key="k", title="k", recipe={}, measurements={}, fits=True, **changes)


def test_thresholds_count_by_hand():
    """Four bins: the class has 1, 0, 2, 3 rows in them, the rest 5, 2, 1, 0."""
    chart = scoring.chart(candidate(scores=(Scores(name="yes", of_it=(1, 0, 2, 3), of_others=(5, 2, 1, 0)),)))
    half = chart.half
    assert (half.hits, half.missed, half.false_alarms, half.passed) == (5, 1, 1, 7)
    assert (half.precision, half.recall, half.f1, half.false_rate) == ("83.3", "83.3", "83.3", "12.5")
    # pairs of one of each: 48; ranked right 3*8 + 2*(7 + 0.5) + 0 + 1*2.5 = 41.5
    assert chart.area == "0.865" == f"{41.5 / 48:.3f}"


def test_f1_of_each_class_by_hand():
    found = matrix(candidate(confusion=((8, 2), (4, 6)), class_names=("a", "b")))
    assert dict(found.totals) == {"a": ("10", "80.0", "66.7", "72.7"), "b": ("10", "60.0", "75.0", "66.7")} and found.worst == "b"


def head(title: str, loss: float, latency: float, half: float = 0.01):
    row = of_class(title, ("boost", {}), 85.0, loss / 2, loss / 2, 1.0, latency, 1.0, 10.0, None)
    ranges = {f"{name}_range": (loss / 2 - half, loss / 2 + half) for name in ("bias", "variance")}
    return row.model_copy(update={"study": row.study.model_copy(update=ranges)})


@pytest.mark.parametrize(("boosting", "stacking", "said"), [
    ((0.20, 1.0), (0.30, 9.0), "Boosting errs least on your data by Brier score: 0.200, and stacking 0.300."),
    ((0.201, 1.0), (0.200, 9.0), "Take boosting. Stacking is not measurably better, and 9.0 times slower."),
    ((0.200, 1.0), (0.201, 9.0), "Take boosting: it errs least, though not measurably less than stacking."),
])
def test_the_lead_claims_no_more_than_the_intervals(boosting, stacking, said):
    heads = ((families.FAMILIES["boosting"], head("b", *boosting)), (families.FAMILIES["stacking"], head("s", *stacking)))
    assert reading.lead(heads) == said


def test_what_had_no_time_and_what_the_count_says_otherwise_is_told():
    rows = [of_class(*family) for family in FAMILIES[:4]]
    bare = rows[3].model_copy(update={"study": None})
    told = " ".join(study.chart([*rows[:3], bare], Goal(max_drop=None)).told.sentences)
    assert "Too little time was left to study LightGBM;" in told
    assert "Counted in wrong answers bagging is ahead of the linear model: 14.3" in told


def test_a_study_without_intervals_says_so():
    bare = BiasVariance(resamples=20, rows=85, measure="Brier score", loss=0.3, bias=0.2, variance=0.1, seconds=1, how="here")
    rows = [of_class(*family).model_copy(update={"study": bare}) for family in FAMILIES]
    told = study.chart(rows, Goal(max_drop=None)).told
    assert "small differences may be nothing" in told.sentences[-1] and "wrong, count as bias" in " ".join(told.sentences)


def test_the_comparison_is_one_click(garden):
    job = studied(garden)
    asked = prefill.prefilled(garden.team, data_of(dataset=str(job.dataset_id), study="on"), shelf(garden.team))
    assert Draft(garden.team, asked, shelf(garden.team)).budget.study
    client = as_(garden.alice)
    assert f"dataset={job.dataset_id}&amp;study=on" in client.get(f"/t/{garden.team.slug}/library/{job.dataset_id}").content.decode()
    form = {"dataset": str(job.dataset_id), "device": "this-server", "hold": "drop", "drop": "1", "minutes": "60", "seed": "0",
            "how": "plan", "study": "on", "do": "start"}
    assert client.post(f"/t/{garden.team.slug}/jobs/new", form).status_code == 302
    made = Job.objects.filter(state="queued", dataset=job.dataset).get()
    assert made.budget["study"] is True
    assert prefill.from_job(made)["study"] == "on"


def test_a_network_is_no_family(garden):
    asked = data_of(model=str(garden.model.id), dataset=str(garden.dataset.id), device="this-server", study="on")
    assert not Draft(garden.team, asked, shelf(garden.team)).budget.study


def test_members_are_boxes_to_tick():
    data = steps.edited(data_of(new_technique="stack"), "add")
    form, = steps.forms_of(data)
    assert str(form["members"]).count('type="checkbox"') == 10 and str(form["members"]).count("checked") == 4
    sent = data_of(step="0", **{"technique-0": "stack", "sent-0": "1", "0-members": ["forest", "linear"]})
    recipe = steps.recipe_of(steps.forms_of(sent), 0)
    assert recipe.steps[0].members == ("forest", "linear")
    again = data_of(**steps.as_data(recipe.dump()))
    assert steps.recipe_of(steps.forms_of(again), 0).dump() == recipe.dump()
    wrong = form_for(TECHNIQUES["vote"])({"members": ["pickle"]})
    assert not wrong.is_valid()
