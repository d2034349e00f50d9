"""scikit-learn's fitted trees as Trees: single ones, forests, AdaBoost, gradient boosting of both kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizers.models.trees import LEAF, Link, Trees, compacted, floor32, gathered


def single(tree: Any, values: np.ndarray, features: int, link: Link = "none", base: np.ndarray | None = None) -> Trees:
    """tree: a sklearn Tree.  values (nodes, outputs): what each node says when it is a leaf."""
    inner = tree.children_left != -1
    values = np.ascontiguousarray(values, np.float32)
    missing = getattr(tree, "missing_go_to_left", np.zeros(len(inner)))
    return Trees(
        feature=np.where(inner, tree.feature, LEAF).astype(np.int32), threshold=floor32(np.where(inner, tree.threshold, 0)),
        left=np.where(inner, tree.children_left, 0).astype(np.int32), right=np.where(inner, tree.children_right, 0).astype(np.int32),
        missing_left=np.asarray(missing, bool), leaf=np.arange(len(inner), dtype=np.int32), values=values, roots=np.zeros(1, np.int32),
        base=np.zeros(values.shape[1], np.float32) if base is None else np.asarray(base, np.float32), features=features, link=link)


def shares(estimator: Any, classes: int) -> np.ndarray:
    """(nodes, outputs): probability of each class (of the second alone where there are two), or the mean.

    classes: of the whole problem; a tree grown on a sample may know fewer.
    """
    raw = estimator.tree_.value[:, 0, :]
    if classes == 0:
        return raw
    raw = raw / raw.sum(axis=1, keepdims=True)
    full = np.zeros((len(raw), classes))
    full[:, np.asarray(estimator.classes_, np.int64)] = raw
    return full[:, 1:] if classes == 2 else full


def averaged(estimators: list[Any], classes: int, features: int) -> Trees:
    """Mean over trees: a tree, a forest, bagged trees.  estimators: fitted DecisionTrees whose classes are numbers."""
    return gathered([single(one.tree_, shares(one, classes) / len(estimators), features) for one in estimators])


def adaboost(model: Any, classes: int, features: int) -> Trees:
    """AdaBoost's SAMME: each tree's weight on the class it says; softmax of the decision over classes - 1, as predict_proba has it."""
    total = model.estimator_weights_[:len(model.estimators_)].sum()
    parts = []
    for one, weight in zip(model.estimators_, model.estimator_weights_):
        said = np.asarray(one.classes_, np.int64)[one.tree_.value[:, 0, :].argmax(axis=1)]
        if classes == 2:
            values = np.where(said == 1, 1.0, -1.0)[:, None] * 2 * weight / total       # decision d, then softmax([-d, d]) = sigmoid(2 d)
        else:
            values = np.full((len(said), classes), -1.0 / (classes - 1))
            values[np.arange(len(said)), said] = 1.0
            values *= weight / total / (classes - 1)
        parts.append(single(one.tree_, values, features, "sigmoid" if classes == 2 else "softmax"))
    return gathered(parts)


def histogram(model: Any, classes: int, features: int) -> Trees:
    """HistGradientBoosting; splits by sets of categories do not occur, as features are numbers."""
    outputs = classes if classes > 2 else 1
    link: Link = "none" if classes == 0 else "sigmoid" if classes == 2 else "softmax"
    parts = []
    for stage in model._predictors:
        for output, predictor in enumerate(stage):
            nodes = predictor.nodes
            inner = nodes["is_leaf"] == 0
            values = np.zeros((len(nodes), outputs), np.float32)
            values[:, output] = nodes["value"]
            parts.append(Trees(
                feature=np.where(inner, nodes["feature_idx"], LEAF).astype(np.int32),
                threshold=floor32(np.where(inner, nodes["num_threshold"], 0)), left=np.where(inner, nodes["left"], 0).astype(np.int32),
                right=np.where(inner, nodes["right"], 0).astype(np.int32), missing_left=nodes["missing_go_to_left"].astype(bool),
                leaf=np.arange(len(nodes), dtype=np.int32), values=values, roots=np.zeros(1, np.int32),
                base=np.zeros(outputs, np.float32), features=features, link=link))
    whole = gathered(parts)
    whole.base[:] = np.asarray(model._baseline_prediction, np.float32).ravel()
    return compacted(whole)
