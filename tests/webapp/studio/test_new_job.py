"""The new-job form: what it starts with, what it says, what it submits; without scripts."""

import pytest
from django.http import QueryDict

from jobs.models import Job
from optimizers.candidate import Sensitivity
from tests.webapp.sample import Garden, plant
from tests.webapp.test_team_pages import as_
from webapp.devices.shelf import shelf
from webapp.forms import form_for
from webapp.studio import prefill, steps
from webapp.studio.draft import Draft


@pytest.fixture
def garden(db) -> Garden:
    return plant()


def form(garden: Garden, **changes: str) -> dict:
    return {"model": str(garden.model.id), "dataset": str(garden.dataset.id), "device": "this-server", "metric": "top1", "hold": "drop",
            "drop": "1.0", "how": "plan", "minutes": "5", "seed": "7"} | changes


def data_of(**values) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in values.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def post(garden: Garden, where: str, **fields):
    return as_(garden.alice).post(f"/t/{garden.team.slug}/jobs/{where}", form(garden) | fields)


def test_start_makes_the_job_that_was_asked_for(garden):
    answer = post(garden, "new", do="start", on_flash_kib="on", flash_kib="400", on_ram_kib="", ram_kib="9",
                  on_download_kib="on", download_kib="300")
    job = Job.objects.filter(kind="fit").order_by("-created_at").first()
    assert answer.status_code == 302
    assert str(job.id) in answer["Location"]
    assert job.goal["limits"]["flash_kib"] == 400 and job.goal["limits"]["download_kib"] == 300
    assert job.goal["limits"]["ram_kib"] is None, "a limit that is switched off is none, whatever its box holds"
    assert job.goal["max_drop"] == 0.01
    assert (job.seed, job.budget["minutes"], job.recipe) == (7, 5.0, None)


@pytest.mark.parametrize(("field", "value", "said"), [
    ("minutes", "0", "is not between 0.1 and 1440 minutes"),
    ("drop", "much", "is not between 0 and 100 points"),
    ("seed", "", "A number of seed is missing."),
    ("device", "no-such-board", "No device is chosen."),
    ("model", "11111111-1111-4111-8111-111111111111", "There is no such model in this team."),
])
def test_a_mistake_is_named_at_its_field_and_nothing_starts(garden, field, value, said):
    before = Job.objects.count()
    answer = post(garden, "new", do="start", **{field: value})
    assert answer.status_code == 422
    assert said in answer.content.decode().replace("&#x27;", "'")
    assert Job.objects.count() == before


def test_an_absolute_floor_replaces_the_drop(garden):
    draft = Draft(garden.team, data_of(**form(garden, hold="floor", floor="90,5")), shelf(garden.team))
    assert not draft.errors
    assert (draft.goal.floor, draft.goal.max_drop) == (pytest.approx(0.905), None)


def test_the_dry_run_follows_the_form(garden):
    page = post(garden, "plan").content.decode()
    assert "Tried, best first" in page
    assert "python -m optimizers fit --model" in page
    impossible = post(garden, "plan", on_flash_kib="on", flash_kib="0.5", device="rp2040").content.decode()
    assert "This cannot work." in impossible
    assert "Tried, best first" not in impossible


def test_chances_follow_an_earlier_look_at_the_layers(garden):
    """A job on the same model and rows found that one layer alone loses nine points in 8 bits: int8 is no longer called likely."""
    def chance_of_int8(seed: int = garden.done.seed) -> str:
        listed = post(garden, "plan", sensitivity="on", seed=str(seed)).content.decode().split('<ol class="tried">')[1]
        return next(row for row in listed.split("<li") if ">int8</span>" in row)

    assert ">likely" in chance_of_int8()
    original = garden.done.candidates.get(baseline=True)
    layer = Sensitivity(layer="b1.conv1", operator="Conv", treatment="8 bits", loss=9.0)
    original.data = original.data | {"sensitivity": [layer.model_dump(mode="json")]}
    original.save()
    row = chance_of_int8()
    assert ">unlikely" in row and "about 9 points are expected to be lost" in row
    assert ">likely" in chance_of_int8(seed=12345), "another seed, another look"


