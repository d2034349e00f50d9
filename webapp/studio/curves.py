"""Curves: points of growing lines, gathered into small charts by what they measure."""

from typing import Any

from webapp.studio.words import METRIC

PERCENT = {"top1": "top-1, %", "macro_f1": "macro F1, %"}


def charts(points: list[dict[str, Any]], candidate: str | None = None) -> list[dict[str, Any]]:
    """Events "curve" as charts [{title, series: [{name, points: [[x, y], ...], dash}]}]; losses together, all else by its name.

    candidate: only its lines; None takes those of the last candidate that spoke.
    """
    if candidate is None:
        candidate = points[-1].get("candidate", "") if points else ""
    lines: dict[str, list[list[float]]] = {}
    for point in points:
        if point.get("candidate", "") == candidate and point.get("y") is not None:
            scale = 100 if subject_of(point["name"]) in PERCENT else 1
            lines.setdefault(point["name"], []).append([point["x"], round(point["y"] * scale, 6)])
    grouped: dict[str, list[dict[str, Any]]] = {}
    for name, line in lines.items():
        subject = subject_of(name)
        grouped.setdefault(subject, []).append(
            {"name": name.replace(subject, "").strip() or name, "points": line, "dash": name.startswith("train")})
    first_loss = sorted(grouped.items(), key=lambda pair: pair[0] != "loss")
    return [{"title": PERCENT.get(subject, METRIC.get(subject, subject)), "series": series} for subject, series in first_loss]


def subject_of(name: str) -> str:
    """
    >>> subject_of("train loss"), subject_of("validation top1"), subject_of("lr")
    ('loss', 'top1', 'lr')
    """
    return name.rsplit(" ", 1)[-1]
