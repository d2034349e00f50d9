"""What each layer costs alone: treat one, leave the rest, and look at validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

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


class Cost(NamedTuple):
    """lost: points of the metric.  moved: mean squared change of the outputs by their variance, of the output that moves most."""

    lost: float
    moved: float


def by_layer(layers: Mapping[str, str], treat: Callable[[str], Network], model: Network, data: Dataset, ctx: Context,
             treatment: str) -> tuple[Sensitivity, ...]:
    """One row a layer, in the network's order. layers: name -> operator.  treat: a network in which only that layer is changed.

    The loss is in points of the job's metric over at most 1,000 validation rows; how far the outputs move ranks layers finer than a count
    of rows can.
    """
    gauge, rows = Gauge(model, data, ctx.metric), []
    for number, (layer, operator) in enumerate(layers.items()):
        ctx.report(0.1 + 0.75 * number / len(layers), f"{layer} alone in {treatment}")
        lost, moved = gauge.cost(treat(layer))
        rows.append(Sensitivity(layer=layer, operator=operator, treatment=treatment, loss=lost, error=moved,
                                why=f"Outputs move by {moved:.2g} of their variance, over {len(gauge.x):,} validation rows."))
    return tuple(rows)


class Gauge:
    """What changes of a network cost, on the first validation rows (train rows where there are none), by the job's metric."""

    def __init__(self, network: Network, data: Dataset, metric: str | None) -> None:
        data = data if len(data.validation) else replace(data, validation=data.train)
        original = Shipped(network)
        self.x, self.quality = np.asarray(data.validation.x[:ROWS]), told_by(metric, data, original.probable)
        self.before = original.answers(self.x)
        self.whole = self.quality(self.before, self.before)

    def cost(self, changed: Network) -> Cost:
        after = Shipped(changed).answers(self.x)
        moved = max(float(np.mean((a - b) ** 2)) / (float(np.var(b)) or 1.0) for a, b in zip(after, self.before, strict=True))
        return Cost(100 * (self.whole - self.quality(self.before, after)), moved)


def told_by(metric: str | None, data: Dataset, probable: Sequence[int] = ()) -> Callable[[list[np.ndarray], list[np.ndarray]], float]:
    """(outputs of the original, outputs of the changed network) over the first validation rows -> the metric.

    metric: None takes the task's own, cosine where there are no labels.  probable: places of outputs that a sigmoid made.
    """
    metric = metric or OF_TASK.get(data.task, ("cosine",))[0]
    y = np.asarray(data.validation.y[:ROWS])

    def quality(before: list[np.ndarray], after: list[np.ndarray]) -> float:
        if metric in FIDELITY:
            return float(fidelity.compare(before, after, fidelity.score_places(before, probable)).values(metric).mean())
        return score(metric, y, decide(after[0], data.task))

    return quality


def keep(rows: tuple[Sensitivity, ...], above: float) -> tuple[Sensitivity, ...]:
    """Mark the layers that cost more than `above` points alone."""
    return tuple(row.model_copy(update={"kept_float": True, "why": f"{row.why} Alone it costs more than {above:g} points."})
                 if row.loss > above else row for row in rows)
