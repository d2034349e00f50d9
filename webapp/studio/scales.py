"""The budget sliders: a logarithmic scale per limit, what the chip itself allows, and where the untouched model stands."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from optimizers.cards import ModelCard
from optimizers.device import Device
from optimizers.goal import LIMITS

DEFLATED = 0.9          # of a file of weights as trained
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "float64": 8}


@dataclass(frozen=True)
class Mark:
    """A place on a scale. `at`: percent of its length."""

    value: float
    at: float
    origin: str


@dataclass(frozen=True)
class Scale:
    """low, high: ends of the slider, in `unit`.  chip: what the device itself has.  baseline: the model as it was uploaded."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    end: str
    chip: Mark | None
    baseline: Mark | None
    on: bool
    value: str
    error: object = None

    @property
    def low_log(self) -> float:
        return log10(self.low)

    @property
    def high_log(self) -> float:
        return log10(self.high)


def scales(draft) -> list[Scale]:
    """One Scale per limit, for the draft's model and device."""
    size = draft.model.blob.size / 1024 if draft.model else None
    before = baselines(draft.model_card, draft.device, size)
    return [scale(name, draft, before.get(name)) for name in LIMITS]


def scale(name: str, draft, before: tuple[float, str] | None) -> Scale:
    _, unit, label = LIMITS[name]
    limit = chip_limit(name, draft.device)
    low, high = ends(name, limit, before[0] if before else None)
    place = lambda value: 100 * min(1.0, max(0.0, log10(value / low) / log10(high / low)))
    chip = Mark(limit, place(limit), "source") if limit else None
    mark = Mark(before[0], place(before[0]), before[1]) if before and before[0] > 0 else None
    return Scale(name, label, unit, low, high, end_words(name, draft.device), chip, mark, bool(draft.data.get(f"on_{name}")),
                 draft.data.get(name, ""), draft.errors.get(name))


def chip_limit(name: str, device: Device | None) -> float | None:
    fact = {"flash_kib": device.flash_kib, "ram_kib": device.ram_kib}.get(name) if device else None
    return fact.value if fact else None


def ends(name: str, limit: float | None, before: float | None) -> tuple[float, float]:
    """Ends of the slider: from a small value to the chip's own limit, or to somewhat above the model."""
    low, high = {"flash_kib": (4.0, 65536.0), "ram_kib": (1.0, 65536.0), "latency_ms": (0.01, 1000.0),
                 "energy_mj": (0.001, 1000.0), "size_kib": (1.0, 16384.0), "download_kib": (1.0, 16384.0)}[name]
    if limit and limit <= 2**20:
        high = limit
    elif before and before * 2 > high:
        high = before * 2
    return min(low, high / 16), high


def end_words(name: str, device: Device | None) -> str:
    """What stands under the far end of the slider."""
    if name in ("flash_kib", "ram_kib") and device:
        return "" if chip_limit(name, device) else "a disk, no limit of the device"
    return {"latency_ms": "no limit of the device", "energy_mj": "per inference", "download_kib": "what travels, coded"}.get(name, "")


def baselines(card: ModelCard | None, device: Device | None, size_kib: float | None) -> dict[str, tuple[float, str]]:
    """(value, origin) of the model as uploaded, where card and device tell it. Only the file's size is measured; the rest is
    computed: weights for flash, nine tenths of the file for the download, the largest live tensors for RAM, MACs over the device's rate
    for latency, power for energy."""
    if card is None:
        return {}
    found = {"size_kib": (size_kib, "measured"), "flash_kib": (card.parameters * BYTES.get(card.weights_dtype, 4) / 1024, "modelled"),
             "download_kib": (DEFLATED * size_kib if size_kib else None, "modelled")}
    if card.activation_bytes:
        found["ram_kib"] = (card.activation_bytes / 1024, "modelled")
    rate = device.macs_per_cycle.get(card.weights_dtype) or device.macs_per_cycle.get("float32") if device else None
    if device and card.macs and rate and rate.value > 0:
        ms = card.macs / (rate.value * device.clock_mhz.value * 1000)
        found["latency_ms"] = (ms, "modelled")
        if device.active_mw:
            found["energy_mj"] = (device.active_mw.value * ms / 1000, "modelled")
    return {name: (value, origin) for name, (value, origin) in found.items() if value}
