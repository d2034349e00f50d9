"""Fidelity to the original: numbers worked by hand, the tie, the silence, what cannot be compared."""

import numpy as np
import pytest

from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.goal import Goal
from optimizers.measure import fidelity, layer_noise, sensitivity
from optimizers.measure.yardstick import Yardstick, shipped

BOXES = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)


def test_numbers_worked_by_hand():
    boxes, scores = np.array([[4.0, 3.0], [0.0, 0.0]], np.float32), np.array([[0.8, 0.2], [0.7, 0.3]], np.float32)
    found = fidelity.compare([SCORES, BOXES], [scores, boxes], scores=(0,))
    assert found.values("agreement").tolist() == [1.0, 0.0]
    assert found.cosine[:, 1] == pytest.approx([24 / 25, 1.0])              # 3 * 4 + 4 * 3 over 5 * 5; nothing beside nothing is alike
    assert found.values("cosine")[0] == pytest.approx((24 / 25 + 0.74 / np.sqrt(0.82 * 0.68)) / 2)
    assert found.signal[:, 1].tolist() == [25.0, 0.0] and found.error[:, 1].tolist() == [2.0, 0.0]
    rows = fidelity.rows(found, ("scores", "boxes"))
    assert rows[1].sqnr_db == pytest.approx(10 * np.log10(25 / 2)) and rows[1].n == 2
    change = fidelity.change("agreement", found, seed=0)
    assert change.value == -50 and change.low == -100 and change.high == 0 and change.verdict == "not distinguishable"


def test_several_arg_maxes_in_a_row_are_a_share_of_it():
    before = np.array([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]], np.float32)
    after = np.array([[[0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.5, 0.5]]], np.float32)       # one of four turned; ties take the first
    assert fidelity.score_places([before, BOXES[None]]) == (0,)
    assert fidelity.compare([before], [after], (0,)).values("agreement").tolist() == [0.75]


def test_the_same_answers_have_no_noise():
    found = fidelity.compare([BOXES], [BOXES.copy()], scores=())
    assert found.values("cosine").tolist() == [1.0, 1.0]
    assert fidelity.rows(found, ("boxes",))[0].sqnr_db is None
    assert "sqnr_db" not in fidelity.measurements(found, ("boxes",), "here", 0)
    with pytest.raises(OptimizerError, match="no arg-max"):
        found.values("agreement")


@pytest.mark.parametrize(("after", "code"), [(np.zeros((2, 3), np.float32), "outputs-differ"),
                                             (np.full((2, 2), np.nan, np.float32), "not-finite")])
def test_what_cannot_be_compared_is_refused(after, code):
    with pytest.raises(OptimizerError) as refused:
        fidelity.compare([BOXES], [after], ())
    assert refused.value.refusal.code == code


@pytest.fixture(scope="module")
def unlabelled(digits):
    def bare(split):
        return Split(split.x, np.full(len(split), -1))

    return Dataset(bare(digits.train), bare(digits.validation), bare(digits.test), "array", "unlabelled")


@pytest.mark.parametrize("metric", ["agreement", "cosine"])
def test_a_job_without_labels_is_measured_like_any_other(metric, trained, unlabelled, context):
    yardstick = Yardstick(unlabelled, catalogue()["this-server"], Goal(metric=metric, max_drop=0.02))
    first = yardstick.measure(shipped(trained))
    assert first.measurements[metric].value == 1.0 and "by definition" in first.measurements[metric].how
    assert first.fits and first.change is None and first.fidelity == () and first.validation == 1.0
    second = yardstick.measure(shipped(StaticQuantization(rows=64).apply(trained, unlabelled, context)))
    assert 0.9 < second.measurements[metric].value < 1 and second.change.n == 200
    assert second.measurements[metric].low <= second.measurements[metric].value <= second.measurements[metric].high
    assert second.change.value == pytest.approx(100 * (second.measurements[metric].value - 1))
    assert second.classes == () and second.confusion == () and 15 < second.measurements["sqnr_db"].value < 80
    places = [row.place for row in second.fidelity]
    assert places.count("output") == 1 and places.count("layer") >= 3


def test_a_floor_that_no_noise_passes(trained, unlabelled, context):
    yardstick = Yardstick(unlabelled, None, Goal(metric="cosine", max_drop=0.0))
    yardstick.measure(shipped(trained))
    figures = yardstick.measure(shipped(StaticQuantization(rows=64).apply(trained, unlabelled, context)))
    assert not figures.fits and figures.broke[0].limit == "floor" and figures.floor_held_on_test is False


def test_layers_are_paired_by_name(trained, unlabelled, context):
    original = shipped(trained)
    rows, said = layer_noise.by_layer(original, shipped(HalfPrecision().apply(trained, unlabelled, context)), unlabelled.validation.x)
    assert [row.name for row in rows] == list(layer_noise.layers_of(original.network.proto)) and said == ()
    assert all(row.sqnr_db > 40 and row.n == 32 for row in rows)
    same, _ = layer_noise.by_layer(original, original, unlabelled.validation.x)
    assert all(row.sqnr_db is None for row in same)


def test_layers_without_a_partner_are_counted(trained, unlabelled):
    proto = shipped(trained).network.proto
    proto.graph.node[0].name = "another"
    rows, said = layer_noise.by_layer(shipped(trained), shipped(trained.with_(proto=proto)), unlabelled.validation.x)
    assert len(rows) == len(layer_noise.layers_of(proto)) - 1 and said[0].startswith("1 of ")


def test_sensitivity_needs_no_labels(trained, unlabelled, context):
    context.metric = "cosine"
    made = StaticQuantization(rows=64, sensitivity=True).apply(trained, unlabelled, context)
    assert len(made.sensitivity) >= 3 and all(0 <= row.loss < 20 for row in made.sensitivity)
    assert sensitivity.told_by(None, unlabelled)([BOXES], [BOXES]) == 1.0
