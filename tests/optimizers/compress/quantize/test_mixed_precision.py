"""Bits by layer: budgets are kept, layers that cannot bear it are named."""

import pytest

from optimizers.compress.quantize.fused import count
from optimizers.compress.quantize.mixed_precision import MixedPrecision
from optimizers.compress.quantize.mixed_precision_work import Saving, enough, in_order, weight_bytes
from optimizers.measure.shipped import Shipped


def top1(network, digits):
    return float((Shipped(network).predict(digits.test.x).argmax(axis=1) == digits.test.y).mean())


def test_savings_that_move_the_output_least_come_first():
    rows = [Saving("a", 4, 0.5, 100), Saving("a", 2, 4.0, 150), Saving("b", 4, 0.1, 10), Saving("b", 2, 0.1, 15)]
    assert [(row.layer, row.bits) for row in in_order(rows)] == [("a", 4), ("b", 4), ("b", 2), ("a", 2)]


def test_a_budget_takes_as_few_savings_as_it_needs():
    sizes = {"a": 100, "b": 10}
    at = lambda count: [{"a": 7, "b": 8}, {"a": 4, "b": 8}, {"a": 4, "b": 2}][count]
    assert [weight_bytes(at(count), sizes) for count in range(3)] == [110, 60, 52.5]
    assert enough(at, sizes, 110, 2) == 0 and enough(at, sizes, 59, 2) == 2 and enough(at, sizes, 1, 2) == 2


def test_weights_fit_their_budget_and_the_rest_stays_in_eight_bits(trained, digits, context):
    made = MixedPrecision(rows=50, keep_above=100, weights_kib=14, iterations=50).apply(trained, digits, context)
    note = next(note for note in made.notes if note.startswith("Weights by layer"))
    assert float(note.rsplit(". ", 1)[1].split(" KiB")[0]) <= 14 and "8 bits:" in note
    assert count(made.proto).left == 1 and made.state == "quantized"
    assert {row.treatment for row in made.sensitivity} == {"int8", "4 bits", "2 bits"}


def test_without_a_budget_validation_loses_no_more_than_allowed(trained, digits, context):
    made = MixedPrecision(rows=50, keep_above=100, max_loss=2.0, iterations=100).apply(trained, digits, context)
    lost = (Shipped(trained).predict(digits.validation.x).argmax(1) == digits.validation.y).mean() - \
        (Shipped(made).predict(digits.validation.x).argmax(1) == digits.validation.y).mean()
    assert lost <= 0.04 and len(made.serialize()) < 30_000


def test_what_cannot_be_reached_is_said(trained, digits, context):
    made = MixedPrecision(rows=50, keep_above=100, weights_kib=0.5, narrowest=4, rounding="nearest").apply(trained, digits, context)
    assert any("does not go lower" in note for note in made.notes)
    assert "2 bits" not in {row.treatment for row in made.sensitivity}


@pytest.mark.parametrize("layer", ["nope"])
def test_an_unknown_layer_is_named(layer, trained, digits, context):
    from optimizers.errors import OptimizerError

    with pytest.raises(OptimizerError) as error:
        MixedPrecision(rows=50, keep_float=(layer,)).apply(trained, digits, context)
    assert error.value.refusal.code == "unknown-layer"
