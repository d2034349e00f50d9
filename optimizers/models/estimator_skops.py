"""scikit-learn's models out of a skops file, without scikit-learn: trees, forests, boosting, lines, and scalers before them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.models import estimator_boosted, trees_sklearn
from optimizers.models.audit_ubj import read_ubj
from optimizers.models.estimator import Estimator
from optimizers.models.estimator_lines import line, scaled
from optimizers.models.skops_file import SAVE, SkopsFile, Thing
from optimizers.models.trees import Link, Trees, broken, checked, gathered, refuse_size
from optimizers.models.trees_onnx import graph_of

ODD = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError)     # of data that is not what it says
SCALERS = {f"sklearn.preprocessing._data.{name}" for name in ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler")}
LINES = {f"sklearn.linear_model.{name}" for name in ("_logistic.LogisticRegression", "_base.LinearRegression", "_ridge.Ridge",
                                                     "_coordinate_descent.Lasso", "_coordinate_descent.ElasticNet")}


def skops(path: Path) -> Estimator:
    """Raises OptimizerError naming the type that is not read, or what the file lacks."""
    with SkopsFile(path) as file:
        kind = "model"
        try:
            root = file.root()
            kind = root.kind if isinstance(root, Thing) else type(root).__name__
            return estimator(root, path.name)
        except ODD as fault:
            said, why = kind.rpartition(".")[2][:60], f"{type(fault).__name__}: {str(fault)[:60]}"
            raise OptimizerError(f"It does not hold what a {said} holds ({why}).", path.name, SAVE, "bad-skops") from fault


def estimator(root: Any, where: str) -> Estimator:
    if not isinstance(root, Thing):
        raise OptimizerError("The file holds no model.", where, SAVE, "no-model")
    if root.kind == "sklearn.pipeline.Pipeline":
        return pipeline(root, where)
    if root.kind in LINES:
        return line(root, classes_of(root), columns_of(root), where)
    if root.kind == "xgboost.sklearn.XGBClassifier" or root.kind == "xgboost.sklearn.XGBRegressor":
        table = read_ubj(bytes(root["_Booster"]["handle"]), where, SAVE)
        return estimator_boosted.of_xgboost(table.get("Model", table), where)
    if root.kind in ("lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor"):
        return estimator_boosted.of_lightgbm(root["_Booster"]["_handle"], where)
    make = MADE.get(root.kind)
    if make is None:
        raise OptimizerError(f"The file holds {root.kind[:120]}, which is not read here.", where, f"Read are {known()}. Or write ONNX: "
                             "skl2onnx.to_onnx(model, x[:1]).", "unread-type")
    return of_trees(root, make, where)


def known() -> str:
    return ", ".join(sorted({kind.rpartition(".")[2] for kind in (*MADE, *LINES, *SCALERS)}) + ["XGBoost", "LightGBM", "Pipeline"])


def pipeline(root: Thing, where: str) -> Estimator:
    """Scalers, and a model at the end."""
    *before, (_, last) = [step for step in root["steps"] if step[1] not in (None, "passthrough")]
    for name, step in before:
        if not isinstance(step, Thing) or step.kind not in SCALERS:
            kind = step.kind if isinstance(step, Thing) else str(step)
            raise OptimizerError(f"The step '{name[:60]}' of the pipeline is {kind[:100]}, which is not read here.", where,
                                 "Read are scalers with a model after them. Or write ONNX: skl2onnx.to_onnx(model, x[:1]).", "unread-type")
    made = estimator(last, where)
    steps = [step for _, step in before]
    return scaled(made, steps, columns_of(steps[0])) if steps else made


def of_trees(root: Thing, make: Callable[[Thing, int, int, str], Trees], where: str) -> Estimator:
    if root.get("n_outputs_", 1) != 1:
        raise OptimizerError("The model answers several targets at once.", where, "Train one model for each target.", "several-targets")
    name = root.kind.rpartition(".")[2]
    classes = classes_of(root) if name.endswith("Classifier") else ()
    features = int(root["n_features_in_"])
    if not 1 <= features <= 10_000_000 or (name.endswith("Classifier") and not 2 <= len(classes) <= 10_000):
        raise broken(f"It says it has {features:,} features and {len(classes):,} classes.", where)
    trees = checked(make(root, len(classes), features, where), where)
    title = f"scikit-learn {name}, {estimator_boosted.counted(trees)}"
    return Estimator(graph_of(trees), title, "classification" if classes else "regression", (trees,), classes, columns_of(root))


def classes_of(root: Thing) -> tuple[str, ...]:
    """Names of the classes in label order; whole numbers without their point."""
    labels = root.get("classes_")
    found = [] if labels is None else labels if isinstance(labels, list) else labels.tolist()
    return tuple(str(int(label) if isinstance(label, (float, bool)) and label == int(label) else label)[:200] for label in found)


def columns_of(root: Thing) -> tuple[str, ...]:
    names = root.get("feature_names_in_")
    return tuple(str(name)[:200] for name in (names if names is None or isinstance(names, list) else names.tolist()) or ())


def viewed(one: Thing, features: int, labels: tuple[str, ...] | None, where: str) -> SimpleNamespace:
    """A fitted tree as trees_sklearn looks at it, once it is certain that a walk through it ends.

    labels: the classes by name, for trees that know theirs by name; None for those that know them by number.
    """
    if not isinstance(one, Thing) or not one.kind.startswith("sklearn.tree._classes."):
        raise OptimizerError(f"It is made of {getattr(one, 'kind', type(one).__name__)[:100]}, and only trees are read.", where, SAVE,
                             "unread-type")
    nodes, values = one["tree_"]["nodes"], one["tree_"]["values"]
    if values.ndim != 3 or values.shape[:2] != (len(nodes), 1) or nodes.ndim != 1:
        raise broken("A tree's values do not belong to its nodes.", where)
    refuse_size(len(nodes), values.shape[2], where)
    tree = SimpleNamespace(children_left=nodes["left_child"], children_right=nodes["right_child"], feature=nodes["feature"],
                           threshold=nodes["threshold"], value=values)
    if (nodes["feature"][nodes["left_child"] != -1] < 0).any():
        raise broken(f"A node asks for feature {int(nodes['feature'].min())}.", where)
    if "missing_go_to_left" in (nodes.dtype.names or ()):
        tree.missing_go_to_left = nodes["missing_go_to_left"]
    checked(trees_sklearn.single(tree, np.zeros((len(nodes), 1)), features), where)
    mine = classes_of(one)
    numbers = [labels.index(name) for name in mine] if labels is not None else [int(name) for name in mine]
    if min(numbers, default=0) < 0 or (mine and len(mine) != values.shape[2]):
        raise broken("A tree's values do not belong to its classes.", where)
    return SimpleNamespace(tree_=tree, classes_=np.array(numbers, np.int64))


def forest(root: Thing, classes: int, features: int, where: str) -> Trees:
    views = [viewed(one, features, None, f"{where}, tree {place}") for place, one in enumerate(root["estimators_"])]
    refuse_size(sum(len(view.tree_.feature) for view in views), max(1, classes), where)
    return trees_sklearn.averaged(views, classes, features)


def single(root: Thing, classes: int, features: int, where: str) -> Trees:
    return trees_sklearn.averaged([viewed(root, features, classes_of(root), where)], classes, features)


def adaboost(root: Thing, classes: int, features: int, where: str) -> Trees:
    if root.get("algorithm", "SAMME") not in ("SAMME", "deprecated"):
        raise OptimizerError("Its algorithm is SAMME.R, which multiplies probabilities.", where, "Train with scikit-learn 1.6 or newer.",
                             "unread-type")
    names = classes_of(root)
    views = [viewed(one, features, names, f"{where}, tree {place}") for place, one in enumerate(root["estimators_"])]
    refuse_size(sum(len(view.tree_.feature) for view in views), classes, where)
    return trees_sklearn.adaboost(SimpleNamespace(estimators_=views, estimator_weights_=root["estimator_weights_"]), classes, features)


def boosting(root: Thing, classes: int, features: int, where: str) -> Trees:
    """Gradient boosting: what it begins with, and the learning rate times the sum of its trees."""
    outputs, rate = max(1, classes if classes > 2 else 1), float(root["learning_rate"])
    steep = 2.0 if root["loss"] == "exponential" else 1.0           # its probability is the sigmoid of twice the sum
    views = [viewed(one, features, None, f"{where}, tree {place}") for place, one in enumerate(root["estimators_"])]
    refuse_size(sum(len(view.tree_.feature) for view in views), outputs, where)
    link: Link = "none" if not classes else "sigmoid" if classes == 2 else "softmax"
    parts = []
    for place, view in enumerate(views):
        values = np.zeros((len(view.tree_.feature), outputs))
        values[:, place % outputs] = steep * rate * view.tree_.value[:, 0, 0]
        parts.append(trees_sklearn.single(view.tree_, values, features, link))
    whole = gathered(parts)
    whole.base[:] = begun(root, classes, where)
    return whole


def begun(root: Thing, classes: int, where: str) -> Any:
    """(outputs,) the sum before the first tree."""
    if root["init"] == "zero":
        return 0.0
    init = root["init_"]
    if root["init"] is not None or not isinstance(init, Thing) or not init.kind.startswith("sklearn.dummy."):
        raise OptimizerError("It begins with a model of its own (init).", where, "Train with init=None or init='zero'.", "unread-type")
    if not classes:
        return np.ravel(init["constant_"])[0]
    prior = np.clip(np.asarray(init["class_prior_"], np.float64), 1e-7, 1 - 1e-7)
    return np.log(prior) if classes > 2 else np.log(prior[1] / prior[0])


def histogram(root: Thing, classes: int, features: int, where: str) -> Trees:
    if not classes and root["loss"] not in ("squared_error", "absolute_error", "quantile"):
        raise OptimizerError(f"Its loss is {str(root['loss'])[:40]}, whose link is not read here.", where, "Use squared_error.",
                             "tree-objective")
    stages = [[SimpleNamespace(nodes=one["nodes"]) for one in stage] for stage in root["_predictors"]]
    outputs = classes if classes > 2 else 1
    refuse_size(sum(len(one.nodes) for stage in stages for one in stage), outputs, where)
    for place, stage in enumerate(stages):
        if len(stage) != outputs:
            raise broken(f"Round {place} has {len(stage)} trees for {outputs} outputs.", where)
        for one in stage:
            refuse_nodes(one.nodes, features, f"{where}, round {place}")
    view = SimpleNamespace(_predictors=stages, _baseline_prediction=root["_baseline_prediction"])
    return trees_sklearn.histogram(view, classes, features)


def refuse_nodes(nodes: np.ndarray, features: int, where: str) -> None:
    """A tree of histogram boosting before anything walks through it."""
    if nodes.ndim != 1 or ("is_categorical" in (nodes.dtype.names or ()) and nodes["is_categorical"].any()):
        raise OptimizerError("It splits by sets of categories.", where, "Encode categories as one-hot columns before training.",
                             "tree-categories")
    inner = nodes["is_leaf"] == 0
    view = SimpleNamespace(children_left=np.where(inner, nodes["left"].astype(np.int64), -1), feature=nodes["feature_idx"],
                           children_right=nodes["right"], threshold=nodes["num_threshold"])
    checked(trees_sklearn.single(view, np.zeros((len(nodes), 1)), features), where)


MADE: dict[str, Callable[[Thing, int, int, str], Trees]] = {
    **{f"sklearn.tree._classes.{name}{kind}": single for name in ("DecisionTree", "ExtraTree") for kind in ("Classifier", "Regressor")},
    **{f"sklearn.ensemble._forest.{name}{kind}": forest for name in ("RandomForest", "ExtraTrees") for kind in ("Classifier", "Regressor")},
    **{f"sklearn.ensemble._gb.GradientBoosting{kind}": boosting for kind in ("Classifier", "Regressor")},
    **{f"sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoosting{kind}": histogram
       for kind in ("Classifier", "Regressor")},
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier": adaboost,
}
