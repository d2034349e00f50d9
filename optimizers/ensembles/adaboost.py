"""AdaBoost: trees grown one after another, each on rows weighted by how the ones before it failed on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from optimizers import refusals
from optimizers.ensembles.estimating import Estimating, watching
from optimizers.ensembles.problem import Fitted, loss
from optimizers.errors import Refusal
from optimizers.technique import param

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem
    from optimizers.models.trees import Trees


class AdaBoosting(Estimating):
    """A weighted vote of trees, for classes (SAMME). Deep trees in it are strong on clean data; wrong labels mislead it."""

    name: ClassVar[str] = "adaboost"
    title: ClassVar[str] = "AdaBoost"
    paper: ClassVar[str] = "Freund and Schapire 1997, doi:10.1006/jcss.1997.1504; Zhu et al. 2009 (SAMME), doi:10.4310/SII.2009.v2.n3.a8"

    trees: int = param("Most trees", 100, "Most trees; it ends sooner when one makes no mistake", low=1, high=5000, unit="trees",
                       search=(50, 100, 300))
    depth: int = param("Deepest tree", 8, "Most splits from root to leaf, halved while one tree alone makes no mistake; 1 grows stumps",
                       low=1, high=64, unit="levels", search=(1, 3, 8, 12))
    rate: float = param("Learning rate", 1.0, "Share of each tree's vote that counts", low=0.01, high=2.0, unit="fraction",
                        search=(0.3, 1.0))

    def refuse(self, model, dataset, device) -> Refusal | None:
        if dataset is not None and dataset.task == "regression":
            return refusals.only_classes("AdaBoost's vote", "boost")
        return super().refuse(model, dataset, device)

    def cost(self, rows: int, features: int, classes: int) -> float:
        return self.trees * (0.002 + 1.2e-8 * rows * features * self.depth**0.8)

    def label(self) -> str:
        return "AdaBoost" if self.depth > 1 else "AdaBoost of stumps"

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        from sklearn.ensemble import AdaBoostClassifier
        from sklearn.tree import DecisionTreeClassifier

        from optimizers.models.trees_onnx import graph_of
        from optimizers.models.trees_sklearn import adaboost

        depth = self.depth
        while depth > 1 and DecisionTreeClassifier(max_depth=depth, random_state=problem.seed).fit(x, y).score(x, y) == 1:
            depth //= 2                 # boosting ends at a tree without mistakes, and an ensemble of one is none
        watch = watching(ctx, self.trees, f"tree of {depth} levels")

        class Watched(AdaBoostClassifier):
            def _boost(self, number, rows, labels, weight, state):
                if number and watch(number):
                    return None, None, None             # scikit-learn's own way to end
                return super()._boost(number, rows, labels, weight, state)

        model = Watched(DecisionTreeClassifier(max_depth=depth), n_estimators=self.trees, learning_rate=self.rate,
                        random_state=problem.seed).fit(x, y)
        trees, sharper = sharpened(adaboost(model, problem.classes, problem.features), held, problem.classes)
        notes = (f"{len(trees.roots):,} trees of at most {depth} levels vote.",
                 f"The vote is made {sharper:.3g} times as decided, as validation's log-loss asks: votes alone are no probabilities.")
        return Fitted(trees.predict, lambda: graph_of(trees), notes)


def sharpened(trees: Trees, held: tuple[np.ndarray, np.ndarray], classes: int) -> tuple[Trees, float]:
    """The same trees with sums times the factor of least log-loss on held rows (temperature scaling, Guo et al. 2017, arXiv:1706.04599);
    the winner of no row changes.
    """
    import numpy as np

    from optimizers.models.trees import linked

    if not len(held[1]):
        return trees, 1.0
    raw = trees.raw(held[0])
    factors = [2 ** (step / 4) for step in range(33)]
    best = min(factors, key=lambda factor: loss(linked(raw * factor, trees.link), held[1], classes))
    return replace(trees, values=trees.values * np.float32(best), base=trees.base * np.float32(best)), best
