"""What files of XGBoost and LightGBM say: their trees, the task, and the names of columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from optimizers.models import trees_lightgbm, trees_xgboost
from optimizers.models.audit_trees import table_of, text_of
from optimizers.models.estimator import Estimator
from optimizers.models.trees import Trees, broken
from optimizers.models.trees_onnx import graph_of

UNNAMED = re.compile(r"Column_\d+|f\d+")           # what libraries call columns that have no names


def xgboost(path: Path) -> Estimator:
    return of_xgboost(table_of(path), path.name)


def lightgbm(path: Path) -> Estimator:
    return of_lightgbm(text_of(path), path.name)


def of_xgboost(table: Any, where: str) -> Estimator:
    trees = trees_xgboost.read(table, where)
    learner = table["learner"]
    objective = str(learner["objective"]["name"])
    task: Literal["classification", "regression"] = "classification" if objective.startswith(("binary:", "multi:")) else "regression"
    notes: tuple[str, ...] = ()
    attributes = learner.get("attributes")
    if isinstance(attributes, dict) and str(best := attributes.get("best_iteration", "")).isdigit():
        notes = (f"Training stopped early, with iteration {str(best)[:9]} as its best; all trees of the file are used. To keep only the "
                 "best, save booster[:booster.best_iteration + 1].",)
    return boosted(trees, "XGBoost", task, columns_of(learner.get("feature_names"), trees.features, where), notes)


def of_lightgbm(text: str, where: str) -> Estimator:
    trees = trees_lightgbm.read(text, where)
    facts = trees_lightgbm.table_of(text.partition("\nTree=")[0])
    objective = facts.get("objective", "").split(" ")[0]
    known = columns_of(facts.get("feature_names", "").split(" "), trees.features, where)
    return boosted(trees, "LightGBM", "classification" if objective in trees_lightgbm.LINKS else "regression", known)


def boosted(trees: Trees, library: str, task: Literal["classification", "regression"], columns: tuple[str, ...],
            notes: tuple[str, ...] = ()) -> Estimator:
    return Estimator(graph_of(trees), f"{library}, {counted(trees)}", task, (trees,), columns=columns, notes=notes)


def counted(trees: Trees) -> str:
    return f"{len(trees.roots):,} tree{'s' if len(trees.roots) != 1 else ''}"


def columns_of(names: Any, features: int, where: str) -> tuple[str, ...]:
    """The names of the features where they are names; empty where the library numbered them."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return ()
    if len(names) != features:
        raise broken(f"It names {len(names):,} features and says that it has {features:,}.", where)
    return () if all(UNNAMED.fullmatch(name) for name in names) else tuple(name[:200] for name in names)
