"""Files of XGBoost (JSON, UBJ) and LightGBM (text): their bytes held against bounds, then their trees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from optimizers.errors import OptimizerError
from optimizers.models import trees_lightgbm, trees_xgboost
from optimizers.models.audit_json import Bounds, read_json
from optimizers.models.audit_ubj import read_ubj
from optimizers.models.estimator import Estimator
from optimizers.models.trees import Trees, broken
from optimizers.models.trees_onnx import graph_of

LARGEST = 128 << 20
SAVE_XGBOOST = "Save it again with XGBoost 1.6 or newer: booster.save_model('model.json')."
SAVE_LIGHTGBM = "Save it again: booster.save_model('model.txt')."
UNNAMED = re.compile(r"Column_\d+|f\d+")           # what libraries call columns that have no names


def looks_like_xgboost(head: bytes) -> bool:
    """A JSON or UBJ object whose first key is one that XGBoost writes."""
    return head.lstrip()[:1] == b"{" and (b'"learner"' in head[:400] or head[:18] == b"{L" + (7).to_bytes(8, "big") + b"learner")


def looks_like_lightgbm(head: bytes) -> bool:
    return head.lstrip().startswith((b"tree\n", b"tree\r\n")) and b"version=" in head


def table_of(path: Path) -> Any:
    """The table in the file, whose text or bytes are within bounds."""
    raw = content(path, SAVE_XGBOOST)
    binary = raw[:1] == b"{" and raw[1:2] in (b"L", b"l", b"I", b"i", b"U")
    return read_ubj(raw, path.name, SAVE_XGBOOST) if binary else read_json(raw, path.name, SAVE_XGBOOST, Bounds(size=LARGEST))


def text_of(path: Path) -> str:
    """The text of a LightGBM file."""
    raw = content(path, SAVE_LIGHTGBM)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise OptimizerError(f"Byte {fault.start:,} is not UTF-8 text.", path.name, SAVE_LIGHTGBM, "damaged") from fault
    if not looks_like_lightgbm(raw[:4096]):
        raise OptimizerError("It does not begin as a LightGBM model does (tree, version=).", path.name, SAVE_LIGHTGBM, "not-lightgbm")
    if "\nend of trees" not in text.replace("\r\n", "\n"):
        raise OptimizerError("The line 'end of trees' is missing, so the file was cut off.", path.name, SAVE_LIGHTGBM, "truncated")
    return text.replace("\r\n", "\n")


def content(path: Path, mend: str) -> bytes:
    size = path.stat().st_size
    if size > LARGEST:
        raise OptimizerError(f"The model has {size:,} bytes; at most {LARGEST:,} are read.", path.name, "Train fewer or shallower trees.",
                             "too-large")
    return path.read_bytes()


def xgboost(path: Path) -> Estimator:
    return of_xgboost(table_of(path), path.name)


def lightgbm(path: Path) -> Estimator:
    return of_lightgbm(text_of(path), path.name)


def of_xgboost(table: Any, where: str) -> Estimator:
    trees = trees_xgboost.read(table, where)
    learner = table["learner"]
    objective = str(learner["objective"]["name"])
    task: Literal["classification", "regression"] = "classification" if objective.startswith(("binary:", "multi:")) else "regression"
    notes = ()
    attributes = learner.get("attributes")
    if isinstance(attributes, dict) and str(best := attributes.get("best_iteration", "")).isdigit():
        notes = (f"Training stopped early, with iteration {str(best)[:9]} as its best; all trees of the file are used. To keep only the best, "
                 "save booster[:booster.best_iteration + 1].",)
    return boosted(trees, "XGBoost", task, columns_of(learner.get("feature_names"), trees.features, where), notes)


def of_lightgbm(text: str, where: str) -> Estimator:
    trees = trees_lightgbm.read(text, where)
    facts = trees_lightgbm.table_of(text.partition("\nTree=")[0])
    objective = facts.get("objective", "").split(" ")[0]
    known = columns_of(facts.get("feature_names", "").split(" "), trees.features, where)
    return boosted(trees, "LightGBM", "classification" if objective in trees_lightgbm.LINKS else "regression", known)


def boosted(trees: Trees, library: str, task: Literal["classification", "regression"], columns: tuple[str, ...],
            notes: tuple[str, ...] = ()) -> Estimator:
    return Estimator(graph_of(trees), f"{library}, {counted(trees)}", task, trees, columns=columns, notes=notes)


def counted(trees: Trees) -> str:
    return f"{len(trees.roots):,} tree{'s' if len(trees.roots) != 1 else ''}"


def columns_of(names: Any, features: int, where: str) -> tuple[str, ...]:
    """The names of the features where they are names; empty where the library numbered them."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return ()
    if len(names) != features:
        raise broken(f"It names {len(names):,} features and says that it has {features:,}.", where)
    return () if all(UNNAMED.fullmatch(name) for name in names) else tuple(name[:200] for name in names)
