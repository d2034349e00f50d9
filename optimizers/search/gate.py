"""Does a candidate fit: the floor under quality and each line of the budget, and by how much it is missed."""

from __future__ import annotations

from collections.abc import Mapping

from optimizers.device import Device
from optimizers.goal import LIMITS, Breach, Goal, Limits
from optimizers.measure.device_model import speaks
from optimizers.measurement import Measurement


def effective(goal: Goal, device: Device | None) -> Limits:
    """The goal's limits, never larger than what a microcontroller has; other devices add none of their own."""
    if device is None or device.kind != "microcontroller":
        return goal.limits
    chip = {"flash_kib": device.flash_kib, "ram_kib": device.ram_kib}
    tightest = {}
    for name, fact in chip.items():
        asked = getattr(goal.limits, name)
        if fact is not None and (asked is None or asked > fact.value):
            tightest[name] = fact.value
    return goal.limits.model_copy(update=tightest)


def floor(goal: Goal, baseline: float | None) -> float | None:
    """The least quality that counts, as a fraction; the stricter of an absolute floor and the largest drop.

    >>> floor(Goal(max_drop=0.01), 0.91)
    0.9
    """
    relative = None if goal.max_drop is None or baseline is None else round(baseline - goal.max_drop, 9)
    return max((value for value in (goal.floor, relative) if value is not None), default=None)


def drop(goal: Goal, baseline: float | None) -> float | None:
    """The floor as a change against the original, in points: a negative number, or None without a floor.

    >>> drop(Goal(max_drop=0.1, floor=0.9), 0.911)
    -1.1
    """
    least = floor(goal, baseline)
    return None if least is None or baseline is None else round(100 * (least - baseline), 6)


def budget_breaches(measurements: Mapping[str, Measurement], goal: Goal, device: Device | None) -> tuple[Breach, ...]:
    """Every line of the budget that is broken, in the order of LIMITS."""
    limits, found = effective(goal, device), []
    for name, (measured, unit, label) in LIMITS.items():
        allowed, measurement = getattr(limits, name), measurements.get(measured)
        if allowed is None or measurement is None or measurement.value <= allowed:
            continue
        by = measurement.value - allowed
        found.append(Breach(limit=name, value=measurement.value, allowed=allowed, by=by, unit=unit,
                            sentence=f"{label if label == 'RAM' else label.lower()} by {short(by)} {unit}"))
    return tuple(found)


def floor_breach(quality: float, least: float | None) -> tuple[Breach, ...]:
    """The floor, in points; a loss of exactly the largest drop still holds."""
    if least is None or quality >= least - 1e-9:
        return ()
    by = (least - quality) * 100
    return (Breach(limit="floor", value=quality * 100, allowed=least * 100, by=by, unit="points",
                   sentence=f"floor by {short(tenth(by))} points on validation"),)


def dtype_breach(dtypes: tuple[str, ...], device: Device | None) -> tuple[Breach, ...]:
    """A device without the arithmetic cannot run the file at all."""
    lacking = [dtype for dtype in dtypes if device is not None and not speaks(device, dtype)]
    return tuple(Breach(limit="dtype", value=1, allowed=0, by=1, unit="", sentence=f"{dtype}, which the device does not have")
                 for dtype in lacking[:1])


def tenth(points: float) -> float:
    """Points to the tenth, or to one digit below it: test rows do not tell them finer.

    >>> tenth(18.39), tenth(0.241), tenth(0.0312)
    (18.4, 0.2, 0.03)
    """
    return round(points, 1) or float(f"{points:.1g}")


def short(value: float) -> str:
    """Three significant digits, never an exponent.

    >>> short(38.249), short(1234.5), short(0.0468), short(2)
    ('38.2', '1,234', '0.0468', '2')
    """
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return digits if "e" not in digits else f"{value:.6f}".rstrip("0")
