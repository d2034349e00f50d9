"""From a job and its candidates to what the result page draws. Pure: no query, no request, nothing but values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from optimizers.candidate import Candidate
from optimizers.device import Device
from optimizers.errors import OptimizerError
from optimizers.goal import Goal
from optimizers.measurement import Measurement
from optimizers.recipe import Recipe
from optimizers.search.evidence import ONLY
from optimizers.search.verdict import beaten as beaten_among
from webapp.studio import front, grids, matters, noise, residuals, scoring, verdict
from webapp.studio.axes import Axis, Quality, first_axis, quality_of, usable, value
from webapp.studio.steps import keeps
from webapp.studio.waterfall import Waterfall, waterfall

COLUMNS = 3         # costs in the table; the chart can switch to the others


@dataclass(frozen=True)
class CostCell:
    value: float | None
    origin: str
    how: str


@dataclass(frozen=True)
class TableRow:
    c: Candidate
    kind: str               # pick, fits, breaks, baseline
    on_front: bool
    quality: str
    quality_value: float | None
    strip: verdict.Strip | None
    costs: tuple[CostCell, ...]
    verdict: str
    beaten: str = ""        # title of a candidate that is no worse on validation, size and latency, and better on one


@dataclass(frozen=True)
class Fact:
    label: str
    m: Measurement


@dataclass(frozen=True)
class Result:
    """Everything the page says. chosen: the recommended candidate (or the closest); picked: the one the reader looks at."""

    goal: Goal
    device: Device | None
    quality: Quality
    candidates: tuple[Candidate, ...]
    baseline: Candidate | None
    chosen: Candidate | None
    picked: Candidate | None
    recommended: bool
    sentence: str
    caution: str            # how few rows chose, where they were few
    tone: str               # leaf, warn, bad
    warnings: tuple[str, ...]
    fitting: int
    front: tuple[str, ...]
    bars: tuple[verdict.BudgetBar, ...]
    strip: verdict.Strip | None
    floor: float | None     # as a change in points
    chip: str
    loss: str
    rows: tuple[TableRow, ...]
    columns: tuple[Axis, ...]
    chart: dict[str, Any]

    @property
    def tried(self) -> int:
        """Candidates that were made: the original is none of them."""
        return sum(not c.baseline for c in self.candidates)

    @property
    def runs(self) -> str:
        """How much of the chosen file runs in integers, when a technique counted it."""
        return next((note for note in (self.chosen.notes if self.chosen else ()) if note.endswith("run in int8.")), "")

    @property
    def worst_class(self) -> Any:
        """The class that lost most for certain, or None."""
        lost = [row for row in (self.chosen.classes if self.chosen else ()) if row.high < 0]
        return min(lost, key=lambda row: row.after - row.before, default=None)


@dataclass(frozen=True)
class Why:
    """What explains one candidate, each part None where there is nothing to show."""

    facts: tuple[Fact, ...]
    waterfall: Waterfall | None
    sensitivity: grids.Grid | None
    can_exclude: bool                       # whether a step of its recipe takes a list of layers to leave alone
    classes: grids.ClassChart | None
    confusion: grids.Grid | None
    noise: noise.Chart | None
    matrix: grids.Matrix | None
    matters: matters.Chart | None
    scores: scoring.Chart | None
    residuals: residuals.Chart | None
    steps: tuple[tuple[str, str], ...]      # of the recipe: its label, and all its parameters


def parse(dumps: Iterable[dict[str, Any]]) -> list[Candidate]:
    return [Candidate.model_validate(dump) for dump in dumps]


def result(candidates: list[Candidate], goal: Goal, device: Device | None, done: dict[str, Any] | None, pick: str | None) -> Result:
    """done: an events.Done dump, or None for a job that was stopped before it said anything."""
    done = done or {}
    by_key = {c.key: c for c in candidates}
    baseline = next((c for c in candidates if c.baseline), None)
    told = by_key.get(done.get("recommended") or "")
    best = told or verdict.best(candidates)
    changed = [c for c in candidates if not c.baseline]
    chosen = best or verdict.closest(changed) or verdict.closest(candidates) or next(iter(changed), None) or baseline
    lesson = verdict.best(changed) or verdict.closest(changed) if chosen is baseline else None     # why the original is the one to take
    picked = by_key.get(pick or "") or lesson or chosen
    axes = usable(candidates, goal)
    shown = first_axis(goal, axes, candidates)
    keys = front.front_keys(candidates, goal.metric, shown.key) if shown else []
    floor = verdict.drop_floor(goal, baseline)
    reach = verdict.reach_of(candidates, floor)
    warnings = verdict.warnings(chosen) if chosen and not chosen.baseline else []
    columns = table_axes(goal, axes)
    fits, beaten = bool(best and best.fits), beaten_among(candidates)
    sentence, only, rows = (done.get("verdict") or verdict.sentence(candidates, best, floor)).partition(ONLY)
    return Result(
        goal=goal, device=device, quality=Quality(goal.metric), candidates=tuple(candidates), baseline=baseline, chosen=chosen,
        picked=picked,
        recommended=fits, sentence=sentence, caution=f"{only}{rows}".strip(),
        tone="bad" if not fits else "warn" if warnings else "leaf", warnings=tuple(warnings),
        fitting=sum(c.fits and not c.baseline for c in candidates), front=tuple(keys),
        bars=tuple(verdict.budget_bars(chosen, goal)) if chosen else (), strip=verdict.strip(chosen, floor, reach) if chosen else None,
        floor=floor, chip=verdict.chip_line(device), loss=verdict.loss_sentence(chosen) if chosen else "",
        rows=tuple(table_row(c, goal, columns, keys, best, floor, reach, beaten.get(c.key)) for c in ordered(candidates, best)),
        columns=tuple(columns),
        chart=front.chart(candidates, goal, best.key if fits and best else None, picked.key if picked else None))


def why(result: Result, label: str | None = None) -> Why:
    """The sections below the front, for the candidate that is picked. label: the class whose scores are looked at."""
    c = result.picked
    if c is None:
        return Why((), None, None, False, None, None, None, None, None, None, None, ())
    rows = grids.sensitivity(c) or (grids.sensitivity(result.baseline, c) if result.baseline else None)
    excludes = any(keeps(step.get("technique", "")) for step in c.recipe.get("steps", []))
    return Why(tuple(facts(c)), waterfall(c, result.baseline, result.quality, result.goal.limits), rows, excludes, grids.class_chart(c),
               grids.confusion_change(c, result.baseline), noise.chart(c), grids.matrix(c), matters.chart(c), scoring.chart(c, label),
               residuals.chart(c), recipe_words(c))


def table_axes(goal: Goal, axes: list[Axis]) -> list[Axis]:
    """Limits first, then the size, then latency, COLUMNS of them; and always what is downloaded. In the order of AXES."""
    def rank(axis: Axis) -> int:
        limited = bool(axis.limit) and getattr(goal.limits, axis.limit) is not None
        return 0 if limited else 1 if axis.key == "size_kib" else 2 if axis.key.endswith("latency_ms") else 3

    kept = sorted((axis for axis in axes if axis.key != "download_kib"), key=rank)[:COLUMNS]
    return [axis for axis in axes if axis in kept or axis.key == "download_kib"]


def ordered(candidates: list[Candidate], best: Candidate | None) -> list[Candidate]:
    """The recommended one, others that fit from small to large, those that break, and the original last."""
    def rank(c: Candidate) -> tuple[bool, bool, bool, float]:
        return c.baseline, not c.fits, c is not best, value(c, "size_kib") or 0.0

    return sorted(candidates, key=rank)


def table_row(c: Candidate, goal: Goal, columns: list[Axis], keys: list[str], best: Candidate | None, floor: float | None,
              reach: float, beaten: Candidate | None) -> TableRow:
    kind = "baseline" if c.baseline else "pick" if c is best and c.fits else "fits" if c.fits else "breaks"
    quality = Quality(goal.metric)
    found = quality_of(c, goal.metric)
    return TableRow(c=c, kind=kind, on_front=c.key in keys, quality=quality.text(found), quality_value=found,
                    strip=verdict.strip(c, floor, reach), costs=tuple(cost(c, axis) for axis in columns),
                    verdict=verdict.row_verdict(c, floor), beaten=beaten.title if beaten and not c.baseline else "")


def cost(c: Candidate, axis: Axis) -> CostCell:
    m = c.measurements.get(axis.key)
    return CostCell(value(c, axis.key), m.origin if m else "", m.how if m else "")


def recipe_words(c: Candidate) -> tuple[tuple[str, str], ...]:
    """Each step as the title says it, with every parameter; steps that this version does not know keep their names."""
    steps = c.recipe.get("steps", [])
    try:
        labels = [step.label() for step in Recipe.load(c.recipe).steps]
    except OptimizerError:
        labels = [str(step.get("technique", "")) for step in steps]
    return tuple((label, ", ".join(f"{name} {value}" for name, value in (step.get("params") or {}).items()))
                 for label, step in zip(labels, steps, strict=False))


LABELS = {
    "top1": "Top-1", "macro_f1": "Macro F1", "r2": "R²", "agreement": "Agreement", "cosine": "Cosine", "sqnr_db": "SQNR",
    "flash_kib": "Flash", "ram_kib": "RAM", "size_kib": "File size", "download_kib": "Download", "macs": "MACs",
    "auc": "AUC", "brier": "Brier score", "log_loss": "Log loss",
    "device_latency_ms": "Latency", "latency_ms": "This server", "latency_b64_ms": "64 rows", "latency_b1000_ms": "1,000 rows",
    "rows_s": "Rows/s, one by one", "rows_b1000_s": "Rows/s, 1,000 at once",
    "speedup": "Speed-up", "speedup_b64": "Speed-up, 64", "speedup_b1000": "Speed-up, 1,000", "energy_mj": "Energy",
    "fit_seconds": "Training", "trees": "Trees", "tree_nodes": "Nodes", "tree_depth": "Deepest tree",
}


def facts(c: Candidate) -> list[Fact]:
    """Known measurements in their order, then whatever else stands beside them; a figure that repeats another is left out."""
    twice = {"flash_kib": "size_kib", "device_latency_ms": "latency_ms"}
    same = {key for key, other in twice.items() if key in c.measurements and c.measurements[key].value == getattr(
        c.measurements.get(other), "value", None)}
    known = [Fact(label, c.measurements[key]) for key, label in LABELS.items() if key in c.measurements and key not in same]
    other = [Fact(key.replace("_", " ").capitalize(), m) for key, m in c.measurements.items() if key not in LABELS]
    return known + other
