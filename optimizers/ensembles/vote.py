"""Soft voting: the mean of what different models answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.members import DEFAULT, Member, cost_of, fit_each, suited
from optimizers.ensembles.problem import Fitted, mean
from optimizers.technique import param

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem


class Voting(Estimating):
    """Different models, one mean: errors that they do not share cancel."""

    name: ClassVar[str] = "vote"
    title: ClassVar[str] = "voting"
    paper: ClassVar[str] = "Kittler et al. 1998, doi:10.1109/34.667881"

    members: tuple[Member, ...] = param("Members", DEFAULT, "Who votes")

    def cost(self, rows: int, features: int, classes: int) -> float:
        return cost_of(self.members, rows, features, classes)

    def label(self) -> str:
        return f"vote of {len(set(self.members))}"

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        import numpy as np

        from optimizers.ensembles.graphs import mean_of

        names = suited(self.members, problem.classes)
        found = fit_each(names, x, y, held, problem, ctx)
        shares = np.full(len(found), 1 / len(found))
        return Fitted(mean(found, shares), lambda: mean_of([one.graph() for one in found], shares, problem.features,
                                                              problem.outputs), (f"Votes: {', '.join(names)}.",))
