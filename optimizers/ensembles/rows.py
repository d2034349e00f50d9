"""The train and validation rows of a dataset as estimators take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizers.ensembles.estimating import MOST_CELLS, fed, lost
from optimizers.ensembles.problem import Problem

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset


def problem_of(data: Dataset, ctx: Context) -> Problem:
    classes = len(data.classes) if data.task == "classification" else 0
    return Problem(classes, int(np.prod(data.row_shape)), ctx.seed, ctx.threads)


def rows_of(data: Dataset, problem: Problem, ctx: Context) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """(x (n, features) float32, y (n,), validation rows and answers, notes), the same arrays each time a run asks.

    Where all rows do not fit, a sample of train stands for them and the note says so.  Raises OptimizerError for a class without rows.
    """
    if (known := ctx.memory.get("rows")) and known[0] is data:
        return known[1]
    how, most = fed(data), max(1000, MOST_CELLS // problem.features)
    chosen: Any = slice(None)
    notes: tuple[str, ...] = ()
    if len(data.train) > most:
        chosen = np.sort(np.random.default_rng(problem.seed).permutation(len(data.train))[:most])
        notes = (f"Learned from {most:,} of {len(data.train):,} train rows, drawn at random: all of them would not fit in memory.",)
    y = np.asarray(data.train.y[chosen])
    if problem.classes and len(missing := np.setdiff1d(np.arange(problem.classes), y)):
        raise lost([data.classes[label] for label in missing])
    room = slice(None, min(len(data.validation), most))
    found = (how(data.train.x[chosen]), y, (how(data.validation.x[room]), np.asarray(data.validation.y[room])), notes)
    ctx.memory["rows"] = (data, found)
    return found
