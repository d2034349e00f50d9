"""What the result page says, worked out by hand from a few candidates; no browser and no database."""

import pytest
from django.template.loader import render_to_string

from optimizers.candidate import Candidate, ClassRow, Outcome, Sensitivity
from optimizers.events import Step
from optimizers.goal import Breach, Goal, Limits
from optimizers.measurement import Change, Measurement
from optimizers.search.evidence import few
from webapp.studio import axes, curves, front, grids, present, running, verdict, walk
from webapp.studio.waterfall import waterfall

GOAL = Goal(metric="top1", max_drop=0.01, limits=Limits(size_kib=64))


def candidate(key: str, top1: float, size: float, *, change: float | None = None, half: float = 0.3, fits: bool = True,
              **fields) -> Candidate:
    measured = {"top1": Measurement(value=top1, unit="fraction", origin="measured", how="test", low=top1 - 0.006, high=top1 + 0.006),
                "size_kib": Measurement(value=size, unit="KiB", origin="measured", how="bytes")}
    breach = Breach(limit="size_kib", value=size, allowed=64, by=size - 64, unit="KiB", sentence=f"file size by {size - 64:.3g} KiB")
    over = () if fits else (breach,)
    if change is not None:
        word = "worse" if change + half < 0 else "better" if change - half > 0 else "not distinguishable"
        fields["change"] = Change(value=change, low=change - half, high=change + half, n=1000, verdict=word, how="paired bootstrap")
    return Candidate(key=key, title=key, recipe={}, measurements=measured | fields.pop("measurements", {}), fits=fits, broke=over,
                     baseline=change is None, **fields)


BASE = candidate("base", 0.911, 312, fits=False)
SMALL = candidate("small", 0.907, 38, change=-0.4)
TINY = candidate("tiny", 0.889, 21, change=-2.2)
WIDE = candidate("wide", 0.911, 95, change=0.0, fits=False)
BEATEN = candidate("beaten", 0.905, 57, change=-0.6)
ALL = [BASE, SMALL, TINY, WIDE, BEATEN]


def test_the_front_leaves_out_whoever_is_beaten_on_both_axes():
    assert front.front_keys(ALL, "top1", "size_kib") == ["tiny", "small", "wide"], "the original is as good as wide, and larger"


def test_the_original_is_not_counted_among_those_that_were_made():
    whole = BASE.model_copy(update={"fits": True, "broke": ()})
    shown = present.result([whole, SMALL, TINY, WIDE], GOAL, None, None, None)
    assert (shown.tried, shown.fitting, len(shown.rows)) == (3, 2, 4)


def test_how_few_rows_chose_stands_below_the_headline():
    told = {"recommended": "small", "verdict": f"It fits. 8.2 times smaller, 0.4 points lost.{few(180)}"}
    shown = present.result(ALL, GOAL, None, told, None)
    assert shown.sentence == "It fits. 8.2 times smaller, 0.4 points lost."
    assert shown.caution == "It was chosen on only 180 validation rows: others could choose otherwise."
    assert present.result(ALL, GOAL, None, told | {"verdict": f"It fits.{few(5000)}"}, None).caution == ""


def test_of_two_equal_candidates_one_stands_on_the_front():
    twin = SMALL.model_copy(update={"key": "twin"})
    assert front.front_keys([SMALL, twin], "top1", "size_kib") == ["small"]


def test_a_candidate_without_the_measurement_is_not_placed():
    assert front.front_keys(ALL, "top1", "macs") == []


def test_the_floor_is_the_stricter_of_two():
    assert axes.floor_of(Goal(max_drop=0.01, floor=0.85), BASE) == pytest.approx(0.901)
    assert axes.floor_of(Goal(max_drop=0.1, floor=0.9), BASE) == pytest.approx(0.9)
    assert verdict.drop_floor(Goal(max_drop=0.1, floor=0.9), BASE) == pytest.approx(-1.1)
    assert axes.floor_of(Goal(max_drop=None), BASE) is None


