"""What would be tried, what cannot work and why, and how long: said in milliseconds, from cards, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from optimizers.candidate import Sensitivity
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.errors import OptimizerError, Refusal
from optimizers.goal import LIMITS, Budget, Goal
from optimizers.measure.device_model import speaks
from optimizers.models.entries import of_card, sentences
from optimizers.recipe import Recipe
from optimizers.search import estimate, gate, match, planner
from optimizers.values import Value

SLACK = 0.5         # a modelled figure may be off by half before a limit below it is called impossible
SPREAD = (0.7, 1.6)     # how far real durations lay from modelled ones


class Tried(Value):
    """One recipe that would be run. size_kib: modelled, of the file."""

    title: str
    recipe: dict[str, Any]
    seconds: float
    size_kib: float | None
    chance: Literal["likely", "maybe", "unlikely"]
    why: str


class NotTried(Value):
    title: str
    technique: str
    wrong: str
    mend: str
    code: str = ""


class DryRun(Value):
    """refusal: the whole job cannot be; then nothing is tried. seconds: until the last candidate, with a likely range.
    all_seconds: what the whole portfolio takes when the time cut some of it off; else 0.
    memory_bytes: the most the job will hold, modelled."""

    refusal: Refusal | None = None
    tried: tuple[Tried, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    seconds: float = 0.0
    low_seconds: float = 0.0
    high_seconds: float = 0.0
    all_seconds: float = 0.0
    memory_bytes: float = 0.0
    notes: tuple[str, ...] = ()


def dry_run(model_card: ModelCard | None, dataset_card: DatasetCard | None, device: Device, goal: Goal, budget: Budget,
            recipe: dict[str, Any] | Recipe | None = None, seed: int = 0, looked: Sequence[Sensitivity] = (),
            preprocessing: dict[str, Any] | None = None) -> DryRun:
    """Never raises for what a person may have chosen: the answer carries the refusal.

    looked: what each layer of the model lost alone, where an earlier job measured that.  preprocessing: what was said of it.
    """
    if refusal := match.refuse(model_card, dataset_card, goal, preprocessing) or runtime(device):
        return DryRun(refusal=refusal)
    try:
        portfolio = chosen(model_card, dataset_card, device, goal, budget, recipe, seed, looked)
    except OptimizerError as error:
        return DryRun(refusal=error.refusal)
    left_out = tuple(NotTried(title=row.title, technique=row.technique, wrong=row.refusal.wrong, mend=row.refusal.mend,
                              code=row.refusal.code)
                     for row in portfolio.left_out)
    refusal = nothing(portfolio) or impossible(portfolio, model_card, dataset_card, device, goal)
    if refusal:
        return DryRun(refusal=refusal, not_tried=left_out)
    seconds = sum(row.seconds for row in portfolio.planned) + estimate.MEASURE_SECONDS
    capped = min(seconds, budget.minutes * 60) if budget.minutes else seconds
    high = seconds * SPREAD[1]
    return DryRun(
        tried=tuple(Tried(title=row.recipe.title(), recipe=row.recipe.dump(), seconds=row.seconds, size_kib=row.size_kib,
                          chance=row.chance, why=row.why) for row in portfolio.planned),  # type: ignore[arg-type]
        all_seconds=unhurried(model_card, dataset_card, device, goal, budget, seed) if portfolio.later else 0.0,
        memory_bytes=max(estimate.memory_bytes(row.recipe, model_card, dataset_card) for row in portfolio.planned),
        not_tried=left_out, seconds=capped, low_seconds=capped * SPREAD[0],
        high_seconds=max(capped, min(high, budget.minutes * 60) if budget.minutes else high),
        notes=(*fed(model_card, preprocessing), *notes(goal, device, model_card)))


def fed(model: ModelCard | None, preprocessing: dict[str, Any] | None) -> list[str]:
    """What a network's inputs are given, where there are several."""
    return sentences(of_card(model, preprocessing)) if model is not None else []


