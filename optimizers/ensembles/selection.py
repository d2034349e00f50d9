"""Greedy ensemble selection: from a library of models, add the one that helps the mean most on validation, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.members import MEMBERS, Member, cost_of, fit_each, suited
from optimizers.ensembles.problem import Fitted, loss, mean
from optimizers.technique import param

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem


class Selection(Estimating):
    """A weighted mean of models, the weights found on validation, one step at a time and with replacement. Models the job has fitted
    already are taken as they are.
    """

    name: ClassVar[str] = "select"
    title: ClassVar[str] = "ensemble selection"
    paper: ClassVar[str] = "Caruana et al. 2004, doi:10.1145/1015330.1015432"

    members: tuple[Member, ...] = param("Library of models", tuple(MEMBERS), "The library it chooses from")
    steps: int = param("Steps", 25, "How often one is added", low=1, high=500, unit="steps", search=(10, 25, 50))

    def cost(self, rows: int, features: int, classes: int) -> float:
        return cost_of(self.members, rows, features, classes)

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        import numpy as np

        from optimizers.ensembles.graphs import mean_of

        names = suited(self.members, problem.classes)
        found = fit_each(names, x, y, held, problem, ctx, (0.0, 0.95))
        rows, aims = held if len(held[1]) else (x, y)
        counts = chosen([one.scores(rows) for one in found], aims, problem.classes, self.steps)
        kept = np.flatnonzero(counts)
        shares, used = counts[kept] / counts.sum(), [found[place] for place in kept]
        said = ", ".join(f"{names[place]} {share:.0%}" for place, share in zip(kept, shares))
        return Fitted(mean(used, shares), lambda: mean_of([one.graph() for one in used], shares, problem.features,
                                                             problem.outputs), (f"Weights found on validation: {said}.",))


def chosen(answers: list[np.ndarray], y: np.ndarray, classes: int, steps: int) -> np.ndarray:
    """(members,) how often each was added.  answers: (n, outputs) of each member.  The set that stood best at any step is returned.

    Judged by the mean log-loss for classes (smooth, so that small sets of rows decide less by luck) and the squared error for amounts.
    """
    import numpy as np

    counts = np.zeros((steps, len(answers)), np.int64)
    total, losses = np.zeros_like(answers[0], dtype=np.float64), []
    for step in range(steps):
        tried = [loss((total + answer) / (step + 1), y, classes) for answer in answers]
        best = int(np.argmin(tried))
        total += answers[best]
        counts[step] = counts[step - 1] if step else 0
        counts[step, best] += 1
        losses.append(tried[best])
    return counts[int(np.argmin(losses))]

