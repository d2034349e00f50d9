"""Bagging: the same kind of model on many resamplings of the rows, averaged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from optimizers.ensembles.base import TITLES, BaseModel, Kind
from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.problem import Fitted, mean
from optimizers.technique import param

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem


class Bagging(Estimating):
    """The mean of one kind of model over resampled rows. Lowers the variance of models that have much of it; bias stays as it is."""

    name: ClassVar[str] = "bag"
    title: ClassVar[str] = "bagging"
    paper: ClassVar[str] = "Breiman 1996, doi:10.1007/BF00058655"

    kind: Kind = param("What is bagged", "tree", "What is bagged", search=("tree", "small-network"))
    members: int = param("Members", 25, "How many", low=2, high=500, unit="models", search=(10, 25, 50))
    share: float = param("Share of the rows", 1.0, "Rows each one is given, drawn with replacement, as a share of all", low=0.05, high=1.0,
                         unit="fraction", search=(0.5, 1.0))
    depth: int = param("Deepest tree", 0, "Of trees, most splits from root to leaf; 0 does not bound it", low=0, high=64, unit="levels",
                       search=(0, 8))

    def one(self) -> BaseModel:
        return BaseModel(kind=self.kind, depth=self.depth)

    def cost(self, rows: int, features: int, classes: int) -> float:
        return self.members * self.one().cost(int(rows * self.share), features, classes)

    def label(self) -> str:
        return f"bagged {TITLES[self.kind].removeprefix('one ')}s" if self.kind == "tree" else f"bagged {TITLES[self.kind]}"

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        import numpy as np

        from optimizers.ensembles.graphs import mean_of
        from optimizers.ensembles.problem import resampled
        from optimizers.models.trees_onnx import graph_of, trees_of

        found = []
        for number in range(self.members):
            own = replace(problem, seed=problem.seed * 1000 + number)
            rows = resampled(y, problem.classes, max(2, round(self.share * len(y))), own.seed)
            with ctx.part(number / self.members, (number + 1) / self.members):
                found.append(self.one().learn(x[rows], y[rows], held, own, ctx))
        shares = np.full(len(found), 1 / len(found))
        notes = (f"{self.members} models, each on its own resampling of the rows.",)
        if self.kind != "tree":
            return Fitted(mean(found, shares), lambda: mean_of([one.graph() for one in found], shares, problem.features, problem.outputs),
                          notes)
        from optimizers.models.trees import gathered

        grown = [trees_of(one.graph().graph.node[0], problem.features) for one in found]
        whole = gathered([replace(one, values=one.values / np.float32(len(grown)), base=one.base / np.float32(len(grown)))
                          for one in grown])
        return Fitted(whole.predict, lambda: graph_of(whole), notes)

