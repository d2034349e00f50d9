"""A job's result as text: numbers with their interval, unit and origin."""

from __future__ import annotations

from espalier.candidate import Candidate, Measurement
from espalier.job import Job

QUALITY = {"top1": "top-1", "macro_f1": "macro F1", "r2": "R²", "agreement": "agreement", "cosine": "cosine"}
ORIGINS = {"measured": "measured here", "device": "measured on the device", "emulated": "emulated", "modelled": "modelled"}
MARKS = {"measured": "", "device": "†", "emulated": "‡", "modelled": "~"}
COLUMNS = (("size_kib", "file"), ("download_kib", "download"), ("device_latency_ms", "latency"), ("energy_mj", "energy"))


def number(value: float) -> str:
    """Three significant digits, thousands apart.

    >>> number(0.98765), number(43.21), number(1234.5)
    ('0.988', '43.2', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(one: Measurement | None, *, percent: bool = False) -> str:
    """Value, interval and mark of its origin.

    >>> cell(Measurement(0.975, "fraction", "measured", 0.95, 0.99, ""), percent=True)
    '97.5 % [95.0, 99.0]'
    >>> cell(Measurement(1.234, "ms", "modelled", None, None, ""))
    '~1.23 ms'
    """
    if one is None:
        return "-"
    write = (lambda x: f"{100 * x:.1f}") if percent else number
    interval = f" [{write(one.low)}, {write(one.high)}]" if one.low is not None and one.high is not None else ""
    return f"{MARKS[one.origin]}{write(one.value)} {'%' if percent else one.unit}{interval}"


def row(candidate: Candidate, metric: str, mark: str) -> list[str]:
    found = candidate.measurements
    change = candidate.change
    delta = f"{change['value']:+.1f} [{change['low']:+.1f}, {change['high']:+.1f}] {change['verdict']}" if change else "baseline"
    cells = [cell(found.get(name)) for name, _ in COLUMNS]
    return [mark, candidate.title, cell(found.get(metric), percent=metric != "r2"), delta, *cells]


def front(job: Job) -> str:
    """The baseline, the front (the recommended one marked), what was rejected and why, and the legend of the marks."""
    metric = job.data["goal"]["metric"]
    best, kept = job.recommended(), {one.key for one in job.front()}
    shown = sorted((one for one in job.candidates if one.baseline or one.key in kept),
                   key=lambda one: (not one.baseline, one.measurements["size_kib"].value if "size_kib" in one.measurements else 0.0))
    head = ["", "candidate", QUALITY.get(metric, metric), "change, points", *(title for _, title in COLUMNS)]
    rows = [row(one, metric, "*" if best and one.key == best.key else "") for one in shown]
    lines = [grid([head, *rows])]
    for one in job.candidates:
        if one.broke:
            lines.append(f"  {one.title}: breaks {'; '.join(one.broke)}")
    used = {one.origin for candidate in shown for one in candidate.measurements.values()}
    legend = [f"{MARKS[origin] or 'no mark'} {words}" for origin, words in ORIGINS.items() if origin in used]
    lines.append(f"  * recommended; intervals are 95 %; {', '.join(legend)}")
    return "\n".join(lines)


def grid(rows: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in rows)
