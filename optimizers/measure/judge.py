"""What a goal's metric is judged by: the labels of the rows, or the original's answers to the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from optimizers.goal import FIDELITY
from optimizers.measure import explain, fidelity, layer_noise, quality
from optimizers.measurement import Change, Measurement

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset
    from optimizers.measure.shipped import Shipped

HELD = 256 << 20        # bytes of the original's outputs that are kept; beyond that it answers again for each candidate
AT_ONCE = 32 << 20      # bytes of outputs in one turn


class Judge(Protocol):
    """answers: what a file says about a split, in the judge's own form; the first file asked is the original."""

    def answers(self, shipped: Shipped, split: str) -> Any: ...
    def score(self, split: str, answers: Any) -> float: ...
    def measurements(self, answers: Any, runtime: str) -> dict[str, Measurement]: ...
    def change(self, before: Any, after: Any) -> Change: ...
    def keeps(self, before: Any, after: Any, points: float) -> float: ...
    def details(self, shipped: Shipped, before: Any, after: Any) -> dict[str, Any]: ...
    def chance(self, score: float) -> bool: ...


def judge_of(data: Dataset, metric: str, seed: int = 0, explain_seconds: float = explain.SECONDS) -> Judge:
    return ByOriginal(data, metric, seed) if metric in FIDELITY else ByLabels(data, metric, seed, explain_seconds)


def measured_on(rows: int, runtime: str) -> str:
    return f"on {rows:,} test rows, of the file that ships, in {runtime}"


class ByLabels:
    """Answers are class numbers or values, held against the labels."""

    def __init__(self, data: Dataset, metric: str, seed: int, explain_seconds: float = explain.SECONDS) -> None:
        self.data, self.metric, self.seed, self.explain_seconds = data, metric, seed, explain_seconds
        self.outputs: dict[str, np.ndarray] = {}        # by split, of the file that answered last

    def truth(self, split: str) -> np.ndarray:
        return np.asarray(getattr(self.data, split).y)

    def answers(self, shipped: Shipped, split: str) -> np.ndarray:
        self.outputs[split] = shipped.predict(getattr(self.data, split).x)
        return quality.decide(self.outputs[split], self.data.task)

    def score(self, split: str, answers: np.ndarray) -> float:
        return quality.score(self.metric, self.truth(split), answers)

    def measurements(self, answers: np.ndarray, runtime: str) -> dict[str, Measurement]:
        return quality.quality(self.truth("test"), answers, self.data.task, measured_on(len(answers), runtime), self.seed)

    def change(self, before: np.ndarray, after: np.ndarray) -> Change:
        return quality.change(self.metric, self.truth("test"), before, after, self.seed)

    def keeps(self, before: np.ndarray, after: np.ndarray, points: float) -> float:
        return quality.keeps(self.metric, self.truth("validation"), before, after, points, self.seed)

    def details(self, shipped: Shipped, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        """Confusion and recall by class, for classes; of tables and estimators what explains them."""
        found = self.by_class(before, after) if self.data.task == "classification" else {}
        if explain.wanted(shipped, self.data):
            found |= explain.explain(shipped, self.data, self.metric, self.outputs["test"], measured_on(len(after), shipped.runtime),
                                     self.explain_seconds, self.seed)
        return found

    def by_class(self, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        y = self.truth("test")
        names = self.data.classes or tuple(str(label) for label in range(int(max(y.max(), after.max())) + 1))
        return {"confusion": quality.confusion(y, after, len(names)),
                "classes": () if before is after else quality.class_rows(y, before, after, names, self.seed)}

    def chance(self, score: float) -> bool:
        """Whether this is little better than guessing."""
        return self.data.task == "classification" and score < 1.5 / max(len(self.data.classes), 2)


class ByOriginal:
    """Answers are how alike each row's outputs are to those of the original, which is the first file that is asked."""

    def __init__(self, data: Dataset, metric: str, seed: int) -> None:
        self.data, self.metric, self.seed = data, metric, seed
        self.original: Shipped | None = None
        self.scores: tuple[int, ...] = ()
        self.step = 1
        self.held: dict[tuple[str, int], list[np.ndarray]] = {}

    def answers(self, shipped: Shipped, split: str) -> fidelity.Likeness:
        if self.original is None:
            self.become_original(shipped)
        x = getattr(self.data, split).x
        parts = []
        for start in range(0, len(x), self.step):
            before = self.reference(split, start)
            after = before if shipped is self.original else shipped.answers(x[start:start + self.step])
            parts.append(fidelity.compare(before, after, self.scores))
        return fidelity.joined(parts, shipped is self.original)

    def become_original(self, shipped: Shipped) -> None:
        first = shipped.answers(self.data.validation.x[:1])
        self.original, self.scores = shipped, fidelity.score_places(first, shipped.probable)
        few = int(max(1, min(64, AT_ONCE // max(1, sum(array.nbytes for array in first)))))
        self.step = max(len(self.data.validation), len(self.data.test)) if shipped.carried else few      # a sequence is never cut

    def reference(self, split: str, start: int) -> list[np.ndarray]:
        """The original's outputs for one turn of rows, kept while there is room."""
        if (split, start) in self.held:
            return self.held[split, start]
        assert self.original is not None
        outputs = self.original.answers(getattr(self.data, split).x[start:start + self.step])
        if sum(array.nbytes for kept in self.held.values() for array in kept) < HELD:
            self.held[split, start] = outputs
        return outputs

    def score(self, split: str, answers: fidelity.Likeness) -> float:
        return float(answers.values(self.metric).mean())

    def measurements(self, answers: fidelity.Likeness, runtime: str) -> dict[str, Measurement]:
        assert self.original is not None
        return fidelity.measurements(answers, self.original.outputs, measured_on(len(answers), runtime), self.seed)

    def change(self, before: fidelity.Likeness, after: fidelity.Likeness) -> Change:
        return fidelity.change(self.metric, after, self.seed)

    def keeps(self, before: fidelity.Likeness, after: fidelity.Likeness, points: float) -> float:
        return fidelity.keeps(self.metric, after, points, self.seed)

    def details(self, shipped: Shipped, before: fidelity.Likeness, after: fidelity.Likeness) -> dict[str, Any]:
        """SQNR by output, and by layer where both files have the layer."""
        if before is after or self.original is None:
            return {}
        layers, said = layer_noise.by_layer(self.original, shipped, self.data.validation.x)
        return {"fidelity": fidelity.rows(after, shipped.outputs, self.seed) + layers, "notes": said}

    def chance(self, score: float) -> bool:
        return False
