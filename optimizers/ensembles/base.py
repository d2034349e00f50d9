"""Base models: one tree, a linear model, nearest neighbours, a small network. Alone, or what bags, votes and stacks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.problem import Fitted
from optimizers.technique import param

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem

Kind = Literal["tree", "linear", "neighbours", "small-network"]
TITLES: dict[Kind, str] = {"tree": "one tree", "linear": "linear model", "neighbours": "nearest neighbours",
                           "small-network": "small network"}


class BaseModel(Estimating):
    """One simple model: easy to read and small, and the measure of what an ensemble of many buys."""

    name: ClassVar[str] = "base-model"
    title: ClassVar[str] = "base model"
    paper: ClassVar[str] = "Breiman et al. 1984 (trees); Cover and Hart 1967 (neighbours), doi:10.1109/TIT.1967.1053964"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("least", "k", "most_rows", "units", "epochs", "pull")}

    kind: Kind = param("Kind of model", "tree", "Which one", search=("tree", "linear", "neighbours", "small-network"))
    depth: int = param("Deepest tree", 0, "Of a tree, most splits from root to leaf; 0 does not bound it", low=0, high=64, unit="levels",
                       search=(0, 5, 10))
    least: int = param("Fewest rows at a leaf", 1, "Of a tree, fewest rows at a leaf", low=1, high=10_000, unit="rows", search=(1, 5, 20))
    k: int = param("Neighbours", 5, "How many neighbours answer", low=1, high=200, unit="rows", search=(1, 5, 15))
    most_rows: int = param("Most rows to look among", 5000, "Most rows that neighbours are looked for among: all of them ship", low=10,
                           high=100_000, unit="rows")
    units: int = param("Hidden units", 64, "Of the small network, units of its hidden layer", low=1, high=1024, unit="units",
                       search=(32, 64, 128))
    epochs: int = param("Most epochs", 60, "Of the small network, most passes over the rows", low=1, high=1000, unit="epochs")
    pull: float = param("Weight decay", 1.0, "Of linear models, pull of weights towards zero (L2), a pure number", low=0.0001,
                        high=10_000.0, search=(0.1, 1.0, 10.0))

    def cost(self, rows: int, features: int, classes: int) -> float:
        return {"tree": 1.5e-7 * rows * features, "linear": 4e-7 * rows * features * max(1, classes - 1),
                "neighbours": 1e-8 * min(rows, self.most_rows) * features,
                "small-network": self.epochs * rows * (2e-9 * features * self.units + 1e-5)}[self.kind]

    def label(self) -> str:
        return TITLES[self.kind]

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        from optimizers.ensembles import base_work

        ctx.report(0.1, TITLES[self.kind])
        return getattr(base_work, self.kind.replace("-", "_"))(self, x, y, problem)