def test_steps_are_added_moved_and_removed_without_scripts(garden):
    data = data_of(step=[], new_technique="train")
    data = steps.edited(data, "add")
    data["new_technique"] = "fine-tune"
    data = steps.edited(data, "add")
    names = lambda: [data[f"technique-{key}"] for key in data.getlist("step")]
    assert names() == ["train", "fine-tune"]
    data = steps.edited(data, "up-1")
    assert names() == ["fine-tune", "train"]
    data = steps.edited(data, "remove-1")
    assert names() == ["train"]
    assert steps.edited(data, "add-anything").getlist("step"), "an unknown button changes nothing"


def test_a_chain_adds_all_its_steps_with_its_parameters(garden):
    data = steps.edited(data_of(step=[], new_technique="train"), "add")
    data["new_technique"] = "chain half"
    data = steps.edited(data, "add")
    assert [data[f"technique-{key}"] for key in data.getlist("step")] == ["train", "prune-channels", "distill", "quantize-static"]
    built = steps.recipe_of(steps.forms_of(data), 0)
    assert built.steps[1].share == 0.5
    data["new_technique"] = "chain nothing"
    assert len(steps.edited(data, "add").getlist("step")) == 4


def test_every_technique_has_a_form_that_gives_its_defaults_back():
    from optimizers.catalogue import TECHNIQUES
    from optimizers.recipe import build

    for technique in TECHNIQUES.values():
        kind = form_for(technique)
        filled = kind(steps.defaults(kind, "0"), prefix="0")
        assert filled.is_valid(), (technique.name, filled.errors)
        assert build(technique, filled.params()).dump() == build(technique, {}).dump(), technique.name


def test_fields_stand_under_their_own_words():
    from optimizers.catalogue import TECHNIQUES

    labels = {name: field.label for name, field in form_for(TECHNIQUES["swap-activations"]).base_fields.items()}
    assert labels["silu"] == "SiLU becomes" and labels["gelu"] == "GELU becomes"
    assert form_for(TECHNIQUES["cluster-weights"]).base_fields["init"].label == "Where k-means begins"


def test_what_few_people_need_is_folded_away_and_says_what_was_changed():
    fresh, = steps.forms_of(data_of(step=["0"], **{"technique-0": "fine-tune"}))
    assert [field.name for field in fresh.plain()] == ["epochs", "rate"]
    training, = fresh.folded()
    assert (training.heading, training.changed, training.wrong) == ("Training", 0, False)
    told = data_of(step=["0"], **{"technique-0": "fine-tune", "sent-0": "1", "0-epochs": "2"} | {
        f"0-{field.name}": field.initial for field in training.fields if field.initial is not False} | {"0-batch": "0"})
    changed, = steps.forms_of(told)
    fold, = changed.folded()
    assert (fold.changed, fold.wrong) == (1, True)


def test_the_proposed_metric_follows_the_dataset_and_a_chosen_one_stays(garden):
    kept = lambda **said: Draft(garden.team, data_of(**form(garden, **said)), shelf(garden.team)).goal.metric
    assert kept(metric="agreement", proposed="agreement") == "top1"
    assert kept(metric="agreement", proposed="top1") == "agreement"


def test_a_pasted_recipe_is_checked(garden):
    page = post(garden, "plan", how="paste", recipe="steps:\n- technique: quantise-static\n").content.decode()
    assert "Did you mean" in page
    page = post(garden, "new", do="start", how="paste", recipe="steps: [").content.decode()
    assert "The recipe cannot be read" in page


def test_run_again_brings_the_form_back(garden):
    garden.done.recipe = {"steps": [{"technique": "fine-tune", "version": 1, "params": {}}], "seed": 3}
    garden.done.save()
    data = prefill.prefilled(garden.team, data_of(**{"from": str(garden.done.id)}), shelf(garden.team))
    assert data["how"] == "choose"
    assert data["device"] == garden.done.device["name"]
    assert data["flash_kib"] == "64"
    draft = Draft(garden.team, data, shelf(garden.team))
    assert [step.name for step in draft.recipe.steps] == ["fine-tune"]
