"""Stacking: a linear model learns how much to believe each member, from answers about rows that the member had not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.members import DEFAULT, MEMBERS, Member, cost_of, fit_each, suited
from optimizers.ensembles.problem import Fitted
from optimizers.technique import param

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem


class Stacking(Estimating):
    """Members, and a linear model over their out-of-fold answers; more layers let members see what the layer before answered."""

    name: ClassVar[str] = "stack"
    title: ClassVar[str] = "stacking"
    paper: ClassVar[str] = "Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; Breiman 1996, doi:10.1007/BF00117832"

    members: tuple[Member, ...] = param("Members", DEFAULT, "The members of each layer")
    layers: int = param("Layers", 1, "How many layers of members", low=1, high=3, unit="layers", search=(1, 2))
    parts: int = param("Folds", 5, "Parts that out-of-fold answers are made by", low=2, high=20, unit="folds", search=(3, 5))

    def cost(self, rows: int, features: int, classes: int) -> float:
        return self.layers * (self.parts + 1) * cost_of(self.members, rows, features, classes)

    def label(self) -> str:
        return f"stack of {len(set(self.members))}" + (f" in {self.layers} layers" if self.layers > 1 else "")

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        import numpy as np

        from optimizers.ensembles import base_work, graphs
        from optimizers.ensembles.base import BaseModel

        names, parts = suited(self.members, problem.classes), folded(y, problem.classes, self.parts, problem.seed)
        layers: list[list[Fitted]] = []
        wide, seen = x, held[0]
        for depth in range(self.layers):
            own = replace(problem, features=wide.shape[1])
            with ctx.part(depth / self.layers, (depth + 1) / self.layers, 1 / (self.layers - depth)):
                out = self.out_of_fold(names, wide, y, (seen, held[1]), parts, own, ctx)
                whole = fit_each(names, wide, y, (seen, held[1]), own, ctx, (self.parts / (self.parts + 1), 1.0))
            layers.append(whole)
            wide, seen = np.hstack([x, out]), np.hstack([held[0], *(one.scores(seen) for one in whole)]) if len(held[1]) else held[0]
        last = base_work.linear(BaseModel(kind="linear", pull=0.1), out, y, replace(problem, features=out.shape[1]))

        def scores(rows: np.ndarray) -> np.ndarray:
            at = rows
            for members in layers:
                answers = np.hstack([one.scores(at) for one in members])
                at = np.hstack([rows, answers])
            return last.scores(answers)

        def graph():
            gemm = {tensor.name: tensor for tensor in last.graph().graph.initializer}
            from onnx import numpy_helper

            kernel, bias = (numpy_helper.to_array(gemm[f"layer0.{name}"]) for name in ("weight", "bias"))
            return graphs.stack_of([[one.graph() for one in members] for members in layers], (kernel, bias, base_work.link_of(problem)),
                                   problem.features)

        return Fitted(scores, graph, (f"Members: {', '.join(names)}; {self.parts} folds.",))

    def out_of_fold(self, names: list[Member], x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], parts: np.ndarray,
                    problem: Problem, ctx: Context) -> np.ndarray:
        """(n, members * outputs) answers about each row by members that did not learn from it; rows of part -1 are learned from always
        and answered by the first part's members, which did: they are the few of a class with fewer rows than there are folds.
        """
        import numpy as np

        found = np.zeros((len(x), len(names) * problem.outputs), np.float32)
        for part in range(self.parts):
            with ctx.part(part / (self.parts + 1), (part + 1) / (self.parts + 1), 1 / (self.parts + 1 - part)):
                kept, asked = parts != part, (parts == part) | ((parts == -1) & (part == 0))
                if not asked.any():         # so few rows that no class fills the parts
                    continue
                for place, name in enumerate(names):
                    ctx.report(place / len(names), f"{MEMBERS[name].label()}, fold {part + 1} of {self.parts}")
                    fitted = MEMBERS[name].learn(x[kept], y[kept], held, problem, ctx)
                    found[asked, place * problem.outputs:(place + 1) * problem.outputs] = fitted.scores(x[asked])
        return found


def folded(y: np.ndarray, classes: int, folds: int, seed: int) -> np.ndarray:
    """(n,) the part of each row, each class spread evenly; -1 for rows of a class with fewer rows than folds."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if not classes:
        return rng.permutation(len(y)) % folds
    parts = np.full(len(y), -1)
    for label in np.unique(y):
        mine = rng.permutation(np.flatnonzero(y == label))
        if len(mine) >= folds:
            parts[mine] = (np.arange(len(mine)) + rng.integers(folds)) % folds
    return parts
