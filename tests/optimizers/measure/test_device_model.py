"""Modelled figures are plain arithmetic, and say which."""

import pytest

from optimizers.device import Device, Fact
from optimizers.measure import device_model
from optimizers.measurement import Measurement


def board(**changes):
    def fact(value, unit):
        return Fact(value=value, unit=unit, source="data sheet")

    fields = dict(name="b", title="Board", core="M7", kind="microcontroller", isa="armv7e-m", clock_mhz=fact(400, "MHz"),
                  flash_kib=fact(512, "KiB"), ram_kib=fact(128, "KiB"), dtypes=("int8", "float32"), runtimes=("c",),
                  macs_per_cycle={"int8": fact(0.5, "MAC/cycle"), "float32": fact(0.25, "MAC/cycle")}, active_mw=fact(100, "mW"))
    return Device(**fields | changes)


def test_latency_is_macs_by_rate_by_clock():
    """2 M int8 MACs at 0.5 a cycle are 4 M cycles, 1 M in float at 0.25 another 4 M: 8 M cycles at 400 MHz are 20 ms."""
    found = device_model.latency({"int8": 2_000_000, "fp32": 1_000_000}, board())
    assert found.value == pytest.approx(20.0) and found.unit == "ms" and found.origin == "modelled"
    assert "400 MHz" in found.how and "2,000,000 int8 MACs" in found.how


def test_a_rate_that_is_not_known_gives_no_number():
    assert device_model.latency({"fp16": 10}, board()) is None
    assert device_model.energy(Measurement(value=1, unit="ms", origin="modelled", how=""), board(active_mw=None)) is None


def test_energy_is_power_by_time():
    took = Measurement(value=20.0, unit="ms", origin="measured", how="", low=19.0, high=22.0)
    found = device_model.energy(took, board())
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 1.9, 2.2))
    assert found.origin == "modelled" and "measured latency" in found.how


def test_flash_and_ram_of_a_microcontroller_add_what_is_stated():
    assert device_model.flash(10 * 1024, 99, board()).value == pytest.approx(14.0)                 # 4 KiB of generated C
    assert device_model.flash(10 * 1024, 99, board(runtimes=("tflite-micro",))).value == pytest.approx(92.0)
    assert device_model.ram(7 * 1024, 99, board()).value == pytest.approx(8.0)                     # 1 KiB of stack


def test_elsewhere_the_file_is_what_is_stored():
    laptop = board(kind="laptop", runtimes=("onnxruntime",))
    assert device_model.flash(1, 2048, laptop).value == 2.0 and device_model.flash(1, 2048, laptop).origin == "measured"
    assert device_model.ram(1024, 2048, laptop).value == 3.0


def test_names_of_types_have_two_spellings():
    assert device_model.speaks(board(), "fp32") and device_model.speaks(board(dtypes=("fp32",)), "fp32")
    assert not device_model.speaks(board(), "fp16")
