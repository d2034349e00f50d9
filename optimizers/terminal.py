"""How results look on a terminal: tables with units and origins, one moving line of progress, or JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers import events
from optimizers.goal import FIDELITY, METRICS
from optimizers.search.gate import short

if TYPE_CHECKING:
    from optimizers.candidate import Candidate
    from optimizers.device import Device
    from optimizers.errors import Refusal
    from optimizers.measurement import Measurement
    from optimizers.technique import Technique

MARKS = {"measured": "●", "device": "●", "emulated": "◐", "modelled": "◌"}
BAR = 24


def line(value: Any) -> None:
    print(json.dumps(value), flush=True)


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Columns as wide as they need to be; those whose cells are numbers stand to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    numeric = [all(not row[column] or row[column][0] in "0123456789+-−●◐◌" for row in rows) for column in range(len(header))]
    for row in (header, *rows):
        cells = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric, strict=True))
        print("  ".join(cells).rstrip())


def techniques(known: Mapping[str, type[Technique]], as_json: bool) -> None:
    for name, technique in known.items():
        if as_json:
            line({"name": name, "title": technique.title, "family": technique.family, "takes": technique.takes, "gives": technique.gives,
                  "needs": technique.needs, "paper": technique.paper, "version": technique.version, "parameters": technique.parameters()})
            continue
        print(f"{name}  ({technique.family})\n  {(technique.__doc__ or '').strip().splitlines()[0]}")
        for field, spec in technique.parameters()["properties"].items():
            bounds = f", {spec['minimum']:g} to {spec['maximum']:g}" if "minimum" in spec and "maximum" in spec else ""
            choices = f", one of {', '.join(map(str, spec['enum']))}" if "enum" in spec else ""
            unit = f" {spec['unit']}" if spec.get("unit") else ""
            print(f"    {field} = {spec.get('default')!r}{unit}{bounds}{choices}\n        {spec.get('description', '')}")
        print()


def devices(known: Mapping[str, Device], as_json: bool) -> None:
    if as_json:
        for device in known.values():
            line(device.model_dump(mode="json"))
        return
    table([[name, device.title, f"{device.cores} × {device.core}" if device.cores > 1 else device.core, f"{device.clock_mhz.value:g}",
            short(device.flash_kib.value) if device.flash_kib else "disk",
            short(device.ram_kib.value), " ".join(device.dtypes), " ".join(device.runtimes)] for name, device in known.items()],
          ["name", "device", "core", "MHz", "flash KiB", "RAM KiB", "types", "runtimes"])


def card(found: Any, as_json: bool) -> None:
    if as_json:
        line(found.model_dump(mode="json"))
        return
    print(found.title)
    for name, value in found.model_dump(mode="json").items():
        if name in ("title", "preview", "preview_labels", "problems", "layers", "columns") or value in (None, "", [], {}):
            continue
        print(f"  {name.replace('_', ' ')}: {json.dumps(value) if isinstance(value, (list, dict)) else value}"[:400])
    for problem in found.problems:
        print(f"  {problem.severity}: {problem.wrong}{f' [{problem.where}]' if problem.where else ''} {problem.mend}".rstrip())


def measurements(found: Mapping[str, Measurement], as_json: bool) -> None:
    if as_json:
        line({name: value.model_dump(mode="json") for name, value in found.items()})
        return
    rows = [[name, short(value.value), value.unit, interval(value), f"{MARKS[value.origin]} {value.origin}", value.how]
            for name, value in found.items()]
    table(rows, ["what", "value", "unit", "95 % interval", "origin", "how"])


def interval(m: Measurement) -> str:
    return "" if m.low is None or m.high is None else f"[{short(m.low)}, {short(m.high)}]"


def watcher(as_json: bool) -> Callable[[events.Base], None]:
    """What happens to each event while work goes on: JSON lines, or a bar and log lines on stderr."""
    if as_json:
        return lambda event: line(json.loads(event.model_dump_json()))
    return Bar(sys.stderr.isatty())


class Bar:
    """One line that moves on a terminal; elsewhere only the log."""

    def __init__(self, moving: bool) -> None:
        self.moving = moving
        self.titles: dict[str, str] = {}

    def __call__(self, event: events.Base) -> None:
        if isinstance(event, events.Plan):
            self.titles = {step.key: step.title for step in event.steps}
        elif isinstance(event, events.Progress) and self.moving:
            full = round(BAR * event.fraction)
            left = f", about {event.eta_seconds:.0f} s left" if event.eta_seconds is not None else ""
            bar = f"{'█' * full}{'░' * (BAR - full)} {100 * event.fraction:3.0f} %"
            text = f"{bar}  {self.titles.get(event.step, event.step)}: {event.note}{left}"
            print(f"\r\x1b[2K{text[:118]}", end="", file=sys.stderr, flush=True)
        elif isinstance(event, events.Log):
            clear = "\r\x1b[2K" if self.moving else ""
            print(f"{clear}{event.topic + ': ' if event.topic else ''}{event.text}", file=sys.stderr, flush=True)


def result(found: Any, out: Path, as_json: bool) -> None:
    """The front and the rest as one table, the verdict above it."""
    if as_json or found.done is None:
        return
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr)
    print(found.done.verdict)
    noise = any("sqnr_db" in candidate.measurements for candidate in found.candidates)
    rows = [row_of(candidate, found, noise) for candidate in found.candidates]
    if rows:
        table(rows, ["", "candidate", "quality", "change, points", *(["SQNR dB"] if noise else []), "size KiB", "download KiB",
                     "latency ms", "on device ms", "verdict, or what it broke"])
        print("● measured  ◐ emulated  ◌ modelled   > recommended  * on the front")
    print(f"Everything is in {out}.")


def row_of(candidate: Candidate, found: Any, noise: bool = False) -> list[str]:
    """noise: with a cell for the signal to noise of a job that is judged by fidelity."""
    values = candidate.measurements
    metric, quality = next((name, values[name]) for name in METRICS if name in values)
    digits = 2 if metric in FIDELITY else 1
    mark = ">" if candidate.key == found.done.recommended else "*" if candidate.key in found.done.front else ""
    change = candidate.change
    moved = f"{change.value:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]" if change else ""
    broke = "; ".join(breach.sentence for breach in candidate.broke)
    verdict = f"breaks {broke}" if broke else (change.verdict if change else "baseline")
    return [mark, candidate.title, f"{100 * quality.value:.{digits}f} %" if quality.unit == "fraction" else short(quality.value), moved,
            *([figure(values.get("sqnr_db"))] if noise else []),
            *(figure(values.get(name)) for name in ("size_kib", "download_kib", "latency_ms", "device_latency_ms")), verdict]


def figure(value: Measurement | None) -> str:
    return f"{short(value.value)} {MARKS[value.origin]}" if value else ""


def agreement(found: Any, as_json: bool) -> None:
    if as_json:
        line({"type": "agreement", "agrees": found.agrees, "sentences": found.sentences})
        return
    print(" ".join(found.sentences))


def refuse(refusal: Refusal, as_json: bool) -> None:
    if as_json:
        line({"type": "error", "fault": "user", "refusal": refusal.model_dump()})
    else:
        print(refusal, file=sys.stderr)
