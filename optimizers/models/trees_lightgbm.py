"""LightGBM's own text format, read without LightGBM: its C++ reader crashes on crafted files, and text needs no library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.models.trees import LEAF, Link, Trees, broken, checked, floor32, gathered, refuse_size

CATEGORICAL, DEFAULT_LEFT = 1, 2        # bits of decision_type; bits 2 and 3 are the kind of missing value
MISSING_ZERO, MISSING_NAN = 1, 2
LINKS: dict[str, Link] = {"binary": "sigmoid", "cross_entropy": "sigmoid", "multiclass": "softmax", "softmax": "softmax"}
PLAIN = ("regression", "regression_l1", "l2", "l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom", "")


def read(text: str, where: str = "model.txt") -> Trees:
    """The trees of a model as Booster.save_model writes it.  Raises OptimizerError naming the tree for what cannot be told in <=."""
    head, *blocks = text.split("\nTree=")
    if not head.lstrip().startswith("tree"):
        raise broken("It does not begin as a LightGBM model does.", where)
    facts = table_of(head)
    if blocks:
        blocks[-1] = blocks[-1].split("\nend of trees")[0]
    outputs, features = number(facts, "num_tree_per_iteration", where), number(facts, "max_feature_idx", where) + 1
    objective, *options = facts.get("objective", "").split()
    link = LINKS.get(objective, "none")
    if link == "none" and objective not in PLAIN:
        raise OptimizerError(f"Its objective is '{objective[:40]}', whose link is not read here.", where,
                             "Use binary, multiclass or a regression objective.", "tree-objective")
    if not blocks or not 1 <= outputs <= 10_000 or not 1 <= features <= 10_000_000:
        raise broken("There is no tree in it, or its counts are out of range.", where)
    scale = slope(options, where)
    scale = 1.0 if link == "softmax" else scale
    if "average_output" in head.splitlines():
        scale *= outputs / len(blocks)
    tables = [table_of(block) for block in blocks]
    refuse_size(2 * sum(max(0, number(table, "num_leaves", where)) for table in tables), outputs, where)
    parts = [one(table, place % outputs, outputs, features, scale, link, f"{where}, tree {place}")
             for place, table in enumerate(tables)]
    return checked(gathered(parts), where)


def slope(options: list[str], where: str) -> float:
    """What the sum is multiplied by before the sigmoid."""
    said = next((word.partition(":")[2] for word in options if word.startswith("sigmoid:")), "1")
    try:
        return float(said)
    except ValueError:
        raise broken("Its option 'sigmoid' is no number.", where) from None


def table_of(block: str) -> dict[str, str]:
    return {name: value for name, separator, value in (line.partition("=") for line in block.splitlines()) if separator}


def number(facts: dict[str, str], name: str, where: str) -> int:
    try:
        return int(facts[name])
    except (KeyError, ValueError):
        raise broken(f"Its line '{name}' is not there or is no number.", where) from None


def one(facts: dict[str, str], output: int, outputs: int, features: int, scale: float, link: Link, where: str) -> Trees:
    """One tree, whose leaves speak for one output."""
    leaves = number(facts, "num_leaves", where)
    if facts.get("is_linear", "0") != "0":
        raise OptimizerError("Its leaves hold linear models.", where, "Train with linear_tree=false.", "tree-linear")
    try:
        column: dict[str, Any] = {name: np.array(facts.get(name, "").split(), kind) for name, kind in
                  (("split_feature", np.int32), ("decision_type", np.int32), ("left_child", np.int64), ("right_child", np.int64),
                   ("threshold", np.float64), ("leaf_value", np.float64))}
    except (ValueError, OverflowError):
        raise broken("A list of it holds something that is no number.", where) from None
    inner = leaves - 1
    if len(column["leaf_value"]) != leaves or any(len(column[name]) != inner for name in column if name != "leaf_value"):
        raise broken(f"Its lists do not have the lengths that {leaves} leaves ask for.", where)
    if (column["split_feature"] < 0).any():
        raise broken(f"A node asks for feature {int(column['split_feature'].min())}.", where)
    kinds = column["decision_type"]
    if (kinds & CATEGORICAL).any():
        raise OptimizerError("It splits by sets of categories.", where, "Encode categories as one-hot columns before training.",
                             "tree-categories")
    missing = kinds >> 2 & 3
    if (missing == MISSING_ZERO).any():
        raise OptimizerError("It takes zeros for missing values.", where, "Train with zero_as_missing=false.", "tree-zero")
    threshold = floor32(column["threshold"])
    left = np.where(missing == MISSING_NAN, kinds & DEFAULT_LEFT > 0, threshold >= 0)      # without missing values NaN counts as 0
    child = lambda side: np.where(column[side] >= 0, column[side], inner + ~column[side])
    pad = lambda array, kind: np.concatenate([array, np.zeros(leaves)]).astype(kind)
    values = np.zeros((leaves, outputs), np.float32)
    values[:, output] = column["leaf_value"] * scale
    tree = Trees(
        feature=np.concatenate([column["split_feature"], np.full(leaves, LEAF)]).astype(np.int32), threshold=pad(threshold, np.float32),
        left=pad(child("left_child"), np.int32), right=pad(child("right_child"), np.int32), missing_left=pad(left, bool),
        leaf=np.concatenate([np.zeros(inner), np.arange(leaves)]).astype(np.int32), values=values,
        roots=np.zeros(1, np.int32), base=np.zeros(outputs, np.float32), features=features, link=link)
    if not math.isfinite(scale):
        raise broken("Its scale is no finite number.", where)
    return checked(tree, where)
