"""Gradient boosting: each tree is fitted to what the sum of those before it still gets wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from optimizers.ensembles.estimating import Estimating, watching
from optimizers.ensembles.problem import Fitted
from optimizers.technique import param

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.ensembles.problem import Problem
    from optimizers.models.trees import Trees

MANY_CELLS = 50_000_000     # of rows times features, from which more threads pay
TITLES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "histogram": "histogram boosting"}


class Boosting(Estimating):
    """Trees that correct one another, stopped where validation stops gaining. Lowers bias most; too many rounds raise variance."""

    name: ClassVar[str] = "boost"
    title: ClassVar[str] = "boosting"
    paper: ClassVar[str] = ("Friedman 2001, doi:10.1214/aos/1013203451; Chen and Guestrin 2016, arXiv:1603.02754 (XGBoost); "
                            "Ke et al. 2017 (LightGBM)")
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("least", "rows", "columns", "ridge", "patience")}

    library: Literal["lightgbm", "xgboost", "histogram"] = param(
        "Library", "lightgbm", "Who grows the trees: LightGBM, XGBoost, or scikit-learn's histogram boosting",
        search=("lightgbm", "xgboost", "histogram"))
    rounds: int = param("Most rounds", 300, "Most trees (for each class, where there are more than two)", low=1, high=10_000, unit="rounds",
                        search=(100, 300, 1000))
    leaves: int = param("Most leaves", 31, "Most leaves of a tree", low=2, high=1024, unit="leaves", search=(7, 15, 31, 63, 127))
    rate: float = param("Learning rate", 0.08, "Share of each tree's answer that is added", low=0.001, high=1.0, unit="fraction",
                        search=(0.02, 0.05, 0.08, 0.15))
    least: int = param("Fewest rows at a leaf", 20, "Fewest rows at a leaf", low=1, high=10_000, unit="rows", search=(5, 20, 60))
    rows: float = param("Share of the rows", 1.0, "Share of the rows each tree sees; histogram boosting sees all", low=0.1, high=1.0,
                        unit="fraction", search=(0.7, 1.0))
    columns: float = param("Share of the features", 1.0, "Share of the features each tree sees", low=0.1, high=1.0, unit="fraction",
                           search=(0.5, 0.8, 1.0))
    ridge: float = param("Leaf decay", 1.0, "Pull of leaf values towards zero (L2), a pure number", low=0.0, high=1000.0,
                         search=(0.0, 1.0, 10.0))
    patience: int = param("Patience", 30, "Rounds without a gain on validation after which it stops; 0 never stops early", low=0, high=1000,
                          unit="rounds")

    def cost(self, rows: int, features: int, classes: int) -> float:
        trees = self.rounds * (classes if classes > 2 else 1)
        return trees * (0.002 + 4e-9 * rows * features * min(1.0, self.columns) + 2e-5 * self.leaves)

    def label(self) -> str:
        return TITLES[self.library]

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        trees = {"lightgbm": self.lightgbm, "xgboost": self.xgboost, "histogram": self.histogram}[self.library](x, y, held, problem, ctx)
        from optimizers.models.trees_onnx import graph_of

        rounds = len(trees.roots) // problem.outputs
        return Fitted(trees.predict, lambda: graph_of(trees), (f"{rounds:,} rounds of {TITLES[self.library]}.",))

    def lightgbm(self, x, y, held, problem: Problem, ctx: Context) -> Trees:
        import lightgbm

        from optimizers.models.trees_lightgbm import read

        objective, metric = {0: ("regression", "l2"), 2: ("binary", "binary_logloss")}.get(problem.classes, ("multiclass", "multi_logloss"))
        given = {"objective": objective, "metric": metric, "num_leaves": self.leaves, "learning_rate": self.rate,
                 "min_data_in_leaf": self.least, "bagging_fraction": self.rows, "bagging_freq": int(self.rows < 1),
                 "feature_fraction": self.columns, "lambda_l2": self.ridge, "seed": problem.seed, "num_threads": crew(x, problem),
                 "deterministic": True, "force_row_wise": True, "verbose": -1,
                 **({"num_class": problem.classes} if problem.classes > 2 else {})}
        watch = watching(ctx, self.rounds, "round")

        def called(env: Any) -> None:
            if watch(env.iteration, env.evaluation_result_list[0][2] if env.evaluation_result_list else None):
                raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

        rows = lightgbm.Dataset(x, y, params={"verbose": -1})
        callbacks: list[Any] = [called]
        if self.patience and len(held[1]):
            callbacks.append(lightgbm.early_stopping(self.patience, verbose=False))
        booster = lightgbm.train(given, rows, self.rounds, valid_sets=[rows.create_valid(*held)] if len(held[1]) else None,
                                 callbacks=callbacks)
        best = booster.best_iteration if self.patience and booster.best_iteration > 0 else None
        return read(booster.model_to_string(num_iteration=best))

    def xgboost(self, x, y, held, problem: Problem, ctx: Context) -> Trees:
        import xgboost

        from optimizers.models.trees_xgboost import read

        objective = {0: "reg:squarederror", 2: "binary:logistic"}.get(problem.classes, "multi:softprob")
        given = {"objective": objective, "max_leaves": self.leaves, "grow_policy": "lossguide", "max_depth": 0, "tree_method": "hist",
                 "eta": self.rate, "min_child_weight": 1 if problem.classes else self.least, "subsample": self.rows,
                 "colsample_bytree": self.columns, "lambda": self.ridge, "seed": problem.seed, "nthread": crew(x, problem), "verbosity": 0,
                 **({"num_class": problem.classes} if problem.classes > 2 else {})}
        watch = watching(ctx, self.rounds, "round")

        class Watching(xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                loss = next((values[-1] for values in evals_log.get("held", {}).values()), None)
                return watch(epoch, loss)

        booster = xgboost.train(given, xgboost.DMatrix(x, y), self.rounds, evals=[(xgboost.DMatrix(*held), "held")] if len(held[1]) else [],
                                early_stopping_rounds=self.patience or None if len(held[1]) else None, verbose_eval=False,
                                callbacks=[Watching()])
        if self.patience and len(held[1]):
            booster = booster[:booster.best_iteration + 1]
        return read(json.loads(booster.save_raw("json")))

    def histogram(self, x, y, held, problem: Problem, ctx: Context) -> Trees:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        from optimizers.models.trees_sklearn import histogram

        ctx.report(0.05, "growing trees")
        kind = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
        model = kind(max_iter=self.rounds, max_leaf_nodes=self.leaves, learning_rate=self.rate, min_samples_leaf=self.least,
                     l2_regularization=self.ridge, max_features=self.columns, random_state=problem.seed,
                     early_stopping=bool(self.patience and len(held[1])), n_iter_no_change=max(1, self.patience))
        with threadpool_limits(crew(x, problem)):
            model.fit(x, y, **({"X_val": held[0], "y_val": held[1]} if self.patience and len(held[1]) else {}))
        return histogram(model, problem.classes, problem.features)


def crew(x: np.ndarray, problem: Problem) -> int:
    """Threads of one fit. A round takes milliseconds and ends where all threads meet; jobs here wait for one another asleep, so that they
    can share cores, and on small data that costs six times what a second core gains (measured on 14,448 x 13 and 22,793 x 108 cells).
    """
    return problem.threads if x.size > MANY_CELLS else 1
