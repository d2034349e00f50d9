"""How the base models learn, each with the graph it becomes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from optimizers.ensembles import graphs
from optimizers.ensembles.problem import Fitted, Problem, told
from optimizers.models.trees_onnx import graph_of
from optimizers.models.trees_sklearn import averaged

if TYPE_CHECKING:
    from optimizers.ensembles.base import BaseModel


def tree(given: BaseModel, x: np.ndarray, y: np.ndarray, problem: Problem) -> Fitted:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if problem.classes else DecisionTreeRegressor
    model = kind(max_depth=given.depth or None, min_samples_leaf=given.least, random_state=problem.seed).fit(x, y)
    trees = averaged([model], problem.classes, problem.features)
    return Fitted(trees.predict, lambda: graph_of(trees), (f"{trees.nodes:,} nodes, {int(trees.depths[0])} levels.",))


def linear(given: BaseModel, x: np.ndarray, y: np.ndarray, problem: Problem) -> Fitted:
    """Logistic regression (softmax for more than two classes) or ridge regression, on standardized features."""
    from sklearn.linear_model import LogisticRegression, Ridge

    mean, deviation = moments(x)
    model = LogisticRegression(C=1 / given.pull, max_iter=300) if problem.classes else Ridge(given.pull)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")             # not converged in 300 steps is no fault here: what it is worth is measured
        model.fit((x - mean) / deviation, y)
    weights, bias = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
    return Fitted(lambda rows: scored(model, (rows - mean) / deviation, problem),
                  lambda: graphs.dense([(weights, bias)], link_of(problem), mean, deviation))


def neighbours(given: BaseModel, x: np.ndarray, y: np.ndarray, problem: Problem) -> Fitted:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    notes: tuple[str, ...] = ()
    if len(x) > given.most_rows:
        chosen = np.sort(np.random.default_rng(problem.seed).permutation(len(x))[:given.most_rows])
        notes = (f"Neighbours are looked for among {given.most_rows:,} of {len(x):,} rows, drawn at random.",)
        x, y = x[chosen], y[chosen]
    mean, deviation = moments(x)
    k = min(given.k, len(x))
    model = (KNeighborsClassifier if problem.classes else KNeighborsRegressor)(k, algorithm="brute").fit((x - mean) / deviation, y)
    said = told(np.eye(problem.classes, dtype=np.float32)[y] if problem.classes else y, problem.classes)
    return Fitted(lambda rows: scored(model, (rows - mean) / deviation, problem),
                  lambda: graphs.neighbours(x, said, k, mean, deviation), notes)


def small_network(given: BaseModel, x: np.ndarray, y: np.ndarray, problem: Problem) -> Fitted:
    """One hidden layer of ReLU, Adam, stopped early on a tenth of its rows where there are a thousand. Amounts are standardized while it
    learns.
    """
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    mean, deviation = moments(x)
    shift, scale = (0.0, 1.0) if problem.classes else (float(np.mean(y)), float(np.std(y)) or 1.0)
    aims = y if problem.classes else (y - shift) / scale
    few = len(x) < 1000 or (problem.classes and np.bincount(y, minlength=problem.classes).min() < 10)      # too few to hold some out
    model = (MLPClassifier if problem.classes else MLPRegressor)(hidden_layer_sizes=(given.units,), max_iter=given.epochs,
                                                                 early_stopping=not few, random_state=problem.seed,
                                                                 batch_size=int(np.clip(len(x) // 20, 8, 200)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit((x - mean) / deviation, aims)
    layers = list(zip(model.coefs_, model.intercepts_))
    layers[-1] = (layers[-1][0] * scale, layers[-1][1] * scale + shift)
    return Fitted(lambda rows: scored(model, (rows - mean) / deviation, problem) * np.float32(scale) + np.float32(shift),
                  lambda: graphs.dense(layers, link_of(problem), mean, deviation))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(features,) mean and deviation; 1 where a feature never changes."""
    deviation = x.std(axis=0, dtype=np.float64)
    return x.mean(axis=0, dtype=np.float64), np.where(deviation > 1e-9, deviation, 1.0)


def scored(model, rows: np.ndarray, problem: Problem) -> np.ndarray:
    if not problem.classes:
        return told(model.predict(rows), 0)
    return told(model.predict_proba(rows), problem.classes, np.asarray(model.classes_, np.int64))


def link_of(problem: Problem) -> str:
    return "none" if not problem.classes else "sigmoid" if problem.classes == 2 else "softmax"
