"""int8 that really runs in int8, layers that stay in float, and what each layer costs alone."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from optimizers.compress.quantize.dynamic import DynamicQuantization
from optimizers.compress.quantize.fused import count
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.measure.shipped import Shipped
from optimizers.models.fold import fold_batch_norm
from optimizers.models.rewrite import weighted


def top1(network, digits):
    return float((Shipped(network).predict(digits.test.x).argmax(axis=1) == digits.test.y).mean())


def layers(network):
    return [node.name for node in network.proto.graph.node if node.op_type in ("Conv", "Gemm")]


def test_every_layer_runs_in_integers_and_little_is_lost(trained, digits, context):
    made = StaticQuantization(rows=100, first="int8").apply(trained, digits, context)
    assert made.state == "quantized" and count(made.proto).left == 0
    assert "3 of 3 convolutions and 1 of 1 matrix product run in int8." in made.notes
    assert len(made.serialize()) < 0.4 * len(trained.serialize())
    assert abs(top1(made, digits) - top1(trained, digits)) <= 0.02


def test_the_first_layer_stays_in_float_where_that_is_faster(trained, digits, context):
    made = StaticQuantization(rows=100).apply(trained, digits, context)
    assert count(made.proto).float_conv == 1
    assert any("under four channels" in note for note in made.notes)
    context.device = catalogue()["stm32h743"]
    small = StaticQuantization(rows=100).apply(trained, digits, context)
    assert any(note.startswith("Weights and activations are int8") for note in small.notes)
    types = {tensor.data_type for tensor in small.proto.graph.initializer}
    assert 2 not in types, "no uint8 zero point for a microcontroller"


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "entropy"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_calibration_keeps_the_network_useful(calibration, per_channel, trained, digits, context):
    made = StaticQuantization(rows=70, calibration=calibration, per_channel=per_channel).apply(trained, digits, context)
    assert top1(made, digits) >= top1(trained, digits) - 0.06


def test_named_layers_stay_in_float(trained, digits, context):
    name = layers(trained)[1]
    made = StaticQuantization(rows=50, keep_float=(name,), first="int8").apply(trained, digits, context)
    assert count(made.proto).left == 1 and f"Kept in float: {name}." in made.notes
    with pytest.raises(OptimizerError) as error:
        StaticQuantization(rows=50, keep_float=("nope",)).apply(trained, digits, context)
    assert error.value.refusal.code == "unknown-layer" and name in error.value.refusal.mend


def test_sensitivity_has_a_row_for_each_layer(trained, digits, context):
    made = StaticQuantization(rows=50, sensitivity=True, keep_above=0.0, first="int8").apply(trained, digits, context)
    assert [row.layer for row in made.sensitivity] == layers(trained)
    assert all(row.treatment == "int8" and row.kept_float == (row.loss > 0) for row in made.sensitivity)
    assert count(made.proto).left == sum(row.kept_float for row in made.sensitivity)


def test_calibration_reads_training_rows_only(trained, digits, context):
    """Other validation and test rows give the same file."""
    from dataclasses import replace

    dark = {name: replace(getattr(digits, name), x=getattr(digits, name).x * 0) for name in ("validation", "test")}
    noise = replace(digits, **dark)
    first, second = (StaticQuantization(rows=40).apply(trained, data, context) for data in (digits, noise))
    assert first.serialize() == second.serialize()


def test_dynamic_reaches_matrix_products_only(trained, digits, context):
    made = DynamicQuantization().apply(trained, digits, context)
    found = count(made.proto)
    assert found.dense == 1 and found.float_conv == 3 and "Convolutions stay in float" in made.notes[-1]
    np.testing.assert_allclose(Shipped(made).predict(digits.test.x), Shipped(trained).predict(digits.test.x), atol=1.0)


def outputs(network, digits):
    return Shipped(network).predict(digits.validation.x)


def test_the_mse_range_is_narrower_and_the_network_stays_useful(trained, digits, context):
    made = StaticQuantization(rows=70, calibration="mse").apply(trained, digits, context)
    assert top1(made, digits) >= top1(trained, digits) - 0.03
    wide = StaticQuantization(rows=70).apply(trained, digits, context)
    assert scales_of(made) < scales_of(wide)


def scales_of(network):
    """Sum of the activations' scales."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.proto.graph.initializer}
    return sum(float(stored[node.input[1]]) for node in network.proto.graph.node if node.op_type == "QuantizeLinear")


def test_four_bits_halve_the_weights_again_and_run_in_integers(trained, digits, context):
    eight = StaticQuantization(rows=70, first="int8").apply(trained, digits, context)
    four = StaticQuantization(rows=70, first="int8", bits=4).apply(trained, digits, context)
    assert count(four.proto).left == 0, "codes of 4 bits are widened when the file is opened, and fuse like those of 8"
    onnx.checker.check_model(four.proto)
    inner = sum(layer.weight.size for layer in list(weighted(fold_batch_norm(trained.proto)))[1:-1])
    assert len(eight.serialize()) - len(four.serialize()) > 0.4 * inner
    assert "hold 4-bit weights" in " ".join(four.notes)


@pytest.mark.parametrize("bits", [4, 2])
def test_adaptive_rounding_beats_nearest(bits, trained, digits, context):
    """Nearest and adaptive share scales; only which way each weight is rounded differs, and that by one code at most."""
    plain = outputs(trained, digits)
    gap = {rounding: float(((outputs(StaticQuantization(rows=300, bits=bits, rounding=rounding, iterations=200).apply(
        trained, digits, context), digits) - plain) ** 2).mean()) for rounding in ("nearest", "adaptive")}
    assert gap["adaptive"] < 0.7 * gap["nearest"]


def test_bias_correction_gives_the_mean_back(trained, digits, context):
    plain = outputs(trained, digits)
    shift = {correct: np.abs((outputs(StaticQuantization(rows=300, bits=2, bias_correction=correct).apply(
        trained, digits, context), digits) - plain).mean(axis=0)).mean() for correct in (False, True)}
    assert shift[True] < 0.5 * shift[False]


def test_weights_keep_to_seven_bits_where_x86_could_overflow(trained, digits, context):
    largest = {}
    for isa, device in (("x86", "laptop-x86"), ("arm", "raspberry-pi-4")):
        context.device = catalogue()[device]
        made = StaticQuantization(rows=50).apply(trained, digits, context)
        tensors = [numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
        largest[isa] = max(int(np.abs(tensor.astype(int)).max()) for tensor in tensors if tensor.size > 1)
    assert largest == {"x86": 64, "arm": 127}


def test_sixteen_bits_are_closer_and_said_to_be_slow(trained, digits, context):
    plain = outputs(trained, digits)
    eight, sixteen = (StaticQuantization(rows=100, activation=kind).apply(trained, digits, context) for kind in ("uint8", "int16"))
    assert np.abs(outputs(sixteen, digits) - plain).mean() < np.abs(outputs(eight, digits) - plain).mean()
    assert any("no kernels for 16-bit" in note for note in sixteen.notes)
