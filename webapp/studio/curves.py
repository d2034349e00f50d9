"""Curves: points of growing lines, gathered into small charts by what they measure; densities of layers into one picture a layer."""

from dataclasses import dataclass
from typing import Any

from webapp.studio.words import METRIC

PERCENT = {"top1": "top-1, %", "macro_f1": "macro F1, %"}
DENSITY = "density of "                         # and then the layer: what `optimizers.compress.prune.sparsify_work` calls its lines
Points = list[dict[str, Any]]
WIDE, HIGH = 100, 40                            # of a layer's picture, in its own units


def charts(points: Points, candidate: str | None = None) -> list[dict[str, Any]]:
    """Events "curve" as charts [{title, series: [{name, points: [[x, y], ...], dash}]}]; losses together, all else by its name.

    candidate: only its lines; None takes those of the last candidate that spoke.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for name, line in lines(points, candidate).items():
        if name.startswith(DENSITY):
            continue
        subject = subject_of(name)
        scale = 100 if subject in PERCENT else 1
        grouped.setdefault(subject, []).append(
            {"name": name.replace(subject, "").strip() or name, "points": [[x, round(y * scale, 6)] for x, y in onward(line)],
             "dash": name.startswith("train")})
    first_loss = sorted(grouped.items(), key=lambda pair: pair[0] != "loss")
    return [{"title": PERCENT.get(subject, METRIC.get(subject, subject)), "series": series} for subject, series in first_loss]


def lines(points: Points, candidate: str | None) -> dict[str, list[tuple[float, float]]]:
    """The points of one candidate by name of the line; those without a value are left out."""
    if candidate is None:
        candidate = points[-1].get("candidate", "") if points else ""
    found: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point.get("candidate", "") == candidate and point.get("y") is not None:
            found.setdefault(point["name"], []).append((point["x"], point["y"]))
    return found


def onward(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Epochs counted on where a later step of the recipe begins its own at one.

    >>> onward([(1, 0.9), (2, 0.5), (1, 0.4), (2, 0.3)])
    [(1, 0.9), (2, 0.5), (3, 0.4), (4, 0.3)]
    """
    found: list[tuple[float, float]] = []
    before: float = 0
    for at, (x, y) in enumerate(line):
        if at and x <= line[at - 1][0]:
            before = found[-1][0]
        found.append((before + x, y))
    return found


def subject_of(name: str) -> str:
    """
    >>> subject_of("train loss"), subject_of("validation top1"), subject_of("lr")
    ('loss', 'top1', 'lr')
    """
    return name.rsplit(" ", 1)[-1]


@dataclass(frozen=True)
class Density:
    """Share of one layer's weights that are not zero. line, area: points for an SVG of WIDE x HIGH.  values: %, by epoch."""

    layer: str
    line: str
    area: str
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        return self.values[-1]


@dataclass(frozen=True)
class Densities:
    """Small multiples, in the network's order. top: the % that all pictures reach up to.  epochs: the last one."""

    layers: tuple[Density, ...]
    top: float
    epochs: float


def densities(points: Points, candidate: str | None = None) -> Densities | None:
    """The layers' densities over the epochs, None where no step made layers sparse. A second such step begins the lines anew."""
    found = {name.removeprefix(DENSITY): since_restart(line) for name, line in lines(points, candidate).items() if name.startswith(DENSITY)}
    if not found:
        return None
    highest = max(y for line in found.values() for _, y in line)
    top = next(nice for nice in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= nice or nice == 1.0)
    last = max(line[-1][0] for line in found.values())
    return Densities(tuple(drawn(layer, line, top) for layer, line in found.items()), 100 * top, last)


def since_restart(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """
    >>> since_restart([(1, 0.9), (2, 0.5), (1, 0.4), (2, 0.3)])
    [(1, 0.4), (2, 0.3)]
    """
    start = max((at for at in range(1, len(line)) if line[at][0] <= line[at - 1][0]), default=0)
    return line[start:]


def drawn(layer: str, line: list[tuple[float, float]], top: float) -> Density:
    """A line from edge to edge, flat where there is one point, and the area under it."""
    first, last = line[0][0], line[-1][0]
    spots = [(WIDE * (x - first) / (last - first), HIGH * (1 - min(y, top) / top)) for x, y in line] if last > first else \
        [(at, HIGH * (1 - min(line[0][1], top) / top)) for at in (0, WIDE)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    return Density(layer, path, f"0,{HIGH} {path} {WIDE},{HIGH}", tuple(round(100 * y, 2) for _, y in line))
