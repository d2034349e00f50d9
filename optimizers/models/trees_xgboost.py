"""XGBoost's JSON (and UBJ, read into the same table), without XGBoost: its C++ reader crashes on crafted files."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.models.trees import LEAF, Link, Trees, below, broken, checked, gathered, refuse_size

LINKS: dict[str, Link] = {"binary:logistic": "sigmoid", "reg:logistic": "sigmoid", "multi:softprob": "softmax", "multi:softmax": "softmax"}
PLAIN = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror", "reg:squaredlogerror", "binary:logitraw",
         "rank:ndcg", "rank:pairwise", "rank:map")


def read(table: Any, where: str = "model.json") -> Trees:
    """The trees of a model as Booster.save_model writes it.  Raises OptimizerError naming the tree for what cannot be told in <=."""
    try:
        learner = table["learner"]
        booster, about = learner["gradient_booster"], learner["learner_model_param"]
        objective, kind = str(learner["objective"]["name"]), str(booster["name"])
        features, classes = int(about["num_feature"]), int(about["num_class"])
        model = booster["gbtree"]["model"] if kind == "dart" else booster["model"] if kind == "gbtree" else {}
        trees, owners = model.get("trees", []), [int(owner) for owner in model.get("tree_info", [])]
        drops = [float(weight) for weight in booster["weight_drop"]] if kind == "dart" else [1.0] * len(trees)
        base = np.array(str(about["base_score"]).strip("[]").split(","), np.float64)
        vectors = any(int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 for tree in trees)
        nodes = sum(len(tree["left_children"]) for tree in trees)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        raise broken("It lacks what a saved XGBoost model holds (learner, gradient_booster, learner_model_param).", where) from None
    if kind not in ("gbtree", "dart"):
        raise OptimizerError(f"Its booster is '{kind[:40]}', which holds no trees.", where, "Use the booster gbtree or dart.",
                             "tree-booster")
    link = LINKS.get(objective, "none")
    if link == "none" and objective not in PLAIN:
        raise OptimizerError(f"Its objective is '{objective[:40]}', whose link is not read here.", where,
                             f"Use one of {', '.join([*LINKS, *PLAIN[:3]])}.", "tree-objective")
    if vectors:
        raise OptimizerError("Its leaves hold a vector each.", where, "Train with multi_strategy='one_output_per_tree'.", "tree-vectors")
    outputs = max(1, classes)
    if not trees or len(owners) != len(trees) or len(drops) != len(trees) or not 1 <= outputs <= 10_000 or not 1 <= features <= 10_000_000:
        raise broken("There is no tree in it, or its counts do not agree.", where)
    refuse_size(nodes, outputs, where)
    if link == "sigmoid":
        if not ((base > 0) & (base < 1)).all():
            raise broken("Its base score is no probability.", where)
        base = np.log(base / (1 - base))
    parts = [one(tree, owner, outputs, features, drop, link, f"{where}, tree {place}")
             for place, (tree, owner, drop) in enumerate(zip(trees, owners, drops))]
    whole = gathered(parts)
    whole.base[:] = base if len(base) in (1, outputs) else base[0]
    return checked(whole, where)


def one(tree: Any, output: int, outputs: int, features: int, scale: float, link: Link, where: str) -> Trees:
    """One tree, whose leaves speak for one output."""
    try:
        column: dict[str, Any] = {name: np.array(tree[name], kind) for name, kind in
                  (("left_children", np.int64), ("right_children", np.int64), ("split_indices", np.int64),
                   ("split_conditions", np.float32), ("default_left", np.int64))}
        sorts = np.array(tree.get("split_type", []), np.int64)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise broken("A list of it is not there or holds something that is no number.", where) from None
    nodes = len(column["left_children"])
    if not nodes or any(array.shape != (nodes,) for array in column.values()) or not 0 <= output < outputs:
        raise broken("Its lists are of different lengths, or it speaks for an output that is not there.", where)
    inner = column["left_children"] != -1
    if len(sorts) == nodes and sorts[inner].any():
        raise OptimizerError("It splits by sets of categories.", where, "Encode categories as one-hot columns before training.",
                             "tree-categories")
    if (column["split_indices"][inner] < 0).any():
        raise broken(f"A node asks for feature {int(column['split_indices'].min())}.", where)
    if max(column["split_indices"].max(), column["left_children"].max(), column["right_children"].max()) > 2**31 - 2:
        raise broken("A number in it is far too large.", where)
    values = np.zeros((nodes, outputs), np.float32)
    values[:, output] = np.where(inner, 0, column["split_conditions"] * np.float32(scale))
    return checked(Trees(
        feature=np.where(inner, column["split_indices"], LEAF).astype(np.int32), threshold=below(column["split_conditions"]),
        left=np.where(inner, column["left_children"], 0).astype(np.int32),
        right=np.where(inner, column["right_children"], 0).astype(np.int32),
        missing_left=column["default_left"].astype(bool), leaf=np.arange(nodes, dtype=np.int32), values=values,
        roots=np.zeros(1, np.int32), base=np.zeros(outputs, np.float32), features=features, link=link), where)
