"""The base of every technique that fits an estimator: rows, labels and room to check; a subclass says how it learns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import OptimizerError, Refusal
from optimizers.technique import State, Technique

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.ensembles.problem import Fitted, Problem
    from optimizers.models.network import Network

MOST_FEATURES = 20_000
EVERY = 10                  # rounds between two words on how it goes
MOST_CELLS = 200_000_000    # float32 numbers that one fit holds; beyond it a sample of the rows is learned from


class Estimating(Technique):
    """Fits an estimator to the train split from nothing; what was there before is not looked at.

    A subclass gives `learn` and `cost`. What it fits is remembered for the run under its own dump, so that a vote or a stack that wants the
    same member does not fit it again.
    """

    family: ClassVar[str] = "ensembles"
    takes: ClassVar[tuple[State, ...]] = ("float", "estimator")
    gives: ClassVar[State | Literal["same"]] = "estimator"
    needs: ClassVar[tuple[str, ...]] = ("labels",)

    def learn(self, x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], problem: Problem, ctx: Context) -> Fitted:
        """Learn from rows x (n, features) float32 and y (n,).  held: validation rows, for stopping early and for choosing weights."""
        raise AssertionError(f"{type(self).__name__} has no learn")

    def cost(self, rows: int, features: int, classes: int) -> float:
        """A modelled duration in seconds on one core."""
        return 1e-7 * rows * features * max(1, classes)

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if dataset is None or not dataset.row_shape:
            return refusals.no_rows(dataset)
        if width(dataset) > MOST_FEATURES:
            return Refusal(wrong=f"A row has {width(dataset):,} numbers, and estimators here take {MOST_FEATURES:,}.", where="dataset",
                           mend="Train a network, or bring fewer columns or smaller pictures.", code="too-wide")
        return None

    def begins(self) -> bool:
        return True

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        if dataset is None:
            return 10.0
        rows = min(dataset.splits.get("train", dataset.rows), MOST_CELLS // max(1, width(dataset)))
        return 0.3 + self.cost(rows, width(dataset), len(dataset.classes))

    def apply(self, model: Network | None, data: Dataset, ctx: Context) -> Network:
        from optimizers.ensembles.rows import problem_of, rows_of
        from optimizers.models.network import Network

        problem = problem_of(data, ctx)
        x, y, held, notes = rows_of(data, problem, ctx)
        fitted = self.fitted(x, y, held, problem, ctx)
        return Network(fitted.graph(), fed(data), "estimator", notes + fitted.notes)

    def fitted(self, x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], problem: Problem, ctx: Context) -> Fitted:
        """`learn`, once for the same rows in a run."""
        key = json.dumps([self.dump(), problem.seed, len(x), x.shape[1], id(x)], sort_keys=True)
        if key not in ctx.memory:
            ctx.memory[key] = (self.learn(x, y, held, problem, ctx), x)         # x is kept, so that no other array gets its id
        return ctx.memory[key][0]


def watching(ctx: Context, most: int, what: str) -> Callable[..., bool]:
    """To be told each round, and its validation loss where there is one; answers whether time is up. Raises Stopped where one was asked
    for.
    """
    start = ctx.remaining()

    def seen(number: int, loss: float | None = None) -> bool:
        if number % EVERY == 0:
            ctx.report(0.95 * number / most, f"{what} {number} of at most {most}")
            if loss is not None:
                ctx.curve("validation loss", number, loss)
        left = ctx.remaining()
        return start is not None and left is not None and start - left > ctx.training_share * start

    return seen


def width(dataset: DatasetCard) -> int:
    total = 1
    for extent in dataset.row_shape:
        total *= extent
    return total


def fed(data: Dataset):
    """Rows as they were uploaded, pictures laid flat: trees do not mind scales, and what does mind scales itself."""
    from optimizers.models.preprocessing import Preprocessing

    return Preprocessing(scale="none", flatten=len(data.row_shape) > 1)


def lost(classes: list[str]) -> OptimizerError:
    return OptimizerError(f"The train split holds no row of {', '.join(repr(name) for name in classes[:3])}.", "dataset",
                          "Move rows of it to train, or leave the splitting to us.", "class-not-in-train")
