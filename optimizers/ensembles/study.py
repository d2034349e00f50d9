"""Bias and variance of a way of learning, measured: it learns from resamplings of train and answers the same rows each time.

Squared error and Brier score (Brier 1950) decompose alike: with p_r the answer after resampling r, m their mean and t the truth,
    mean |p_r - t|² = |m - t|² + mean |p_r - m|²        (loss = bias + variance, exactly; noise of the labels is in the bias).
m of R resamplings strays from its limit by a share 1/R of the variance: that much is taken from the bias and given to the variance, so
that both are unbiased estimates and the sum stays.
Zero-one loss decomposes as in Domingos 2000, "A unified bias-variance decomposition": the main prediction is the most frequent one; bias is
whether it is wrong; a deviation from it costs where it is right and, with two classes, gains where it is wrong.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizers.candidate import BiasVariance
from optimizers.ensembles.estimating import fed
from optimizers.ensembles.problem import resampled
from optimizers.ensembles.rows import problem_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.ensembles.estimating import Estimating
    from optimizers.ensembles.problem import Problem

RESAMPLES, FEWEST = 20, 4
MOST_ROWS = 2000            # test rows that are answered


def study(technique: Estimating, data: Dataset, ctx: Context, seconds: float | None = None) -> BiasVariance | None:
    """Fit `technique` to resamplings of train, each as large as train and drawn with replacement, and decompose its loss on test.

    Test rows, because boosting stops by validation; nothing is chosen by what is found.

    seconds: how long it may take; fewer resamplings are drawn then, and None is the answer where not even 4 fit. Raises Stopped.
    """
    problem = problem_of(data, ctx)
    x, y, held, _ = rows_of(data, problem, ctx)
    rows, truth = fed(data)(data.test.x[:MOST_ROWS]), np.asarray(data.test.y[:MOST_ROWS])
    answers: list[np.ndarray] = []
    begin = time.monotonic()
    for number in range(RESAMPLES):
        spent = time.monotonic() - begin
        if answers and seconds is not None and spent * (number + 1) / number > seconds:
            break
        with ctx.part(number / RESAMPLES, (number + 1) / RESAMPLES):
            ctx.report(0.0, f"bias and variance: {technique.label()}, resampling {number + 1} of {RESAMPLES}")
            own = replace(problem, seed=1_000_003 * (problem.seed + 1) % 2**31 + number)
            chosen = resampled(y, problem.classes, len(y), own.seed)
            kept, ctx.memory = ctx.memory, {}           # a member fitted to other rows must not be taken for one of these
            try:
                answers.append(technique.learn(x[chosen], y[chosen], held, own, ctx).scores(rows))
            finally:
                ctx.memory = kept
    if len(answers) < FEWEST:
        return None
    return decomposed(answers, truth, problem, (time.monotonic() - begin) / len(answers))


def decomposed(answers: Sequence[np.ndarray], truth: np.ndarray, problem: Problem, seconds: float) -> BiasVariance:
    """answers: (n, outputs) of each resampling.  truth: (n,) class numbers or amounts."""
    said = np.stack([whole(answer, problem.classes) for answer in answers])         # (resamples, n, classes or 1)
    aim = np.eye(problem.classes)[truth] if problem.classes else np.asarray(truth, np.float64)[:, None]
    bias, variance = parts(said, aim)
    bias_range, variance_range = ranges(said, aim) if len(said) >= FEWEST else (None, None)
    measure = "Brier score" if problem.classes else "squared error"
    how = (f"{len(answers)} resamplings of train with replacement, each fitted anew with a seed of its own; {measure} on the same "
           f"{len(truth):,} test rows")
    return BiasVariance(
        resamples=len(answers), rows=len(truth), measure=measure, loss=bias + variance, bias=bias,  # type: ignore[arg-type]
        variance=variance, bias_range=bias_range, variance_range=variance_range,
        zero_one=zero_one(said.argmax(axis=2), truth) if problem.classes else None, seconds=seconds, how=how)


def parts(said: np.ndarray, aim: np.ndarray) -> tuple[float, float]:
    """(bias, variance) of answers (resamples, n, outputs) to an aim (n, outputs)."""
    middle = said.mean(axis=0)
    variance = float(((said - middle) ** 2).sum(axis=2).mean()) * len(said) / (len(said) - 1)
    return float(((middle - aim) ** 2).sum(axis=1).mean()) - variance / len(said), variance


def ranges(said: np.ndarray, aim: np.ndarray) -> list[tuple[float, float]]:
    """95 % intervals of bias and variance over the resamplings, on the same rows: the jackknife, each resampling left out in turn.
    Tukey 1958; Efron 1981, doi:10.1093/biomet/68.3.589.
    """
    from scipy.stats import t

    count = len(said)
    without = np.array([parts(np.delete(said, number, axis=0), aim) for number in range(count)])
    spread = float(t.ppf(0.975, count - 1)) * np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return [(max(0.0, value - half), value + half) for value, half in zip(parts(said, aim), spread.tolist(), strict=True)]


def zero_one(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """(loss, bias, net variance) of labels (resamples, n); loss = bias + net variance.

    >>> zero_one(np.array([[0, 1], [0, 1], [1, 1]]), np.array([0, 0]))
    (0.6666666666666666, 0.5, 0.16666666666666663)
    """
    main = np.array([np.bincount(column).argmax() for column in labels.T])
    loss, bias = float((labels != truth).mean()), float((main != truth).mean())
    return loss, bias, loss - bias


def whole(answer: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes): the probability of the first class too, where only the second's is told."""
    answer = np.asarray(answer, np.float64)
    return np.hstack([1 - answer, answer]) if classes == 2 and answer.shape[1] == 1 else answer
