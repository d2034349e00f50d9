"""What each layer costs alone: treat one, leave the rest, and look at validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from optimizers.candidate import Sensitivity
from optimizers.goal import FIDELITY
from optimizers.measure import fidelity
from optimizers.measure.quality import OF_TASK, decide, score
from optimizers.measure.shipped import Shipped

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

ROWS = 1000


def by_layer(layers: Mapping[str, str], treat: Callable[[str], Network], model: Network, data: Dataset, ctx: Context,
             treatment: str) -> tuple[Sensitivity, ...]:
    """One row a layer, in the network's order. layers: name -> operator.  treat: a network in which only that layer is changed.

    The loss is in points of the job's metric over at most 1,000 validation rows; `why` also tells the mean squared change of the
    outputs relative to their variance (of several outputs, the one that moves most), which ranks layers finer than a count of rows can.
    """
    x = data.validation.x[:ROWS]
    quality = told_by(ctx.metric, data)
    before = Shipped(model).answers(x)
    whole = quality(before, before)
    rows = []
    for number, (layer, operator) in enumerate(layers.items()):
        ctx.report(0.1 + 0.75 * number / len(layers), f"{layer} alone in {treatment}")
        after = Shipped(treat(layer)).answers(x)
        loss = 100 * (whole - quality(before, after))
        error = max(float(np.mean((a - b) ** 2)) / (float(np.var(b)) or 1.0) for a, b in zip(after, before, strict=True))
        rows.append(Sensitivity(layer=layer, operator=operator, treatment=treatment, loss=loss, error=error,
                                why=f"Outputs move by {error:.2g} of their variance, over {len(x):,} validation rows."))
    return tuple(rows)


def told_by(metric: str | None, data: Dataset) -> Callable[[list[np.ndarray], list[np.ndarray]], float]:
    """(outputs of the original, outputs of the changed network) over the first validation rows -> the metric.

    metric: None takes the task's own, cosine where there are no labels.
    """
    metric = metric or OF_TASK.get(data.task, ("cosine",))[0]
    y = np.asarray(data.validation.y[:ROWS])

    def quality(before: list[np.ndarray], after: list[np.ndarray]) -> float:
        if metric in FIDELITY:
            return float(fidelity.compare(before, after, fidelity.score_places(before)).values(metric).mean())
        return score(metric, y, decide(after[0], data.task))

    return quality


def keep(rows: tuple[Sensitivity, ...], above: float) -> tuple[Sensitivity, ...]:
    """Mark the layers that cost more than `above` points alone."""
    return tuple(row.model_copy(update={"kept_float": True, "why": f"{row.why} Alone it costs more than {above:g} points."})
                 if row.loss > above else row for row in rows)
