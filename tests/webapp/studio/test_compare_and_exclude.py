"""Candidates side by side, and the way from a sensitive layer to a run that leaves it alone."""

import pytest
from django.http import QueryDict
from django.urls import reverse

from optimizers.candidate import Candidate
from optimizers.measurement import Measurement
from tests.webapp.sample import Garden, plant
from tests.webapp.test_team_pages import as_
from webapp.devices.shelf import shelf
from webapp.studio import compare, prefill


@pytest.fixture
def garden(db) -> Garden:
    return plant()


def candidate(key: str, top1: float, size: float) -> Candidate:
    figures = {"top1": Measurement(value=top1, unit="fraction", origin="measured", how="test split"),
               "size_kib": Measurement(value=size, unit="KiB", origin="measured", how="bytes of the file")}
    return Candidate(key=key, title=key, recipe={"steps": []}, measurements=figures, fits=True)


def test_the_best_of_a_line_is_the_largest_quality_and_the_smallest_cost():
    found = compare.comparison([candidate("a", 0.91, 40), candidate("b", 0.90, 20)], ["a,b"])
    best = {line.label: line.best for line in found.lines}
    assert best == {"Top-1": (True, False), "File size": (False, True)}


def test_alike_figures_have_no_best_and_one_candidate_is_no_comparison():
    rows = [candidate("a", 0.9, 40), candidate("b", 0.9, 20)]
    assert compare.comparison(rows, ["a", "b"]).lines[0].best == (False, False)
    assert compare.comparison(rows, ["a", "nobody"]) is None
    assert compare.comparison(rows, ["a", "a"]) is None


def test_the_page_shows_the_compared_candidates_and_keeps_them_ticked(garden):
    keys = [c.key for c in garden.done.candidates.order_by("key")][:2]
    address = reverse("job", args=[garden.team.slug, garden.done.pk])
    page = as_(garden.alice).get(f"{address}?compare={keys[0]}&compare={keys[1]}").content.decode()
    assert 'id="compare"' in page
    assert all(f'value="{key}" form="compare-form"' in page for key in keys)
    assert page.count("checked") >= 2
    assert 'id="compare"' not in as_(garden.alice).get(f"{address}?compare={keys[0]}").content.decode()


def test_excluding_a_layer_opens_the_candidates_own_recipe_with_the_layer_left_alone(garden):
    row = next(c for c in garden.done.candidates.all() if any(s["technique"] == "quantize-static" for s in c.data["recipe"]["steps"]))
    asked = QueryDict(f"from={garden.done.pk}&candidate={row.key}&exclude=b2.skip&exclude=fc")
    data = prefill.prefilled(garden.team, asked, shelf(garden.team))
    place = next(str(n) for n, step in enumerate(row.data["recipe"]["steps"]) if step["technique"] == "quantize-static")
    assert data["how"] == "choose"
    assert data[f"{place}-keep_float"].endswith("b2.skip, fc")
    answer = as_(garden.alice).get(f"/t/{garden.team.slug}/jobs/new?{asked.urlencode()}")
    assert "b2.skip, fc" in answer.content.decode()
