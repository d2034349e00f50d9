"""Lines and scalers of scikit-learn as ONNX: what the trees' node cannot say."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.errors import OptimizerError
from optimizers.models.estimator import Estimator
from optimizers.models.graph import copied
from optimizers.models.skops_file import Thing
from optimizers.models.trees import broken, seen_through
from optimizers.models.trees_onnx import graph_of, model_of


def line(root: Thing, classes: tuple[str, ...], columns: tuple[str, ...], where: str) -> Estimator:
    """softmax, sigmoid or nothing of x w + b."""
    name = root.kind.rpartition(".")[2]
    if len(classes) > 2 and (root.get("solver") == "liblinear" or root.get("multi_class") == "ovr"):
        raise OptimizerError("Its classes are each told from the rest (one-versus-rest), which is not read here.", where,
                             "Train with the solver lbfgs.", "unread-type")
    slopes = np.atleast_2d(np.asarray(root["coef_"], np.float32))
    outputs, features = slopes.shape
    wanted = len(classes) if len(classes) > 2 else 1
    if outputs != wanted:
        raise broken(f"It has {outputs} lines for {wanted} outputs.", where)
    start = np.broadcast_to(np.asarray(root["intercept_"], np.float32).ravel(), (outputs,))
    if not (np.isfinite(slopes).all() and np.isfinite(start).all()):
        raise broken("A coefficient is not a finite number.", where)
    link = "Softmax" if len(classes) > 2 else "Sigmoid" if classes else ""
    nodes = [helper.make_node("Gemm", ["input", "slopes", "start"], ["sum" if link else "output"], "line", transB=1)]
    nodes += [helper.make_node(link, ["sum"], ["output"], "link")] if link else []
    proto = model_of(nodes, [tensor(slopes, "slopes"), tensor(start, "start")], features, outputs)
    return Estimator(proto, f"scikit-learn {name}", "classification" if classes else "regression", (), classes, columns)


def scaled(model: Estimator, scalers: list[Thing], columns: tuple[str, ...]) -> Estimator:
    """The model behind the scalers: trees get other thresholds, lines get (x - shift) / scale before them."""
    features = model.proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pairs = [shift_and_scale(scaler, features) for scaler in scalers]
    trees = tuple(seen_through(part, pairs) for part in model.trees)
    proto = graph_of(*trees) if trees else behind(model.proto, pairs)
    title = f"{model.title} behind {', '.join(scaler.kind.rpartition('.')[2] for scaler in scalers)}"
    return dataclasses.replace(model, proto=proto, trees=trees, title=title, columns=columns or model.columns)


def behind(proto: onnx.ModelProto, pairs: list[tuple[np.ndarray, np.ndarray]]) -> onnx.ModelProto:
    """A graph whose input goes through Sub and Div first."""
    fresh, into, nodes = copied(proto), "input", []
    for place, pair in enumerate(pairs):
        for operator, values in zip(("Sub", "Div"), pair):
            out = f"{operator.lower()}{place}"
            fresh.graph.initializer.append(tensor(values, f"{out} by"))
            nodes.append(helper.make_node(operator, [into, f"{out} by"], [out], out))
            into = out
    for node in fresh.graph.node:
        node.input[:] = [into if name == "input" else name for name in node.input]
    nodes += fresh.graph.node
    del fresh.graph.node[:]
    fresh.graph.node.extend(nodes)
    onnx.checker.check_model(fresh)
    return fresh


def shift_and_scale(scaler: Thing, features: int) -> tuple[np.ndarray, np.ndarray]:
    """(features,) each.  Raises OptimizerError for scales that are not above zero, or of another width."""
    kind = scaler.kind.rpartition(".")[2]
    shift, scale = np.zeros(features), np.ones(features)
    if kind == "MinMaxScaler":
        if scaler.get("clip"):
            raise OptimizerError("The scaler cuts values off (clip).", kind, "Train with clip=False.", "unread-type")
        scale = 1 / np.asarray(scaler["scale_"], np.float64)
        shift = -np.asarray(scaler["min_"], np.float64) * scale
    else:
        centre, spread = scaler.get("center_" if kind == "RobustScaler" else "mean_"), scaler.get("scale_")
        off = not scaler.get("with_centering" if kind == "RobustScaler" else "with_mean", kind != "MaxAbsScaler")
        shift = shift if off or centre is None else np.asarray(centre, np.float64)
        scale = scale if spread is None else np.asarray(spread, np.float64)
    if shift.shape != (features,) or scale.shape != (features,) or not np.isfinite([shift, scale]).all() or not (scale > 0).all():
        raise broken("A scaler has another width than the model, or a scale that is not above zero.", kind)
    return shift, scale


def tensor(values: Any, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
