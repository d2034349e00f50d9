"""Whether a recipe is likely to keep the floor: what its steps cost, what the training after them mends, and what may be lost.

A prior from figures of our own (docs/figures.md), for ordering and for plain words before a run; the run measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from optimizers.candidate import Sensitivity
from optimizers.cards import DatasetCard
from optimizers.goal import Goal
from optimizers.recipe import Recipe
from optimizers.technique import Technique
from optimizers.training.settings import Fitting

MENDED = 277.0          # fitted to 1,500 steps on 8,000 rows that left 8 % of a cut, and 5,600 steps on 60,000 rows that left 1 to 2 %
ROWS = 10_000           # of a dataset nobody has looked at
LIKELY, MAYBE = 0.5, 2.0        # shares of what may be lost


def unmended(updates: float, rows: float) -> float:
    """Share of a loss that is left after so many moves of the weights on so many different rows: both count, and alike.

    >>> round(unmended(1500, 8000), 2), round(unmended(5600, 60000), 3), unmended(0, 500)
    (0.08, 0.015, 1.0)
    """
    return min(1.0, MENDED / sqrt(max(1.0, updates * rows)))


def updates(step: Technique, rows: int) -> float:
    """Moves of the weights in a step; none where it trains nothing."""
    return step.epochs * max(1.0, rows / step.batch) if isinstance(step, Fitting) else 0.0


def points_lost(recipe: Recipe, dataset: DatasetCard | None, looked: Sequence[Sensitivity] = ()) -> float:
    """Points of quality that are expected to be gone at the end. looked: what each layer lost alone, where that was measured."""
    rows = dataset.splits.get("train", dataset.rows) if dataset else ROWS
    lost, later = 0.0, 0.0
    for step in reversed(recipe.steps):
        later += updates(step, rows)
        lost += toll(step, looked) * unmended(later, rows)
    return lost


def toll(step: Technique, looked: Sequence[Sensitivity]) -> float:
    """What a step costs before training: by the look at the layers for fewer bits, else by the technique's own prior.

    Looks at cuts and factors are not added up: a layer alone at half its channels says little of all layers a little narrower.
    """
    treatment = treatment_of(step.dump())
    kept = getattr(step, "keep_float", ())
    alone = [row.loss for row in looked if row.treatment == treatment and row.layer not in kept and not row.kept_float]
    return max(0.0, sum(alone)) if alone and treatment.endswith(" bits") else step.toll()


def treatment_of(step: dict[str, Any]) -> str:
    """The column of the look at every layer that a step is closest to; nothing for a step that leaves layers as they are.

    >>> treatment_of({"technique": "quantize-aware", "params": {"bits": 4}}), treatment_of({"technique": "fine-tune"})
    ('4 bits', '')
    """
    name = step.get("technique", "")
    if name in ("quantize-static", "quantize-aware", "quantize-dynamic", "quantize-weights"):
        return f"{(step.get('params') or {}).get('bits', 8)} bits"
    return {"binarize": "1 bit", "prune-channels": "half pruned", "low-rank": "half rank"}.get(name, "")


def of_floor(lost: float, goal: Goal) -> tuple[str, str]:
    """likely, maybe or unlikely to keep the floor, and the sentence. A floor without a largest drop is taken for a drop of one point:
    nobody knows yet where the original stands above it."""
    if goal.max_drop is None and goal.floor is None:
        return "likely", "It should fit, and no floor was set."
    room = 100 * (0.01 if goal.max_drop is None else goal.max_drop)
    if lost <= LIKELY * room:
        return "likely", "It should fit the budget, and little is usually lost."
    chance = "maybe" if lost <= MAYBE * room else "unlikely"
    allowed = f"{room:g} may be" if goal.max_drop is not None else "the floor may allow less"
    return chance, f"It should fit the budget; about {lost:.2g} points are expected to be lost, and {allowed}."
