"""Jobs without labels on pages and over REST: which metrics are offered, what was fed, what the result shows."""

import re
from pathlib import Path

import pytest

from jobs.models import Asset, Job
from jobs.workspace import lay_task
from tests.webapp.sample import Garden, faithful, plant
from tests.webapp.studio.test_new_job import data_of
from tests.webapp.test_team_pages import as_
from webapp.devices.shelf import shelf
from webapp.folding import fold
from webapp.studio import prefill
from webapp.studio.draft import Draft


@pytest.fixture
def garden(db) -> Garden:
    return plant()


@pytest.fixture
def job(garden) -> Job:
    return faithful(garden)


def form(job: Job, **changes: str) -> dict:
    return {"model": str(job.model_id), "dataset": str(job.dataset_id), "device": "raspberry-pi-5", "hold": "drop", "drop": "1.0",
            "how": "plan", "minutes": "5", "seed": "7"} | changes


def post(garden: Garden, job: Job, where: str, **fields):
    return as_(garden.alice).post(f"/t/{garden.team.slug}/jobs/{where}", form(job, **fields))


def test_only_metrics_that_make_sense_are_offered(garden, job):
    draft = Draft(garden.team, data_of(**form(job, metric="top1")), shelf(garden.team))
    assert draft.metrics() == ("cosine", "agreement") and draft.goal.metric == "cosine" and not draft.errors
    page = post(garden, job, "new", do="check").content.decode()
    assert "cosine similarity to the original" in page and "top-1 accuracy" not in page
    assert "Without labels nothing can tell on which scale" in page and "100&#8239;% by definition" in page
    assert "Without labels nothing can tell" not in post(garden, job, "new", do="check", feed_scale="standard").content.decode()


def test_labels_keep_their_metrics_and_gain_two(garden):
    asked = data_of(model=str(garden.model.id), dataset=str(garden.dataset.id), device="this-server")
    draft = Draft(garden.team, asked, shelf(garden.team))
    assert draft.metrics() == ("top1", "macro_f1", "agreement", "cosine") and draft.goal.metric == "top1"


def test_what_was_fed_goes_from_the_form_to_the_child(garden, job, tmp_path: Path):
    answer = post(garden, job, "new", do="start", feed_scale="standard", feed_mean="0.5, 0.4 0.3", feed_std="0.25", feed_size="240 × 320")
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    made = Job.objects.filter(kind="fit", state="queued", model=job.model).get()
    assert made.preprocessing == {"scale": "standard", "mean": [0.5, 0.4, 0.3], "std": [0.25], "size": [240, 320]}
    (tmp_path / "in").mkdir()
    assert lay_task(tmp_path, made, threads=1).model_options["preprocessing"] == made.preprocessing
    again = prefill.prefilled(garden.team, data_of(**{"from": str(made.id)}), shelf(garden.team))
    assert Draft(garden.team, again, shelf(garden.team)).preprocessing == made.preprocessing


def test_a_model_with_several_inputs_gets_boxes_for_them(garden, job):
    card = job.model.card | {"carried": {"h": "hn"}, "inputs": [
        *job.model.card["inputs"], {"name": "h", "dtype": "float32", "shape": [1, 8]}, {"name": "sr", "dtype": "int64", "shape": []}],
        "outputs": [*job.model.card["outputs"], {"name": "hn", "dtype": "float32", "shape": [1, 8]}]}
    Asset.objects.filter(pk=job.model.pk).update(card=card)
    page = post(garden, job, "new", do="check").content.decode()
    assert 'name="feed_constants"' in page and "sr = 16000" in page and 'placeholder="h = hn"' in page
    assert "nothing to feed: sr int64 one number" in page
    answer = post(garden, job, "new", do="start", feed_constants="sr = 8000, h = 0.5")
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    made = Job.objects.filter(kind="fit", state="queued").latest("created_at")
    assert made.preprocessing == {"constants": {"sr": 8000, "h": 0.5}}
    again = prefill.prefilled(garden.team, data_of(**{"from": str(made.id)}), shelf(garden.team))
    assert Draft(garden.team, again, shelf(garden.team)).preprocessing == made.preprocessing
    wrong = post(garden, job, "new", do="start", feed_constants="rate = 1")
    assert wrong.status_code == 422 and "no input &#x27;rate&#x27;" in wrong.content.decode()


def test_a_mistake_in_preprocessing_is_named(garden, job):
    before = Job.objects.count()
    answer = post(garden, job, "new", do="start", feed_scale="standard", feed_std="0")
    assert answer.status_code == 422 and "preprocessing.std.0" in answer.content.decode() and Job.objects.count() == before


def test_a_pasted_recipe_brings_its_own(garden, job):
    text = "steps: [{technique: quantize-static}]\npreprocessing: {scale: -1-1}\n"
    draft = Draft(garden.team, data_of(**form(job, how="paste", recipe=text)), shelf(garden.team))
    assert draft.preprocessing == {"scale": "-1-1"} and not draft.errors
    assert "--preprocessing" in post(garden, job, "plan", how="paste", recipe=text).content.decode()


def test_the_result_shows_noise_and_no_classes(garden, job):
    page = as_(garden.alice).get(f"/t/{garden.team.slug}/jobs/{job.pk}").content.decode()
    assert 'id="fidelity"' in page and "scores" in page and "40.7" in page and "noisiest layer" in page and "no error" in page
    assert 'id="classes"' not in page and 'id="confusion"' not in page
    assert "SQNR" in page and "cosine similarity, %" in page and "99.97" in page


def test_of_many_layers_the_noisiest_stay_open(garden, job):
    """42 layers, the first without any error: the twelve of least decibel are open, noisiest first, and thirty are folded away."""
    page = as_(garden.alice).get(f"/t/{garden.team.slug}/jobs/{job.pk}").content.decode()
    opened, folded = page.split('id="fidelity"')[1].split('<details class="data rest">')
    folded = folded.split("</details>")[0]
    shown = [float(text) for text in re.findall(r'num small" role="cell">([0-9.]+)', opened)]
    assert len(shown) == 12 and shown == sorted(shown) and "noisiest layer" in opened
    assert folded.count('class="noise-row"') == 30 and "The 30 quieter layers" in folded and "no error" in folded
    model = as_(garden.alice).get(f"/t/{garden.team.slug}/library/{job.model_id}").content.decode()
    first, rest = model.split('class="table table-bare layers"')[1:]
    assert (first.count("<tr>"), rest.count("<tr>")) == (13, 31), "with a head each"


def test_few_layers_are_not_folded():
    assert fold("abcdefghijklmno", ord) == (tuple("abcdefghijklmno"), ())
    assert fold("abcdefghijklmnop", ord) == (tuple("ponmlkjihgfe"), tuple("abcd"))


def test_a_dataset_can_be_taken_without_its_labels(garden):
    client = as_(garden.alice)
    page = client.get(f"/t/{garden.team.slug}/library/{garden.dataset.pk}").content.decode()
    assert "Take it without labels" in page
    client.post(f"/t/{garden.team.slug}/library/{garden.dataset.pk}/again", {"task": "unlabelled"})
    fresh = Asset.objects.filter(name=garden.dataset.name, state="inspecting").get()
    assert fresh.options == {"task": "unlabelled"}
