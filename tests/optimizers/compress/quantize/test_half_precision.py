"""Sixteen bits: stored where the processor computes in 32 anyway, computed in where the device gains by it."""

import numpy as np
import onnx
import pytest

from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.device import catalogue
from optimizers.export.halved import fits, halved
from optimizers.measure.memory import arithmetic, needs
from optimizers.measure.shipped import Shipped
from optimizers.models.network import Network


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


@pytest.mark.parametrize("names", [("x", "y"), ("y", "x")])
def test_an_output_that_is_an_input_stays_as_it_came(names, context):
    """The converter would name two values alike, and the runtime would refuse the file only when it is measured."""
    values = {"x": onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 4]),
              "y": onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])}
    weight = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")], "g", [values["x"]],
                                   [values[name] for name in names], [weight])
    network = Network(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8))
    context.device = catalogue()["jetson-orin-nano"]
    made = Shipped(HalfPrecision().apply(network, None, context))
    rows = np.array([[1, 0, 0, 1.0001]], np.float32)
    answers = dict(zip(names, made.answers(rows), strict=True))
    assert answers["x"].dtype == np.float32 and (answers["x"] == rows).all(), "four digits more than fp16 holds"
    assert answers["y"] == pytest.approx(np.array([[9, 11, 13]]), abs=0.02) and arithmetic(made.network) == "fp16"


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
