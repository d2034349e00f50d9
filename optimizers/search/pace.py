"""How long each training of a plan is: as many epochs as its rows want and its share of the minutes affords."""

from __future__ import annotations

import math
from typing import Any

from optimizers.cards import DatasetCard, ModelCard
from optimizers.goal import Budget
from optimizers.recipe import Recipe
from optimizers.search import estimate
from optimizers.technique import Technique
from optimizers.training.settings import Fitting

SHARE_OF_BUDGET = 0.5       # that one training step may fill
UPDATES = 2000              # moves of the weights a training should have; few rows need more epochs for them, and smaller batches
MOST_EPOCHS = 60
FEW_ROWS = 3000
SIDES = (64, 48, 32)        # of pictures, tried in turn where training on larger ones would stay short of SOME_EPOCHS
SOME_EPOCHS = 30


def in_time(recipe: Recipe, model: ModelCard | None, dataset: DatasetCard | None, budget: Budget) -> Recipe:
    """Each training step with as many epochs as its rows want and one step's share of the budget affords; never fewer than one."""
    steps: list[Technique] = []
    for step in recipe.steps:
        steps.append(paced(step, smaller(model, steps), dataset, budget) if isinstance(step, Fitting) else step)
    return Recipe(tuple(steps), recipe.seed)


def paced(step: Any, model: ModelCard | None, dataset: DatasetCard | None, budget: Budget) -> Technique:
    """A training step whose batch, epochs and, for large pictures, picture side suit the rows and the time."""
    rows = dataset.splits.get("train", dataset.rows) if dataset else 10_000
    room = SHARE_OF_BUDGET * budget.minutes * 60 if budget.minutes else math.inf
    step = with_(step, batch=16 if rows < 1000 else 32 if rows < FEW_ROWS else step.batch)
    step = with_(step, epochs=max(step.epochs, min(MOST_EPOCHS, math.ceil(UPDATES * step.batch / max(rows, 1)))))
    if step.name == "train" and dataset is not None and len(dataset.row_shape) == 3:
        for side in SIDES:
            if with_(step, epochs=min(SOME_EPOCHS, step.epochs)).seconds(model, dataset) <= room:
                break
            if min(dataset.row_shape[1:]) >= 1.25 * side:
                step = with_(step, picture_side=side)
    if budget.minutes and 2 * step.seconds(model, dataset) <= room / 2 and step.epochs < MOST_EPOCHS:
        return with_(step, epochs=min(MOST_EPOCHS, 2 * step.epochs))        # time in plenty
    needed = step.seconds(model, dataset)
    return step if needed <= room else with_(step, epochs=max(1, int(step.epochs * room / needed)))


def with_(step: Any, **changes: Any) -> Any:
    return type(step)(**{**step.model_dump(), **changes})


def smaller(model: ModelCard | None, steps: list[Technique]) -> ModelCard | None:
    """The card as it stands after some steps, for the time of the next."""
    if model is None:
        return None
    body = estimate.follow(estimate.body_of(model), Recipe(tuple(steps)))
    return model.model_copy(update={"macs": int(body.macs) or None})
