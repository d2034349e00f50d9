"""How good the outputs are: top-1, macro F1, R², each with an interval, and what changed against the baseline on the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizers.candidate import ClassRow
from optimizers.errors import OptimizerError
from optimizers.goal import METRICS
from optimizers.measure import statistics
from optimizers.measurement import Change, Measurement

OF_TASK = {"classification": ("top1", "macro_f1"), "regression": ("r2",)}
ROUNDING = 1e-5         # what a sum of float32 shares may be over one
UNITS = {"top1": "fraction", "macro_f1": "fraction", "r2": ""}      # R² has none: it is no share of the rows


def decide(outputs: np.ndarray, task: str) -> np.ndarray:
    """Class numbers (n,) int64, or values (n,) float64. outputs: (n, classes); one column of scores means two classes.

    Raises OptimizerError where an output is not a number: a broken network must not pass as a bad one.

    >>> decide(np.array([[0.1, 0.9], [0.8, 0.2]]), "classification")
    array([1, 0])
    """
    outputs = np.asarray(outputs).reshape(len(outputs), -1)
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs)).any(axis=1).sum())
        raise OptimizerError(f"{bad:,} of {len(outputs):,} outputs are not finite numbers.", "the network's output",
                             "Check the preprocessing, and whether the network was trained to convergence.", "not-finite")
    if task == "regression":
        return outputs[:, 0].astype(np.float64)
    if outputs.shape[1] == 1:
        probability = outputs.min() >= 0 and outputs.max() <= 1 + ROUNDING
        return (outputs[:, 0] > (0.5 if probability else 0.0)).astype(np.int64)
    return outputs.argmax(axis=1).astype(np.int64)


def score(metric: str, y: np.ndarray, answers: np.ndarray) -> float:
    """The metric over (n,) true and given answers, as a fraction; 1.0 is perfect."""
    kinds, counts = tabulate(metric, y, answers)
    return float(evaluate(metric, kinds, counts[None, :], 1)[0])


def tabulate(metric: str, y: np.ndarray, *answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (truth, answer, ...) that differ and their counts; for numbers each row is its own kind."""
    if metric == "r2":
        return np.stack([y, *answers], axis=1).astype(np.float64), np.ones(len(y), np.int64)
    return statistics.kinds_of(np.asarray(y, np.int64), *answers)


def evaluate(metric: str, kinds: np.ndarray, weights: np.ndarray, column: int) -> np.ndarray:
    """The metric for each row of weights. kinds: (k, 2 or more), truth first.  weights: (m, k) counts.  column: of the answers."""
    truth, answer = kinds[:, 0], kinds[:, column]
    total = weights.sum(axis=1)
    if metric == "top1":
        return weights @ (truth == answer) / total
    if metric == "r2":
        mean = weights @ truth / total
        spread = weights @ truth**2 - total * mean**2
        return 1 - weights @ (truth - answer) ** 2 / np.where(spread > 0, spread, np.nan)
    return macro_f1(truth, answer, weights)


def macro_f1(truth: np.ndarray, answer: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur (as truth or answer) of 2 hits / (truths + answers).  weights: (m, k).  Returns (m,)."""
    scores = np.zeros(len(weights))
    present = np.zeros(len(weights))
    for label in np.unique(truth):
        hits = weights @ ((truth == label) & (answer == label))
        seen = weights @ (truth == label).astype(np.int64) + weights @ (answer == label).astype(np.int64)
        scores += np.divide(2 * hits, seen, out=np.zeros(len(weights)), where=seen > 0)
        present += seen > 0
    return scores / np.maximum(present, 1)


def quality(y: np.ndarray, answers: np.ndarray, task: str, what: str, seed: int = 0) -> dict[str, Measurement]:
    """Every metric of the task with a bootstrap interval. what: which rows, and of which file, for `how`."""
    found = {}
    for metric in OF_TASK[task]:
        kinds, counts = tabulate(metric, y, answers)
        samples = statistics.resample(counts, lambda w, m=metric, k=kinds: evaluate(m, k, w, 1), draws_for(counts), seed)
        low, high = statistics.interval(samples[np.isfinite(samples)])
        found[metric] = Measurement(value=float(evaluate(metric, kinds, counts[None, :], 1)[0]), unit=UNITS[metric], origin="measured",
                                    low=low, high=high, n=len(y), how=f"{METRICS[metric]} {what}; 95 % bootstrap interval over the rows")
    return found


def change(metric: str, y: np.ndarray, before: np.ndarray, after: np.ndarray, seed: int = 0) -> Change:
    """after - before in points over the same rows, with a paired bootstrap interval and what it says."""
    value, samples = differences(metric, y, before, after, seed)
    low, high = statistics.interval(samples)
    return Change(value=value, low=low, high=high, n=len(y),
                  verdict=statistics.verdict(low, high),  # type: ignore[arg-type]
                  how=f"{METRICS[metric]} on the same {len(y):,} test rows; 95 % paired bootstrap interval")


def keeps(metric: str, y: np.ndarray, before: np.ndarray, after: np.ndarray, points: float, seed: int = 0) -> float:
    """Share of paired resamplings of the rows in which no more than `points` are lost."""
    return float((differences(metric, y, before, after, seed)[1] >= -points - 1e-7).mean())


def differences(metric: str, y: np.ndarray, before: np.ndarray, after: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """after - before in points: the value, and (draws,) of it over resampled rows."""
    kinds, counts = tabulate(metric, y, before, after)

    def difference(weights: np.ndarray) -> np.ndarray:
        return 100 * (evaluate(metric, kinds, weights, 2) - evaluate(metric, kinds, weights, 1))

    samples = statistics.resample(counts, difference, draws_for(counts), seed)
    return float(difference(counts[None, :])[0]), samples[np.isfinite(samples)]


def draws_for(counts: np.ndarray) -> int:
    """Fewer draws where each row is its own kind, so that an interval stays under a second or so."""
    return statistics.DRAWS if len(counts) < 5000 else 500


def class_rows(y: np.ndarray, before: np.ndarray, after: np.ndarray, names: Sequence[str], seed: int = 0) -> tuple[ClassRow, ...]:
    """Recall of each class that has test rows, before and after, with the paired interval of the change in points."""
    rows = []
    for label, name in enumerate(names):
        if not (mine := y == label).any():
            continue
        was, now = before[mine] == label, after[mine] == label
        _, low, high = statistics.paired_difference(was, now, seed=seed)
        rows.append(ClassRow(name=name, n=int(mine.sum()), before=float(was.mean()), after=float(now.mean()),
                             low=100 * low, high=100 * high))
    return tuple(rows)


def confusion(y: np.ndarray, answers: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    """Counts: rows are the true class, columns the answer.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    ((1, 1), (0, 1))
    """
    table = np.bincount(np.asarray(y, np.int64) * classes + np.clip(answers, 0, classes - 1), minlength=classes * classes)
    return tuple(tuple(int(count) for count in row) for row in table.reshape(classes, classes))
