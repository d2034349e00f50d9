"""Blocks of few bits: smaller by the bits, close to float, counted like any product."""

import numpy as np
import pytest

from optimizers.compress.quantize.weights import WeightQuantization
from optimizers.device import catalogue
from optimizers.measure.memory import needs
from optimizers.measure.shipped import Shipped
from optimizers.models.graph_facts import analyse
from optimizers.models.zoo import build


@pytest.fixture(scope="module")
def wide():
    return build("mlp", (64,), 10, seed=1)


@pytest.mark.parametrize(("bits", "activations", "closeness"), [
    (8, "float", 0.01), (8, "int8", 0.03), (4, "float", 0.15), (4, "int8", 0.15)])
def test_outputs_stay_near(bits, activations, closeness, wide, context):
    rows = np.random.default_rng(0).random((50, 64), np.float32)
    made = WeightQuantization(bits=bits, activations=activations).apply(wide, None, context)
    plain, few = (Shipped(network).predict(rows) for network in (wide, made))
    assert np.abs(few - plain).max() < closeness * np.abs(plain).max()
    assert made.state == "quantized" and "matrix products hold" in made.notes[-1]


def test_the_file_shrinks_by_the_bits_and_its_work_is_still_counted(wide, context):
    made = {bits: WeightQuantization(bits=bits).apply(wide, None, context) for bits in (8, 4)}
    assert len(made[4].serialize()) < 0.65 * len(made[8].serialize()) < 0.3 * len(wide.serialize())
    assert needs(made[4]).total_macs == needs(wide).total_macs and needs(made[4]).parameters == needs(wide).parameters
    assert set(needs(made[4]).macs) == {"int8"} and analyse(made[4].proto).quantized


def test_convolutions_are_left_and_named(trained, digits, context):
    made = WeightQuantization().apply(trained, digits, context)
    assert "Left in float" in made.notes[-1]


def test_other_runtimes_are_refused():
    assert WeightQuantization().refuse(None, None, catalogue()["stm32h743"]).code == "device-runtime"
