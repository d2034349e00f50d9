"""How faithful a candidate is to the original on the same rows: no labels are needed, only rows.

Each row has its own value, so that intervals come from resampling rows:
    agreement   share of the arg-maxes that are the original's, over every output that looks like class scores; a single probability
                decides at 0.5
    cosine      cosine similarity of an output with the original's, each output as one vector; mean over the outputs
and over all rows, for each output,
    SQNR        10 log10 of signal power over error power, in decibel: signal is the original's output, error the difference
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizers.candidate import Fidelity
from optimizers.errors import OptimizerError
from optimizers.goal import METRICS
from optimizers.measure import statistics
from optimizers.measure.quality import draws_for
from optimizers.measurement import Change, Measurement
from optimizers.models.scores import looks_like_scores

BY_DEFINITION = "1 by definition: it is what the others are compared with"


@dataclass(frozen=True)
class Likeness:
    """agreement: (n,) or None where no output looks like class scores.  cosine, signal, error: (n, outputs).

    original: it is the original itself, whose likeness is 1 by definition.
    """

    agreement: np.ndarray | None
    cosine: np.ndarray
    signal: np.ndarray
    error: np.ndarray
    original: bool = False

    def __len__(self) -> int:
        return len(self.cosine)

    def values(self, metric: str) -> np.ndarray:
        """(n,): the metric of each row, 1 where it answers as the original does. Raises OptimizerError where there is none."""
        if metric == "cosine":
            return self.cosine.mean(axis=1)
        if self.agreement is None:
            raise OptimizerError("No output looks like class scores, so there is no arg-max to agree on.", "goal.metric",
                                 "Use cosine.", "no-scores")
        return self.agreement

    def metrics(self) -> tuple[str, ...]:
        return ("cosine",) if self.agreement is None else ("agreement", "cosine")


def compare(before: Sequence[np.ndarray], after: Sequence[np.ndarray], scores: Sequence[int]) -> Likeness:
    """before, after: outputs of the original and of the candidate, (n, ...) each, in the same order.  scores: places of class scores.

    Raises OptimizerError where shapes differ or an output is not a number.
    """
    cosine, signal, error, same = [], [], [], []
    for place, (a, b) in enumerate(zip(before, after, strict=True)):
        if a.shape != b.shape:
            raise OptimizerError(f"Output {place + 1} has shape {b.shape}, the original's has {a.shape}: they cannot be compared.",
                                 "the network's output", "Export it with outputs of fixed size.", "outputs-differ")
        if place in scores:
            same.append((decided(a) == decided(b)).reshape(len(a), -1).mean(axis=1))
        a, b = (finite(array).reshape(len(array), -1).astype(np.float64) for array in (a, b))
        signal.append((a * a).sum(axis=1))
        error.append(((a - b) ** 2).sum(axis=1))
        cosine.append(cosines(a, b))
    return Likeness(np.mean(same, axis=0) if same else None, np.stack(cosine, axis=1), np.stack(signal, axis=1), np.stack(error, axis=1))


def decided(array: np.ndarray) -> np.ndarray:
    """The class each row of scores is for; of one probability, whether it is above 0.5.

    >>> decided(np.array([[0.2, 0.8]])).tolist(), decided(np.array([[0.5], [0.6]])).tolist()
    ([1], [False, True])
    """
    return array.argmax(axis=-1) if array.shape[-1] > 1 else array[..., 0] > 0.5


def finite(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise OptimizerError("An output holds NaN or infinite values.", "the network's output",
                             "Check the preprocessing, and whether the network's own outputs are finite.", "not-finite")
    return array


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) for (n, k) each; two rows of zeros are alike, one of them alone is not.

    >>> cosines(np.array([[1.0, 0], [0, 0], [0, 0]]), np.array([[1.0, 1], [0, 0], [1, 0]])).round(3).tolist()
    [0.707, 1.0, 0.0]
    """
    lengths = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    both = (a == b).all(axis=1)
    found = np.divide((a * b).sum(axis=1), lengths, out=np.zeros(len(a)), where=lengths > 0)
    return np.where(both, 1.0, np.minimum(found, 1.0))