def test_the_chart_speaks_percent_and_names_what_was_broken():
    drawn = front.chart(ALL, GOAL, "small", "wide")
    wide = next(point for point in drawn["points"] if point["key"] == "wide")
    assert (wide["y"], wide["broke"], drawn["axis"], drawn["pick"]) == (pytest.approx(91.1), "file size by 31 KiB", "size_kib", "wide")
    assert drawn["floor"] == pytest.approx(90.1)
    assert drawn["axes"][0]["limit"] == 64


def test_the_best_so_far_is_the_smallest_that_fits_and_never_the_original():
    assert verdict.best([BASE, SMALL, BEATEN]).key == "small"
    assert running.best_so_far([candidate("base", 0.9, 10)]) is None


def test_a_budget_bar_says_when_it_runs_over():
    inside, = verdict.budget_bars(SMALL, GOAL)
    outside, = verdict.budget_bars(WIDE, GOAL)
    assert (inside.over, outside.over) == (False, True)
    assert inside.share == pytest.approx(38 / 80)
    assert inside.line == pytest.approx(0.8)
    assert outside.share > outside.line


def test_a_limit_that_nobody_measured_is_said_so():
    bar, = verdict.budget_bars(SMALL, Goal(limits=Limits(energy_mj=12)))
    assert (bar.text, bar.over) == ("not measured", False)


def test_places_along_a_strip_keep_their_order():
    strip = verdict.strip(SMALL, -1.0, 2.0)
    assert 0 < strip.floor < strip.low < strip.mid < strip.high < strip.zero < 1


@pytest.mark.parametrize(("one", "words"), [
    (SMALL, "A little worse, for certain."), (WIDE, "Not distinguishable."),
    (candidate("bad", 0.8, 9, change=-9.0), "Clearly worse, for certain."),
    (candidate("mid", 0.89, 9, change=-2.0), "Worse, for certain."), (BASE, "")])
def test_the_loss_is_said_as_surely_as_it_is_known(one, words):
    assert verdict.loss_sentence(one) == words


@pytest.mark.parametrize(("one", "words"), [
    (SMALL, "worse, inside your floor"), (candidate("x", 0.9, 9, change=-0.8, half=0.5), "worse, floor not certain"),
    (WIDE, "file size by 31 KiB"), (candidate("y", 0.9, 9, change=-0.5, floor_held_on_test=False), "floor not held on test")])
def test_each_row_of_the_table_says_how_it_stands(one, words):
    assert verdict.row_verdict(one, -1.0) == words


def test_a_floor_lost_on_test_and_a_slower_model_are_said_in_the_verdict():
    slow = candidate("slow", 0.905, 40, change=-0.6, floor_held_on_test=False,
                     notes=("Their dynamic kernel is slower than fp32.", "Slower than the original on this machine: 2 times."))
    said = present.result([BASE, slow], GOAL, None, {"recommended": "slow", "verdict": "It fits."}, None)
    assert said.tone == "warn"
    assert any("not on the test split" in text for text in said.warnings)
    assert said.warnings[1:] == ("Slower than the original on this machine: 2 times.",)


def test_when_nothing_fits_the_closest_is_shown_and_nothing_is_recommended():
    said = present.result([BASE, WIDE], GOAL, None, None, None)
    assert (said.tone, said.recommended, said.chosen.key) == ("bad", False, "wide")
    assert said.sentence == "Nothing fits. The closest breaks file size by 31 KiB."


def test_the_table_begins_with_the_pick_and_ends_with_the_original():
    said = present.result(ALL, GOAL, None, {"recommended": "small", "verdict": "It fits."}, "tiny")
    assert [row.c.key for row in said.rows] == ["small", "tiny", "beaten", "wide", "base"]
    assert [row.kind for row in said.rows] == ["pick", "fits", "fits", "breaks", "baseline"]
    assert said.picked.key == "tiny"
    assert present.result(ALL, GOAL, None, None, "no-such").picked.key == "tiny", "the smallest that fits, when the address names nobody"


def test_r2_is_written_as_it_is():
    quality = axes.Quality("r2")
    assert (quality.text(0.8125), quality.title) == ("0.812", "R²")


