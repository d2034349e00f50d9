"""The front: who is beaten by nobody, and all that the chart needs to draw it."""

from typing import Any

from optimizers.candidate import Candidate
from optimizers.goal import Goal
from webapp.studio.axes import Axis, Quality, first_axis, floor_of, quality_of, usable, value


def front_keys(candidates: list[Candidate], metric: str, axis: str) -> list[str]:
    """Keys that nobody beats on both axes, from the cheapest to the best. Of equals, the first stays.

    A candidate is beaten by one that costs no more and is no worse, and is better in one of the two.
    """
    placed = [(value(c, axis), quality_of(c, metric), c.key) for c in candidates]
    known = [(x, -y, n, key) for n, (x, y, key) in enumerate(placed) if x is not None and y is not None]
    kept, best = [], float("inf")
    for _x, loss, _n, key in sorted(known):
        if loss < best:
            kept.append(key)
            best = loss
    return kept


def chart(candidates: list[Candidate], goal: Goal, recommended: str | None, picked: str | None) -> dict[str, Any]:
    """What static/js/front.js draws. Quality is in percent (R²: as it is), costs in the unit of their axis."""
    quality = Quality(goal.metric)
    baseline = next((c for c in candidates if c.baseline), None)
    axes = usable(candidates, goal)
    start = first_axis(goal, axes, candidates)
    floor = floor_of(goal, baseline)
    return {
        "quality": {"title": quality.title, "label": quality.label, "unit": quality.unit, "places": quality.places},
        "axes": [axis_data(axis, candidates, goal) for axis in axes],
        "axis": start.key if start else None,
        "floor": None if floor is None else floor * quality.scale,
        "floor_text": "" if floor is None else quality.text(floor),
        "points": [point(c, quality, axes, c.key == recommended) for c in candidates if quality_of(c, goal.metric) is not None],
        "pick": picked,
    }


def axis_data(axis: Axis, candidates: list[Candidate], goal: Goal) -> dict[str, Any]:
    limit = getattr(goal.limits, axis.limit) if axis.limit else None
    origins = {c.measurements[axis.key].origin for c in candidates if axis.key in c.measurements}
    return {"key": axis.key, "label": axis.label, "title": axis.title, "unit": axis.unit, "limit": limit,
            "front": front_keys(candidates, goal.metric, axis.key), "modelled": "modelled" in origins}


def point(c: Candidate, quality: Quality, axes: list[Axis], recommended: bool) -> dict[str, Any]:
    m = c.measurements[quality.name]
    return {
        "key": c.key, "title": c.title, "fits": c.fits, "baseline": c.baseline, "pick": recommended,
        "y": m.value * quality.scale, "low": scaled(m.low, quality), "high": scaled(m.high, quality),
        "x": {axis.key: value(c, axis.key) for axis in axes},
        "broke": "" if c.fits or not c.broke else broke(c),
    }


def scaled(value: float | None, quality: Quality) -> float | None:
    return None if value is None else value * quality.scale


def broke(c: Candidate) -> str:
    """"latency by 6.9 ms, and 1 more"; the largest overrun, as a share of what is allowed, comes first."""
    worst = sorted(c.broke, key=lambda b: -abs(b.by) / (abs(b.allowed) or 1))
    more = len(worst) - 1
    return worst[0].sentence + (f", and {more} more" if more else "")
