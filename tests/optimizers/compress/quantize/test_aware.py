"""Training in integers: what was trained is what ships, and it beats rounding afterwards."""

import numpy as np
import onnx
import pytest

from optimizers.compress.quantize.aware import QuantizationAwareTraining
from optimizers.compress.quantize.fused import count
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.device import catalogue
from optimizers.measure.shipped import Shipped


def top1(network, split):
    return float((Shipped(network).predict(split.x).argmax(axis=1) == split.y).mean())


@pytest.fixture(scope="module")
def two_bits(trained, digits, tmp_path_factory):
    from optimizers.context import Context

    told = []
    context = Context(tmp_path_factory.mktemp("qat"), seed=5, device=catalogue()["this-server"], metric="top1", emit=told.append)
    return QuantizationAwareTraining(bits=2, epochs=6, rate=0.003, batch=32).apply(trained, digits, context), told


def test_two_bits_by_training_beat_two_bits_by_rounding(two_bits, trained, digits, context):
    made, _ = two_bits
    rounded = StaticQuantization(bits=2, rows=300).apply(trained, digits, context)
    assert top1(made, digits.test) >= top1(rounded, digits.test) + 0.1
    assert made.state == "quantized" and count(made.proto).left == 1, "all but the narrow first layer run in integers"
    onnx.checker.check_model(made.proto)


def test_the_file_answers_what_training_saw(two_bits, digits):
    made, told = two_bits
    best = max(event.y for event in told if event.type == "curve" and event.name == "validation top1")
    assert top1(made, digits.validation) == pytest.approx(best, abs=0.015), "a few rows on an edge may fall to either side"


def test_a_microcontroller_gets_int8_activations(trained, digits, context):
    context.device = catalogue()["stm32h743"]
    made = QuantizationAwareTraining(bits=8, epochs=1, rows=50).apply(trained, digits, context)
    assert onnx.TensorProto.UINT8 not in {tensor.data_type for tensor in made.proto.graph.initializer}
    assert top1(made, digits.test) >= top1(trained, digits.test) - 0.05


def test_the_network_that_came_in_is_left(trained, digits, context):
    before = trained.serialize()
    QuantizationAwareTraining(bits=4, epochs=1, rows=50).apply(trained, digits, context)
    assert trained.serialize() == before
    assert np.isfinite(Shipped(trained).predict(digits.test.x)).all()
