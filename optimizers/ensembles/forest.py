"""Random forests and extremely randomized trees: the mean of trees that were made to differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.problem import Fitted
from optimizers.technique import param

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem

STEP = 20               # trees grown between two words on how it goes


class Forest(Estimating):
    """Deep trees on resampled rows and few features a split, averaged. Lowers variance; its bias is that of one tree."""

    name: ClassVar[str] = "forest"
    title: ClassVar[str] = "forest"
    paper: ClassVar[str] = "Breiman 2001, doi:10.1023/A:1010933404324; Geurts et al. 2006 (extra trees), doi:10.1007/s10994-006-6226-1"

    kind: Literal["random", "extra"] = param("Kind of forest", "random",
                                             "Random: best split among some features; extra: thresholds drawn at random too",
                                             search=("random", "extra"))
    trees: int = param("Trees", 100, "How many trees", low=1, high=5000, unit="trees", search=(50, 100, 300))
    depth: int = param("Deepest tree", 0, "Most splits from root to leaf; 0 does not bound it", low=0, high=64, unit="levels",
                       search=(0, 8, 12))
    least: int = param("Fewest rows at a leaf", 0,
                       "Fewest rows at a leaf; more make smaller trees; 0: one in 5,000 of the rows, at most 10, for amounts at least 5",
                       low=0, high=10_000, unit="rows", search=(0, 3, 10))
    columns: float = param("Features looked at", 0.0,
                           "Share of the features looked at for a split; 0: for classes the root of their number, for amounts all", low=0.0,
                           high=1.0, unit="fraction", search=(0.0, 0.3))

    def cost(self, rows: int, features: int, classes: int) -> float:
        looked = self.columns * features or (features**0.5 if classes else features)
        return self.trees * (0.003 + (3e-8 if self.kind == "extra" else 6e-8) * rows * looked * 12)

    def label(self) -> str:
        return "random forest" if self.kind == "random" else "extra trees"

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        from sklearn import ensemble

        from optimizers.models.trees_onnx import graph_of
        from optimizers.models.trees_sklearn import averaged

        name = f"{'RandomForest' if self.kind == 'random' else 'ExtraTrees'}{'Classifier' if problem.classes else 'Regressor'}"
        least = self.least or int(min(10, max(1 if problem.classes else 5, len(x) // 5000)))
        columns = self.columns or ("sqrt" if problem.classes else 1.0)
        model = getattr(ensemble, name)(1, max_depth=self.depth or None, min_samples_leaf=least, max_features=columns,
                                        random_state=problem.seed, n_jobs=problem.threads, warm_start=True)
        for grown in [*range(STEP, self.trees, STEP), self.trees]:
            ctx.report(0.95 * (grown - 1) / self.trees, f"{grown} of {self.trees} trees")
            model.set_params(n_estimators=grown).fit(x, y)
        trees = averaged(model.estimators_, problem.classes, problem.features)
        return Fitted(trees.predict, lambda: graph_of(trees), (f"{len(trees.roots):,} trees, {trees.nodes:,} nodes.",))