def test_fewer_on_the_diagonal_is_worse_and_fewer_beside_it_is_better():
    before = BASE.model_copy(update={"confusion": ((90, 10), (5, 95)), "class_names": ("cat", "dog")})
    after = SMALL.model_copy(update={"confusion": ((86, 14), (4, 96)), "class_names": ("cat", "dog")})
    grid = grids.confusion_change(after, before)
    cells = [[cell.text for cell in row] for _name, row in grid.rows]
    assert cells == [["−4", "+4"], ["−1", "+1"]]
    tones = [[cell.tone.split()[0] for cell in row] for _name, row in grid.rows]
    assert tones == [["loss-5", "loss-5"], ["gain-2", "gain-2"]]


def test_a_confusion_matrix_of_many_classes_shows_those_that_changed():
    wide = 30
    same = tuple(tuple(10 if i == j else 0 for j in range(wide)) for i in range(wide))
    moved = [list(row) for row in same]
    moved[29][29], moved[29][3] = 7, 3
    after = SMALL.model_copy(update={"confusion": tuple(map(tuple, moved))})
    grid = grids.confusion_change(after, BASE.model_copy(update={"confusion": same}))
    assert len(grid.columns) == grids.WIDEST
    assert {"29", "3"} <= set(grid.columns)
    assert "of 30" in grid.note


def test_sensitivity_marks_what_does_not_apply_and_what_was_kept():
    rows = (Sensitivity(layer="a", operator="Conv", treatment="int8", loss=2.9, kept_float=True, why="costs most"),
            Sensitivity(layer="b", operator="Gemm", treatment="prune 50 %", loss=0.0))
    grid = grids.sensitivity(SMALL.model_copy(update={"sensitivity": rows}))
    (_a, first), (_b, second) = grid.rows
    assert first[0].tone == "loss-5 kept"
    assert (first[1].tone, second[0].tone, second[1].tone) == ("none", "none", "")
    assert "a" in grid.note


def test_classes_are_ordered_by_loss_and_certain_changes_are_named():
    rows = (ClassRow(name="even", n=9, before=0.9, after=0.9, low=-1, high=1),
            ClassRow(name="lost", n=9, before=0.7, after=0.68, low=-3, high=-1))
    chart = grids.class_chart(SMALL.model_copy(update={"classes": rows}))
    assert [(row.name, row.verdict) for row in chart.rows] == [("even", ""), ("lost", "worse")]
    assert all(0 <= place <= 1 for row in chart.rows for place in (row.low, row.mid, row.high))
    assert [text for _at, text in chart.ticks] == ["−3", "−2", "−1", "0", "+1"]


def test_what_to_exclude_is_what_the_candidate_itself_does_to_the_layer():
    rows = (Sensitivity(layer="a", operator="Conv", treatment="8 bits", loss=0.2),
            Sensitivity(layer="b", operator="Conv", treatment="8 bits", loss=0.1),
            Sensitivity(layer="b", operator="Conv", treatment="half pruned", loss=50))
    probed = BASE.model_copy(update={"sensitivity": rows})
    picked = lambda *steps: SMALL.model_copy(update={"recipe": {"steps": [{"technique": step} for step in steps]}})
    assert grids.sensitivity(probed, picked("quantize-static")).worst == "a"
    assert grids.sensitivity(probed, picked("prune-channels", "quantize-static")).worst == "b"
    assert grids.sensitivity(probed, picked("half-precision")).worst == ""


def test_of_many_layers_those_that_lose_most_stay_open():
    """Twenty layers, the later the dearer, but one that may be excluded: it leads, whatever it costs."""
    rows = tuple(Sensitivity(layer=f"conv{n}", operator="Conv", treatment="8 bits", loss=n / 10) for n in range(20))
    left = tuple(f"conv{n}" for n in range(20) if n != 3)
    grid = grids.sensitivity(BASE.model_copy(update={"sensitivity": rows}),
                             SMALL.model_copy(update={"recipe": {"steps": [{"technique": "quantize-static"}]}, "in_float": left}))
    assert [name for name, _ in grid.rows] == ["conv3", *(f"conv{n}" for n in range(19, 8, -1))]
    assert [name for name, _ in grid.rest] == [f"conv{n}" for n in (0, 1, 2, 4, 5, 6, 7, 8)]


