"""Sixteen bits: stored where the processor computes in 32 anyway, computed in where the device gains by it."""

import numpy as np
import onnx
import pytest

from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.device import catalogue
from optimizers.export.halved import fits, halved
from optimizers.measure.memory import arithmetic, needs
from optimizers.measure.shipped import Shipped


@pytest.mark.parametrize(("kind", "closeness"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_stored_only_halves_the_file_and_computes_in_fp32(kind, closeness, trained, digits, context):
    made = HalfPrecision(kind=kind).apply(trained, digits, context)
    assert made.state == "half" and arithmetic(made) == "fp32" and set(needs(made).macs) == {"fp32"}
    assert len(made.serialize()) < 0.56 * len(trained.serialize())
    plain, short = (Shipped(network).predict(digits.test.x) for network in (trained, made))
    assert np.abs(plain - short).max() < closeness * np.abs(plain).max() * 5
    assert "computes in fp32" in made.notes[-1]


def test_a_gpu_computes_in_sixteen_bits(trained, digits, context):
    context.device = catalogue()["jetson-orin-nano"]
    made = HalfPrecision().apply(trained, digits, context)
    assert arithmetic(made) == "fp16" and set(needs(made).macs) == {"fp16"}


def test_numbers_sixteen_bits_cannot_hold_stay():
    assert fits(np.linspace(-1, 1, 9, dtype=np.float32), "fp16") and not fits(np.full(9, 1e6, np.float32), "fp16")
    assert fits(np.full(9, 1e6, np.float32), "bf16") and not fits(np.full(9, np.nan, np.float32), "bf16")


def test_the_network_that_came_in_is_left(trained):
    before = trained.serialize()
    made = halved(trained.proto)
    assert trained.serialize() == before and onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in made.graph.initializer}


def test_arithmetic_the_device_lacks_is_refused():
    pi = catalogue()["raspberry-pi-4"]
    assert HalfPrecision().refuse(None, None, pi) is None
    assert HalfPrecision(arithmetic="half").refuse(None, None, pi).code == "device-dtype"
    assert HalfPrecision(kind="bf16", arithmetic="half").refuse(None, None, pi).wrong.startswith("bf16 is stored only")
    assert HalfPrecision().refuse(None, None, catalogue()["rp2040"]).code == "device-dtype"
