"""A portfolio of recipes under a time budget, best first, and for each that is left out the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from optimizers.body import Body
from optimizers.candidate import Sensitivity
from optimizers.cards import DatasetCard, ModelCard
from optimizers.chains import Step
from optimizers.device import Device
from optimizers.errors import OptimizerError, Refusal
from optimizers.goal import Budget, Goal
from optimizers.measure.device_model import speaks
from optimizers.recipe import Recipe, begun, build, unsuited
from optimizers.search import chance, estimate, gate
from optimizers.search.pace import in_time
from optimizers.search.portfolio import LAST, from_model, from_scratch
from optimizers.training.settings import Fitting

LEAST_TRAINING = 20.0       # seconds; with less left no training is begun


class Planned(NamedTuple):
    """chance: likely, maybe or unlikely to fit.  why: the sentence behind the chance.  seconds: modelled, shared steps paid once."""

    recipe: Recipe
    seconds: float
    size_kib: float | None
    chance: str
    why: str


class LeftOut(NamedTuple):
    title: str
    technique: str
    refusal: Refusal


class Portfolio(NamedTuple):
    """planned: in order.  left_out: with reasons.  legal: all that the device could run.  later: left out only for time, best first."""

    planned: tuple[Planned, ...]
    left_out: tuple[LeftOut, ...]
    legal: tuple[Planned, ...] = ()
    later: tuple[Planned, ...] = ()


def plan(model: ModelCard | None, dataset: DatasetCard | None, device: Device, goal: Goal, budget: Budget, seed: int = 0,
         looked: Sequence[Sensitivity] = ()) -> Portfolio:
    """What to try, best first, as far as the budget reaches. Without a model, zoo networks are trained first.

    looked: what each layer of the model lost alone, where an earlier job measured that.
    """
    legal, left_out = sift(model, dataset, device, budget, seed)
    ranked = rank(legal, model, dataset, device, goal, looked)
    return spend(ranked, left_out, model, dataset, budget)


def sift(model: ModelCard | None, dataset: DatasetCard | None, device: Device, budget: Budget,
         seed: int) -> tuple[list[Recipe], list[LeftOut]]:
    """Recipes that can run on the device, and those that cannot with the reason; one reason for each technique."""
    legal: list[Recipe] = []
    left_out: dict[str, LeftOut] = {}
    for steps in from_model(model) if model is not None else from_scratch(dataset, device, budget.study):
        recipe = in_time(compose(steps, seed), model, dataset, budget)
        refusal, culprit = refuse(recipe, model, dataset, device)
        if refusal is None:
            legal.append(recipe)
        elif culprit not in left_out:
            left_out[culprit] = LeftOut(recipe.title(), culprit, refusal)
    tried = {step.name for recipe in legal for step in recipe.steps}
    return legal, [row for name, row in left_out.items() if name not in tried or name == "float"]


def compose(steps: tuple[Step, ...], seed: int) -> Recipe:
    from optimizers.catalogue import TECHNIQUES

    return Recipe(tuple(build(TECHNIQUES[name], params) for name, params in steps), seed)


def refuse(recipe: Recipe, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> tuple[Refusal | None, str]:
    """Why a recipe cannot run here, and which technique is to blame ("float" when the result itself cannot)."""
    if begun(model) == "estimator" and (refusal := unsuited(recipe.steps[0], "estimator", "")):
        return refusal, recipe.steps[0].name
    for step in recipe.steps:
        if refusal := step.refuse(model, dataset, device):
            return refusal, step.name
    if recipe.gives() == "float" and not speaks(device, "fp32"):
        return Refusal(wrong=f"{device.title} has no fp32 arithmetic, so a network left in float cannot run there.",
                       mend="End the recipe with 'quantize-static'.", code="device-dtype"), "float"
    return recipe.refuse(model, dataset, device), recipe.steps[-1].name if recipe.steps else ""


def rank(recipes: list[Recipe], model: ModelCard | None, dataset: DatasetCard | None, device: Device, goal: Goal,
         looked: Sequence[Sensitivity] = ()) -> list[Planned]:
    """What takes seconds before what trains; then by chance, ties in the order they came. Without a model the first trains, and what begins
    with an estimator keeps its place before networks: it takes seconds.

    Training a given network without making it smaller comes late: it cannot be smaller than what took seconds. LAST comes after all.
    """
    rows = [forecast(recipe, model, dataset, device, goal, looked) for recipe in recipes]
    order = {"likely": 0, "maybe": 1, "unlikely": 2}

    def place(row: Planned) -> tuple[bool, bool, int]:
        last = any(step.name in LAST for step in row.recipe.steps)
        if model is None and estimates(row.recipe):
            return last, False, 0
        training = model is None or trains(row.recipe)
        return last, training, order[row.chance] if model is None or not training or shrinks(row.recipe) else len(order)

    return rows[:1] + sorted(rows[1:], key=place)


def forecast(recipe: Recipe, model: ModelCard | None, dataset: DatasetCard | None, device: Device, goal: Goal,
             looked: Sequence[Sensitivity] = ()) -> Planned:
    """Whether it fits the budget by its modelled figures, and then whether it keeps the floor by what is usually lost."""
    body = body_of(recipe, model)
    if body is None:
        return Planned(recipe, 0.0, None, "maybe", "Its size is known once it is built.")
    modelled = estimate.on_device(estimate.follow(body, recipe), device)
    breaches = gate.budget_breaches(modelled, goal, device)
    size = modelled["size_kib"].value
    if breaches:
        near = all(breach.value < 1.25 * breach.allowed for breach in breaches)
        return Planned(recipe, 0.0, size, "maybe" if near else "unlikely", f"Modelled to break {breaches[0].sentence}.")
    if recipe.steps and recipe.steps[-1].name == "quantize-dynamic" and body.dynamic < 0.3:
        return Planned(recipe, 0.0, size, "maybe",
                       f"Only {body.dynamic:.0%} of the weights lie in MatMul, Gemm or LSTM; the rest is left in float.")
    return Planned(recipe, 0.0, size, *chance.of_floor(chance.points_lost(recipe, dataset, looked), goal))


def body_of(recipe: Recipe, model: ModelCard | None) -> Body | None:
    """The figures a recipe starts from: the card's, or those of the zoo network its first step builds."""
    if model is not None:
        return estimate.body_of(model)
    name = getattr(recipe.steps[0], "architecture", None) if recipe.steps else None
    return estimate.zoo_body(name) if name else None


