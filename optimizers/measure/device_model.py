"""What a device would need and take, computed from its data sheet. Pure arithmetic: the same formulas serve dry run and report."""

from __future__ import annotations

from optimizers.device import Device, Fact
from optimizers.measurement import Measurement

ALIASES = {"fp32": ("fp32", "float32"), "fp16": ("fp16", "float16"), "int8": ("int8", "uint8"), "bf16": ("bf16", "bfloat16")}
CODE_KIB = {"c": (4.0, "generated C"), "tflite-micro": (82.0, "TensorFlow Lite Micro with its kernels")}
STACK_KIB = 1.0
CYCLES_A_COMPARISON = 20
KIB = 1024


def speaks(device: Device, dtype: str) -> bool:
    """Whether the element type is legal on the device; "fp32" and "float32" are one."""
    return any(name in device.dtypes for name in ALIASES.get(dtype, (dtype,)))


def rate(device: Device, dtype: str) -> Fact | None:
    """Sustained multiply-accumulates a cycle for this element type, or None where the profile does not tell."""
    return next((device.macs_per_cycle[name] for name in ALIASES.get(dtype, (dtype,)) if name in device.macs_per_cycle), None)


def latency(macs: dict[str, int], device: Device) -> Measurement | None:
    """Milliseconds of one inference on one core. macs: multiply-accumulates by element type ("int8", "fp32", "fp16").

    None where the profile has no rate for a type that is used.
    """
    cycles, terms = 0.0, []
    for dtype, count in macs.items():
        if not count:
            continue
        if (fact := rate(device, dtype)) is None:
            return None
        cycles += count / fact.value
        terms.append(f"{count:,} {dtype} MACs / {fact.value:g} a cycle")
    milliseconds = cycles / (device.clock_mhz.value * 1e3)
    return Measurement(value=milliseconds, unit="ms", origin="modelled",
                       how=f"({' + '.join(terms) or 'no MACs'}) / {device.clock_mhz.value:g} MHz, one core of {device.title}; "
                           "memory, caches and calls are not modelled")


def walking(comparisons: int, device: Device) -> Measurement | None:
    """Milliseconds of one row's way through trees, in C on a microcontroller; None elsewhere, where caches decide.

    About 20 instructions a comparison, counted on an emulated Cortex-M4 for forests and boosted trees from tables, at one a cycle.
    """
    if device.kind != "microcontroller":
        return None
    milliseconds = comparisons * CYCLES_A_COMPARISON / (device.clock_mhz.value * 1e3)
    return Measurement(value=milliseconds, unit="ms", origin="modelled",
                       how=f"{comparisons:,} comparisons on the longest way x {CYCLES_A_COMPARISON} cycles / "
                           f"{device.clock_mhz.value:g} MHz, one core of {device.title}; not linked or run yet")


def energy(milliseconds: Measurement, device: Device) -> Measurement | None:
    """Millijoules of one inference: the board's active power times the latency, measured or modelled."""
    if device.active_mw is None:
        return None
    scale = device.active_mw.value / 1e3
    return Measurement(value=milliseconds.value * scale, unit="mJ", origin="modelled",
                       low=None if milliseconds.low is None else milliseconds.low * scale,
                       high=None if milliseconds.high is None else milliseconds.high * scale,
                       how=f"{device.active_mw.value:g} mW ({device.active_mw.source}) x {milliseconds.value:.3g} ms "
                           f"({milliseconds.origin} latency)")


def flash(weight_bytes: float, file_bytes: float, device: Device) -> Measurement:
    """KiB of storage: weights and code where C is generated, else the file. The runtime's library itself is not counted."""
    if device.kind == "microcontroller":
        code, what = next((CODE_KIB[name] for name in ("c", "tflite-micro") if name in device.runtimes), CODE_KIB["c"])
        return Measurement(value=weight_bytes / KIB + code, unit="KiB", origin="modelled",
                           how=f"{weight_bytes / KIB:.1f} KiB of weights + {code:g} KiB for {what}; not linked yet")
    return Measurement(value=file_bytes / KIB, unit="KiB", origin="measured",
                       how="Bytes of the model file / 1024; ONNX Runtime itself, about 20 MiB, is shared and not counted")


def ram(peak_bytes: float, file_bytes: float, device: Device) -> Measurement:
    """KiB held while one row is inferred: activations, and on a runtime that loads the file also its weights."""
    if device.kind == "microcontroller":
        return Measurement(value=peak_bytes / KIB + STACK_KIB, unit="KiB", origin="modelled",
                           how=f"Peak of the tensors alive at once, {peak_bytes / KIB:.1f} KiB for one row, "
                               f"+ {STACK_KIB:g} KiB of stack; not linked yet")
    return Measurement(value=(peak_bytes + file_bytes) / KIB, unit="KiB", origin="modelled",
                       how=f"Peak of the tensors alive at once, {peak_bytes / KIB:.1f} KiB for one row, + the weights in memory; "
                           "the runtime's process is not counted")