def chosen(model: ModelCard | None, dataset: DatasetCard | None, device: Device, goal: Goal, budget: Budget,
           recipe: dict[str, Any] | Recipe | None, seed: int, looked: Sequence[Sensitivity] = ()) -> planner.Portfolio:
    """The planner's portfolio, or the one recipe that was given."""
    if recipe is None:
        return planner.plan(model, dataset, device, goal, budget, seed, looked)
    parsed = planner.given(recipe.dump() if isinstance(recipe, Recipe) else recipe, model, dataset, device)
    row = planner.forecast(parsed, model, dataset, device, goal, looked)
    row = row._replace(seconds=estimate.seconds(parsed, model, dataset, set()))
    return planner.Portfolio((row,), (), (row,))


def unhurried(model: ModelCard | None, dataset: DatasetCard | None, device: Device, goal: Goal, budget: Budget, seed: int) -> float:
    """Seconds for all that is worth trying, each step at its full length."""
    portfolio = planner.plan(model, dataset, device, goal, budget.model_copy(update={"minutes": None}), seed)
    return sum(row.seconds for row in portfolio.planned) + estimate.MEASURE_SECONDS


def runtime(device: Device) -> Refusal | None:
    if device.runtimes and device.dtypes:
        return None
    return Refusal(wrong=f"{device.title} names no {'runtime' if device.dtypes else 'element type'} that could execute a network.",
                   where="device", mend="Add one to its profile.", code="device-runtime")


def nothing(portfolio: planner.Portfolio) -> Refusal | None:
    """Nothing can be tried: the first reason speaks for all."""
    if portfolio.planned:
        return None
    first = portfolio.left_out[0].refusal if portfolio.left_out else None
    return Refusal(wrong="Nothing can be tried." + (f" {first.wrong}" if first else ""), where=first.where if first else "",
                   mend=first.mend if first else "Choose another device or dataset.", code=first.code if first else "nothing-to-try")


def impossible(portfolio: planner.Portfolio, model: ModelCard | None, dataset: DatasetCard | None, device: Device,
               goal: Goal) -> Refusal | None:
    """A limit that even the best modelled candidate misses by more than the model's error."""
    modelled = [(row.recipe.title(), estimate.on_device(estimate.follow(body, row.recipe), device)) for row in portfolio.legal
                if (body := planner.body_of(row.recipe, model))]
    limits = gate.effective(goal, device)
    for limit, (measured, unit, label) in LIMITS.items():
        allowed = getattr(limits, limit)
        best = min(((found[measured].value, title) for title, found in modelled if measured in found), default=None)
        if allowed is None or best is None or (device.here and limit in ("latency_ms", "energy_mj")) or allowed >= best[0] * SLACK:
            continue
        asked = getattr(goal.limits, limit)
        whose = "the limit is" if asked == allowed else f"{device.title} has"
        return Refusal(wrong=f"{label} of {gate.short(best[0])} {unit} is the least any candidate needs ({best[1]}, modelled), "
                             f"and {whose} {gate.short(allowed)} {unit}.",
                       where=f"goal.limits.{limit}", mend=f"Allow at least {gate.short(best[0])} {unit}, or choose another device.",
                       code=f"budget-{limit.rsplit('_', 1)[0]}")
    return None


def notes(goal: Goal, device: Device, model: ModelCard | None) -> list[str]:
    """What is worth knowing and stops nothing."""
    said = []
    for limit, fact, name in (("flash_kib", device.flash_kib, "flash"), ("ram_kib", device.ram_kib, "RAM")):
        asked = getattr(goal.limits, limit)
        if fact is not None and asked is not None and asked > fact.value:
            said.append(f"The {name} limit of {gate.short(asked)} KiB is more than the {gate.short(fact.value)} KiB on {device.title}; "
                        f"the chip's own counts.")
    if goal.limits.energy_mj is not None and device.active_mw is None:
        said.append(f"The profile of {device.title} has no power figure, so energy is neither modelled nor held against the limit.")
    if model is not None and model.family == "graph":
        said.append("The network runs, but cannot be trained or pruned: only the runtime's own tools apply.")
    if "onnxruntime" not in device.runtimes:
        said.append(f"Quality is measured on this server, of the file that ships; latency on {device.title} is modelled.")
    if not speaks(device, "fp32"):
        said.append(f"{device.title} has no fp32 arithmetic, so the untouched network is a yardstick, never a candidate.")
    return said
