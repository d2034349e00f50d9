"""What a learner is asked, and what it answers: shared by every way to fit an estimator.

numpy is loaded inside functions: forms and plans are made of the techniques that import this, and need none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx


@dataclass(frozen=True)
class Problem:
    """classes: how many, 0 for amounts.  features: width of a row.  seed, threads: of everything that is drawn and run."""

    classes: int
    features: int
    seed: int = 0
    threads: int = 1

    @property
    def outputs(self) -> int:
        """Columns of an answer: a probability for each class, of the second alone where there are two, or one amount."""
        return self.classes if self.classes > 2 else 1


@dataclass(frozen=True)
class Fitted:
    """scores: rows (n, features) float32 -> (n, outputs) float32, as the library that fitted it answers.

    graph: the same as an ONNX model from "input" to "output".  notes: sentences for the candidate's page.
    """

    scores: Callable[[np.ndarray], np.ndarray]
    graph: Callable[[], onnx.ModelProto]
    notes: tuple[str, ...] = ()


def mean(fitted: Sequence[Fitted], shares: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Scores of a weighted mean.  shares (members,): sum to one."""
    def scores(rows: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.sum([share * one.scores(rows) for share, one in zip(shares, fitted)], axis=0).astype(np.float32)

    return scores


def told(probabilities: np.ndarray, classes: int, known: np.ndarray | None = None) -> np.ndarray:
    """(n, outputs) of a library's answer: every class in its column, the second alone where there are two, amounts as they are.

    known: the classes that the columns stand for, where the learner saw fewer than there are.
    """
    import numpy as np

    found = np.asarray(probabilities, np.float32).reshape(len(probabilities), -1)
    if not classes:
        return found
    if known is not None and len(known) < classes:
        full = np.zeros((len(found), classes), np.float32)
        full[:, known] = found
        found = full
    return found[:, 1:] if classes == 2 and found.shape[1] == 2 else found


def resampled(y: np.ndarray, classes: int, rows: int, seed: int) -> np.ndarray:
    """(about rows,) row numbers drawn with replacement; of each class its share, at least one, so that no class is lost."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if not classes:
        return rng.integers(0, len(y), rows)
    found = []
    for label in np.unique(y):
        mine = np.flatnonzero(y == label)
        found.append(rng.choice(mine, max(1, round(rows * len(mine) / len(y)))))
    return np.sort(np.concatenate(found))


def loss(answer: np.ndarray, y: np.ndarray, classes: int) -> float:
    """Mean over rows: -log of the true class's probability, or the squared error."""
    import numpy as np

    if not classes:
        return float(np.mean((answer[:, 0] - y) ** 2))
    right = answer[np.arange(len(y)), y] if classes > 2 else np.where(y == 1, answer[:, 0], 1 - answer[:, 0])
    return float(-np.log(np.clip(right, 1e-6, 1)).mean())
