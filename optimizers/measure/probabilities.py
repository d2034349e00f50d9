"""What scores of classes are worth beyond the class they decide for: how they fall, and how well they rank and how honest they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizers.candidate import Scores
from optimizers.measurement import Measurement

BINS = 200
MOST_CLASSES = 20
LEAST = 1e-7            # a probability is never taken for less when its logarithm is asked


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """(n, classes) that add up to one. outputs: (n, classes) of probabilities or logits; one column speaks for the second of two classes.

    >>> probabilities(np.array([[0.25], [0.75]])).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    outputs = np.asarray(outputs, np.float64).reshape(len(outputs), -1)
    if outputs.shape[1] == 1:
        inside = outputs.min(initial=0) >= 0 and outputs.max(initial=0) <= 1
        second = outputs if inside else 1 / (1 + np.exp(-np.clip(outputs, -500, 500)))
        return np.hstack([1 - second, second])
    if outputs.min(initial=0) >= -1e-3 and np.abs(outputs.sum(axis=1) - 1).max(initial=0) < 1e-2:
        outputs = np.clip(outputs, 0, 1)
        return outputs / outputs.sum(axis=1, keepdims=True)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def histograms(p: np.ndarray, y: np.ndarray, names: Sequence[str]) -> tuple[Scores, ...]:
    """Of two classes the second alone; of more than MOST_CLASSES those with most rows. p (n, classes), y (n,)."""
    classes = [1] if p.shape[1] == 2 else sorted(np.argsort(-np.bincount(y, minlength=p.shape[1]), kind="stable")[:MOST_CLASSES])
    found = []
    for label in classes:
        place, mine = np.minimum((p[:, label] * BINS).astype(np.int64), BINS - 1), y == label
        of_it, of_others = (tuple(np.bincount(place[rows], minlength=BINS).tolist()) for rows in (mine, ~mine))
        found.append(Scores(name=names[label], of_it=of_it, of_others=of_others))
    return tuple(found)


def measurements(p: np.ndarray, y: np.ndarray, what: str) -> dict[str, Measurement]:
    """auc, brier and log_loss of (n, classes) probabilities; auc only where a class has rows of it and others.

    what: which rows, of which file, for `how`.
    """
    found = {}
    truth = np.eye(p.shape[1])[y]
    if told := auc(p, y):
        value, low, high = told
        which = "of the second class" if p.shape[1] == 2 else "of each class against the rest, mean over classes"
        found["auc"] = Measurement(value=value, unit="", origin="measured", low=low, high=high, n=len(y),
                                   how=f"Area under the ROC curve {which}, {what}; 95 % interval by DeLong 1988")
    rows = {"brier": ((p - truth) ** 2).sum(axis=1), "log_loss": -np.log(np.maximum((p * truth).sum(axis=1), LEAST))}
    words = {"brier": "Squared distance of the probabilities to the true class, summed over classes (Brier 1950)",
             "log_loss": "Mean of minus the logarithm of the true class's probability"}
    for name, values in rows.items():
        half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
        middle = float(values.mean())
        found[name] = Measurement(value=middle, unit="nats" if name == "log_loss" else "", origin="measured", low=max(0.0, middle - half),
                                  high=middle + half, n=len(y), how=f"{words[name]}, {what}; 95 % interval of a mean over the rows")
    return found


def auc(p: np.ndarray, y: np.ndarray) -> tuple[float, float, float] | None:
    """Chance that a row of a class scores higher than a row of another, mean over classes, and its 95 % interval.

    By placements of the rows, DeLong et al. 1988, doi:10.2307/2531595; a row's parts in all classes are added before they are squared, as
    they move together. None where no class has both rows that are of it and rows that are not.

    >>> auc(np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]), np.array([0, 0, 1, 1]))[0]
    0.75
    """
    from scipy.stats import rankdata

    values, parts = [], np.zeros(len(y))
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    for label in classes:
        mine = y == label
        of, against = int(mine.sum()), int((~mine).sum())
        if not of or not against:
            continue
        ranks, own = rankdata(p[:, label]), np.empty(len(y))
        own[mine], own[~mine] = rankdata(p[mine, label]), rankdata(p[~mine, label])
        below = np.where(mine, (ranks - own) / against, 1 - (ranks - own) / of)       # share of the other kind on the right side of a row
        values.append(float(below[mine].mean()))
        parts += (below - values[-1]) / np.where(mine, of, against)
    if not values:
        return None
    middle, half = float(np.mean(values)), 1.96 * float(np.sqrt((parts**2).sum())) / len(values)
    return middle, max(0.0, middle - half), min(1.0, middle + half)


def sampled(rows: int, most: int, seed: int) -> np.ndarray:
    """At most `most` row numbers, ascending, drawn without replacement."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])