def joined(parts: Sequence[Likeness], original: bool = False) -> Likeness:
    """The rows of all parts, in order."""
    told = [part.agreement for part in parts if part.agreement is not None]
    cosine, signal, error = (np.concatenate([getattr(part, name) for part in parts]) for name in ("cosine", "signal", "error"))
    return Likeness(np.concatenate(told) if told else None, cosine, signal, error, original)


def score_places(outputs: Sequence[np.ndarray], probable: Sequence[int] = ()) -> tuple[int, ...]:
    """Places of the outputs that decide something. probable: of those that a sigmoid made; they count where each is one number."""
    return tuple(place for place, array in enumerate(outputs)
                 if looks_like_scores(array) or (place in probable and array.ndim > 1 and array.shape[-1] == 1))


def measurements(found: Likeness, names: Sequence[str], what: str, seed: int) -> dict[str, Measurement]:
    """agreement, cosine and sqnr_db (of the output that has least) with bootstrap intervals. what: which rows, for `how`."""
    made = {}
    for metric in found.metrics():
        value, low, high = mean_interval(found.values(metric), seed)
        how = f"{METRICS[metric]} {what}; 95 % bootstrap interval over the rows"
        made[metric] = Measurement(value=value, unit="fraction", origin="measured", low=low, high=high, n=len(found),
                                   how=f"{METRICS[metric]}: {BY_DEFINITION}" if found.original else how)
    noisy = [row for row in rows(found, names, seed) if row.sqnr_db is not None]
    if noisy:
        worst = min(noisy, key=lambda row: row.sqnr_db or 0.0)
        made["sqnr_db"] = Measurement(value=worst.sqnr_db or 0.0, unit="dB", origin="measured", low=worst.low, high=worst.high,
                                      n=len(found), how=f"Signal over error power of the output '{worst.name}', which has least, {what}")
    return made


def rows(found: Likeness, names: Sequence[str], seed: int = 0) -> tuple[Fidelity, ...]:
    """One for each output: SQNR with its interval, cosine."""
    made = []
    for place, name in enumerate(names):
        value, low, high = sqnr_interval(found.signal[:, place], found.error[:, place], seed)
        made.append(Fidelity(place="output", name=name[:200], sqnr_db=value, low=low, high=high, n=len(found),
                             cosine=float(found.cosine[:, place].mean())))
    return tuple(made)


def sqnr(signal: float, error: float) -> float | None:
    """Decibel; None where there is no error at all, or no signal.

    >>> sqnr(100.0, 1.0), sqnr(1.0, 0.0)
    (20.0, None)
    """
    return float(10 * np.log10(signal / error)) if signal > 0 and error > 0 else None


def sqnr_interval(signal: np.ndarray, error: np.ndarray, seed: int) -> tuple[float | None, float | None, float | None]:
    """SQNR over the rows, and its bootstrap interval. signal, error: (n,)."""
    value = sqnr(float(signal.sum()), float(error.sum()))
    if value is None:
        return None, None, None
    counts = np.ones(len(signal), np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):     # a draw of rows without error
        samples = statistics.resample(counts, lambda w: 10 * np.log10(w @ signal / (w @ error)), draws_for(counts), seed)
    samples = samples[np.isfinite(samples)]
    return value, *(statistics.interval(samples) if len(samples) else (None, None))


def mean_interval(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Mean of (n,) values and its bootstrap interval."""
    return float(values.mean()), *statistics.interval(resampled(values, seed))


def resampled(values: np.ndarray, seed: int) -> np.ndarray:
    """Means over resampled rows; rows with the same value are counted together."""
    kinds, counts = np.unique(values, return_counts=True)
    return statistics.resample(counts, lambda w: w @ kinds / len(values), draws_for(counts), seed)


def change(metric: str, found: Likeness, seed: int) -> Change:
    """What is missing to the original's 1, in points, paired row by row as every row of the original has 1."""
    value, low, high = mean_interval(100 * (found.values(metric) - 1), seed)
    return Change(value=value, low=low, high=high, n=len(found), verdict=statistics.verdict(low, high),  # type: ignore[arg-type]
                  how=f"{METRICS[metric]} on the same {len(found):,} test rows, against 1; 95 % paired bootstrap interval")


def keeps(metric: str, found: Likeness, points: float, seed: int) -> float:
    """Share of resamplings of the rows in which no more than `points` are lost."""
    return float((100 * (resampled(found.values(metric), seed) - 1) >= -points - 1e-7).mean())