def test_a_layer_that_stayed_as_it_was_is_never_proposed():
    """Of the original's rows 'stem' loses most in 8 bits; the candidate holds it in float, so excluding it would change nothing."""
    rows = (Sensitivity(layer="stem", operator="Conv", treatment="8 bits", loss=2.0),
            Sensitivity(layer="body", operator="Conv", treatment="8 bits", loss=0.3),
            Sensitivity(layer="stem", operator="Conv", treatment="half pruned", loss=1.0),
            Sensitivity(layer="body", operator="Conv", treatment="half pruned", loss=0.5))
    probed = BASE.model_copy(update={"sensitivity": rows})

    def grid(*steps, **left):
        return grids.sensitivity(probed, SMALL.model_copy(update={"recipe": {"steps": [{"technique": step} for step in steps]}, **left}))

    int8 = grid("quantize-static", in_float=("stem",), whole=("stem", "body"))
    assert (int8.worst, int8.done) == ("body", {"stem"})
    pruned = grid("prune-channels", "quantize-static", in_float=("stem",), whole=())
    assert (pruned.worst, pruned.done) == ("stem", frozenset()), "pruned, though in float: keeping it whole is another run"
    assert grid("quantize-static", in_float=("stem", "body"), whole=("stem", "body")).worst == ""
    own = grids.sensitivity(SMALL.model_copy(update={"sensitivity": rows[:2], "in_float": ("stem",), "whole": ("stem", "body"),
                                                     "recipe": {"steps": [{"technique": "quantize-static"}]}}))
    assert (own.worst, own.note) == ("body", "Left in float on purpose: stem.")
    page = render_to_string("studio/_grid.html", {"grid": int8, "label": "l", "corner": "c", "exclude": 1})
    assert 'value="body" checked' in page and 'value="stem"' not in page


def test_the_waterfall_falls_from_the_original_to_the_file():
    steps = (Outcome(technique="prune-channels", title="prune 50 %", seconds=2, size_kib=120, quality=0.87),
             Outcome(technique="quantize-static", title="int8", seconds=11, size_kib=38, quality=None))
    drawn = waterfall(SMALL.model_copy(update={"steps": steps}), BASE.model_copy(update={"validation": 0.915}), axes.Quality("top1"),
                      Limits(size_kib=64))
    assert [block.label for block in drawn.blocks] == ["312", "−192", "−82.0"]
    assert [block.change for block in drawn.blocks] == ["91.5", "−4.5", "not measured"]
    assert drawn.blocks[1].top == pytest.approx(drawn.blocks[0].top), "a step starts where the one before it ended"
    assert len(drawn.lines) == 1
    assert drawn.limit_y is not None


def sent(key: str, quality: float, size: float, kib: float) -> Candidate:
    return candidate(key, quality, size, change=0.0, measurements={
        "download_kib": Measurement(value=kib, unit="KiB", origin="measured", how="Bytes of model.esp / 1024")})


def test_what_travels_is_an_axis_of_its_own():
    coded, plain = sent("coded", 0.905, 300, 20), sent("plain", 0.907, 60, 50)
    assert front.front_keys([coded, plain], "top1", "download_kib") == ["coded", "plain"]
    assert front.front_keys([coded, plain], "top1", "size_kib") == ["plain"]
    goal = Goal(limits=Limits(download_kib=30))
    assert front.chart([coded, plain], goal, None, None)["axis"] == "download_kib", "what has a limit is shown first"
    bar, = verdict.budget_bars(plain, goal)
    assert (bar.label, bar.over) == ("Download", True)
    shown = present.result([coded, plain, BASE], Goal(limits=Limits(size_kib=64)), None, None, None)
    assert [axis.key for axis in shown.columns] == ["size_kib", "download_kib"]
    assert verdict.best([coded, sent("same", 0.907, 300, 25)]).key == "coded", "of equal files the smaller download"


