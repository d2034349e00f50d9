"""devices.toml: every figure has its unit and a source worth the name, and derived figures agree with their own arithmetic."""

import re

import pytest

from optimizers.device import Device, catalogue

UNITS = {"clock_mhz": "MHz", "flash_kib": "KiB", "ram_kib": "KiB", "active_mw": "mW"}
DTYPES = {"float32", "float16", "bfloat16", "int8"}
RUNTIMES = {"onnxruntime", "c", "tflite-micro", "tensorrt"}
PROMISED = ("Cortex-M0+", "Cortex-M4F", "Cortex-M7", "Cortex-M55", "Xtensa LX7")


def test_the_promised_boards_are_there():
    cores = {device.core for device in catalogue().values()}
    assert set(PROMISED) <= cores
    assert {"rp2040", "esp32-s3", "raspberry-pi-zero-2-w", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin-nano", "laptop-x86",
            "cloud-c7g", "cloud-t4", "cloud-a10", "this-server"} <= set(catalogue())
    assert [device.name for device in catalogue().values() if device.here] == ["this-server"]


@pytest.mark.parametrize("device", catalogue().values(), ids=list(catalogue()))
def test_every_figure_has_unit_and_source(device: Device):
    for field, unit in UNITS.items():
        if (fact := getattr(device, field)) is not None:
            assert (fact.unit, fact.value > 0) == (unit, True), field
            assert len(fact.source) > 15, field
    for dtype, rate in device.macs_per_cycle.items():
        assert dtype in device.dtypes
        assert rate.unit == "MAC/cycle"
        assert rate.value > 0
        assert "estimate" in rate.source or "derived" in rate.source
    assert set(device.dtypes) <= DTYPES
    assert set(device.runtimes) <= RUNTIMES


@pytest.mark.parametrize("device", [d for d in catalogue().values() if d.kind == "microcontroller"], ids=lambda d: d.name)
def test_a_microcontroller_says_its_flash_and_is_faster_in_int8(device: Device):
    assert device.flash_kib is not None
    assert device.macs_per_cycle["int8"].value > device.macs_per_cycle["float32"].value
    assert "onnxruntime" not in device.runtimes


def test_rates_derived_from_mlperf_tiny_agree_with_their_arithmetic():
    """The source carries its own formula, such as 2.66e6 / (43.2e-3 x 120e6)."""
    seen = 0
    for device in catalogue().values():
        for rate in device.macs_per_cycle.values():
            if found := re.search(r"([\d.]+e6) / \(([\d.]+e-3) x ([\d.]+e6)\)$", rate.source):
                macs, seconds, hertz = map(float, found.groups())
                assert rate.value == pytest.approx(macs / (seconds * hertz), abs=0.006)
                seen += 1
    assert seen >= 6


def test_power_derived_from_mlperf_tiny_agrees_with_its_arithmetic():
    seen = 0
    for device in catalogue().values():
        if device.active_mw and (found := re.search(r"(\d+) uJ / ([\d.]+) ms$", device.active_mw.source)):
            microjoules, milliseconds = map(float, found.groups())
            assert device.active_mw.value == pytest.approx(microjoules / milliseconds, abs=0.06)
            seen += 1
    assert seen == 3