def spend(ranked: list[Planned], left_out: list[LeftOut], model: ModelCard | None, dataset: DatasetCard | None,
          budget: Budget) -> Portfolio:
    """Take recipes in order while time and number last; one that does not fit may be followed by one that does."""
    limit = budget.minutes * 60 if budget.minutes else None
    paid: set[str] = set()
    spent = estimate.seconds(Recipe(()), model, dataset, paid)
    chosen: list[Planned] = []
    later: list[Planned] = []
    for row in ranked:
        trial = set(paid)
        cost = estimate.seconds(row.recipe, model, dataset, trial) + (estimate.study(row.recipe, dataset) if budget.study else 0.0)
        if limit is not None and limit - spent > LEAST_TRAINING and trains(row.recipe):
            cost = min(cost, 0.9 * (limit - spent))             # training shortens its schedule to the time there is
        if budget.candidates is not None and len(chosen) >= budget.candidates:
            reason = f"Only {budget.candidates} candidate{'s' if budget.candidates > 1 else ''} asked for."
            left_out = [*left_out, over(row, reason, "Ask for more candidates.", "no-number")]
        elif limit is not None and chosen and spent + cost > limit:
            reason = f"It would take about {spell(cost)}, and {spell(max(0.0, limit - spent))} of the budget are left."
            left_out = [*left_out, over(row, reason, "Give the job more minutes.", "no-time")]
            later.append(row._replace(seconds=cost))
        else:
            chosen.append(row._replace(seconds=cost))
            spent, paid = spent + cost, trial
    return Portfolio(tuple(chosen), tuple(left_out), tuple(ranked), tuple(later))


def trains(recipe: Recipe) -> bool:
    return any(isinstance(step, Fitting) for step in recipe.steps)


def estimates(recipe: Recipe) -> bool:
    """Whether it begins with an estimator."""
    return bool(recipe.steps) and recipe.steps[0].gives == "estimator"


def shrinks(recipe: Recipe) -> bool:
    """Whether it makes the network itself smaller, whatever its weights are stored in."""
    before = Body(1e6, 1e8, 1e6)
    after = estimate.follow(before, recipe)
    return after.macs < before.macs or after.parameters < before.parameters


def over(row: Planned, wrong: str, mend: str, code: str) -> LeftOut:
    return LeftOut(row.recipe.title(), row.recipe.steps[-1].name, Refusal(wrong=wrong, mend=mend, code=code))


def spell(seconds: float) -> str:
    """
    >>> spell(8), spell(95), spell(700)
    ('8 s', '1.6 min', '12 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"


def given(recipe: dict[str, Any], model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Recipe:
    """A recipe from a person, checked whole; raises OptimizerError."""
    parsed = Recipe.load(recipe)
    if refusal := parsed.refuse(model, dataset, device):
        raise OptimizerError.of(refusal)
    return parsed