def test_the_table_of_steps_says_what_travels():
    steps = (Outcome(technique="cluster-weights", title="clustered", seconds=2, size_kib=312, download_kib=40.2, quality=0.9),)
    drawn = waterfall(SMALL.model_copy(update={"steps": steps}), sent("base", 0.911, 312, 262), axes.Quality("top1"), Limits())
    assert [block.sent for block in drawn.blocks] == ["262", "40.2"]
    assert [block.label for block in drawn.blocks] == ["312", "0"]
    coder = Outcome(technique="entropy-code", title="entropy-coded", seconds=0, size_kib=312, download_kib=30.2, quality=0.9)
    coded = SMALL.model_copy(update={"steps": (*steps, coder)})
    drawn = waterfall(coded, sent("base", 0.911, 312, 262), axes.Quality("top1"), Limits(download_kib=32))
    assert [block.label for block in drawn.blocks] == ["262", "−222", "−10.0"], "a coded chain is drawn by what travels"
    assert (drawn.drawn, drawn.limit) == ("download", "32.0")


def test_the_step_bar_is_as_long_as_the_page_and_wide_where_time_goes():
    steps = [Step(key="a", title="a", state="done", seconds=10), Step(key="b", title="b", state="running", expected_seconds=30, seconds=15),
             Step(key="c", title="c", expected_seconds=60), Step(key="d", title="d", state="skipped")]
    pieces = walk.step_bar(steps)
    assert len(pieces) == 3
    assert pieces[-1].x + pieces[-1].width == pytest.approx(1, abs=1e-3)
    assert pieces[2].width > pieces[1].width > pieces[0].width
    assert (pieces[0].done, pieces[2].done) == (pieces[0].width, 0)
    assert pieces[1].done == pytest.approx(pieces[1].width / 2, abs=1e-4)


def test_curves_of_one_candidate_are_gathered_by_subject():
    names = ("validation top1", "train loss", "validation loss")
    points = [{"candidate": "x", "name": name, "x": epoch, "y": 1 / epoch} for epoch in (1, 2) for name in names]
    points.append({"candidate": "x", "name": "train loss", "x": 3, "y": None})
    drawn = curves.charts([{"candidate": "old", "name": "train loss", "x": 1, "y": 9}, *points])
    assert [(chart["title"], [line["name"] for line in chart["series"]]) for chart in drawn] == [
        ("loss", ["train", "validation"]), ("top-1, %", ["validation"])]
    assert drawn[1]["series"][0]["points"] == [[1, 100.0], [2, 50.0]]
    assert drawn[0]["series"][0]["points"] == [[1, 1.0], [2, 0.5]], "a loss that was no number leaves a gap, not a point"


def test_densities_are_pictures_of_their_own():
    def at(epoch, layer, share, candidate="x"):
        return {"candidate": candidate, "name": f"density of {layer}", "x": epoch, "y": share}

    points = [at(1, "stem", 0.9, "old"), {"candidate": "x", "name": "train loss", "x": 1, "y": 2.0},
              *(at(epoch, layer, share) for epoch in (1, 2, 3) for layer, share in (("stem", 0.4), ("blocks.1 conv", 0.4 / epoch)))]
    assert [chart["title"] for chart in curves.charts(points, "x")] == ["loss"]
    found = curves.densities(points, "x")
    assert (found.top, found.epochs, [layer.layer for layer in found.layers]) == (40, 3, ["stem", "blocks.1 conv"])
    assert found.layers[0].line == "0.0,0.0 50.0,0.0 100.0,0.0" and found.layers[1].values == (40, 20, 13.33)
    assert found.layers[1].area.startswith("0,40 0.0,0.0 50.0,20.0") and found.layers[1].last == 13.33
    assert curves.densities(points, "old").layers[0].line == "0.0,4.0 100.0,4.0", "one epoch is a flat line"
    assert curves.densities(points[1:2], "x") is None and curves.densities([]) is None


def test_a_running_job_says_what_can_be_taken_already():
    assert running.sentence("running", 660, [BASE, SMALL], 0, 1, False) == "About 11 minutes left. One candidate fits already."
    assert running.sentence("running", None, [BASE], 0, 1, False) == "At work. The original is measured."
    assert running.sentence("running", 30, [BASE, WIDE], 0, 1, False) == "Less than a minute left. The first does not fit."
    assert running.sentence("running", 660, [BASE, SMALL], 0, 1, True) == "Stopping. What was found is kept."
