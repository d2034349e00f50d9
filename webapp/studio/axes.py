"""The quality that was asked for and the costs it is drawn against: names, units, scales."""

from dataclasses import dataclass

from optimizers.candidate import Candidate
from optimizers.goal import Goal
from webapp.studio import words


@dataclass(frozen=True)
class Quality:
    """How the metric of a goal is written: in percent, or as it is for R²."""

    name: str

    @property
    def label(self) -> str:
        return words.METRIC[self.name]

    @property
    def unit(self) -> str:
        return "" if self.name == "r2" else "%"

    @property
    def scale(self) -> float:
        return 1.0 if self.name == "r2" else 100.0

    @property
    def places(self) -> int:
        return {"r2": 3, "cosine": 2, "agreement": 2}.get(self.name, 1)

    @property
    def title(self) -> str:
        """For an axis or a table header: "top-1, %"."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    def text(self, value: float | None) -> str:
        """A value in [0, 1] without its unit."""
        return "–" if value is None else words.fixed(value * self.scale, self.places)


@dataclass(frozen=True)
class Axis:
    """One cost. key: name of the measurement; limit: the line of the budget it is held against, if there is one."""

    key: str
    label: str
    unit: str
    limit: str = ""

    @property
    def title(self) -> str:
        return f"{self.label.lower() if self.label != 'RAM' and self.label != 'MACs' else self.label}, {self.unit}"


AXES = (
    Axis("flash_kib", "Flash", "KiB", "flash_kib"),
    Axis("ram_kib", "RAM", "KiB", "ram_kib"),
    Axis("size_kib", "File size", "KiB", "size_kib"),
    Axis("download_kib", "Download", "KiB", "download_kib"),
    Axis("device_latency_ms", "Latency", "ms", "latency_ms"),
    Axis("latency_ms", "Latency here", "ms"),
    Axis("energy_mj", "Energy", "mJ", "energy_mj"),
    Axis("macs", "MACs", "M"),
)


def value(candidate: Candidate, key: str) -> float | None:
    """A measurement in the unit of its axis (MACs in millions), or None where it was not measured."""
    found = candidate.measurements.get(key)
    return None if found is None else found.value / 1e6 if key == "macs" else found.value


def usable(candidates: list[Candidate], goal: Goal) -> list[Axis]:
    """The axes that at least two candidates can be placed on; latency here only where it is not the device's own,
    and of flash and file size one where they are the same (the one with a limit)."""
    def known(key: str) -> list[float]:
        return [v for c in candidates if (v := value(c, key)) is not None and v > 0]

    found = [axis for axis in AXES if len(known(axis.key)) >= 2]
    keys = {axis.key for axis in found}
    if {"latency_ms", "device_latency_ms"} <= keys and known("latency_ms") == known("device_latency_ms"):
        found = [axis for axis in found if axis.key != "latency_ms"]
    if {"flash_kib", "size_kib"} <= keys and known("flash_kib") == known("size_kib"):
        twice = "size_kib" if goal.limits.flash_kib is not None else "flash_kib"
        found = [axis for axis in found if axis.key != twice]
    return found


def first_axis(goal: Goal, axes: list[Axis], candidates: list[Candidate]) -> Axis | None:
    """The first axis with a limit; without one the file size, or what is downloaded where all files are about as large."""
    limited = [axis for axis in axes if axis.limit and getattr(goal.limits, axis.limit) is not None]
    sizes = [axis for key in ("size_kib", "download_kib") for axis in axes if axis.key == key]
    apart = [axis for axis in sizes if apart_on(axis.key, candidates)]
    return next(iter([*limited, *apart, *sizes, *axes]), None)


def apart_on(key: str, candidates: list[Candidate]) -> bool:
    """Whether some candidate is more than a twentieth larger than another."""
    known = [v for c in candidates if (v := value(c, key)) is not None]
    return bool(known) and max(known) > 1.05 * min(known)


def quality_of(candidate: Candidate, metric: str) -> float | None:
    found = candidate.measurements.get(metric)
    return None if found is None else found.value


def floor_of(goal: Goal, baseline: Candidate | None) -> float | None:
    """The lowest quality that is allowed on the test split, as a fraction: the stricter of the absolute floor and the largest drop."""
    start = quality_of(baseline, goal.metric) if baseline else None
    floors = [goal.floor] if goal.floor is not None else []
    if goal.max_drop is not None and start is not None:
        floors.append(start - goal.max_drop)
    return max(floors, default=None)
