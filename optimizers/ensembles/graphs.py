"""Estimators that are no trees as ONNX, and several estimators as one: lines, neighbours, small networks, means and stacks."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from optimizers.models.trees_onnx import model_of

LINKS = {"sigmoid": "Sigmoid", "softmax": "Softmax"}


def dense(layers: list[tuple[np.ndarray, np.ndarray]], link: str, mean: np.ndarray, deviation: np.ndarray) -> onnx.ModelProto:
    """Layers of (weights (ins, outs), bias (outs,)) with ReLU between, then the link. Rows are standardized first, inside the weights.

    One layer is a linear model.
    """
    first, bias = np.asarray(layers[0][0], np.float64), np.asarray(layers[0][1], np.float64)
    scaled = first / deviation[:, None]
    whole = [(scaled, bias - mean @ scaled), *layers[1:]]
    nodes, weights, at = [], [], "input"
    for number, (kernel, shift) in enumerate(whole):
        last = number == len(whole) - 1
        weights += [stored(kernel, f"layer{number}.weight"), stored(shift, f"layer{number}.bias")]
        out = f"layer{number}" if not last else "output" if link == "none" else "sum"
        nodes.append(helper.make_node("Gemm", [at, f"layer{number}.weight", f"layer{number}.bias"], [out], f"layer{number}"))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"{out}.relu"], f"{out}.relu"))
        at = out if last else f"{out}.relu"
    nodes += [helper.make_node(LINKS[link], ["sum"], ["output"], "link")] if link != "none" else []
    return model_of(nodes, weights, len(first), whole[-1][0].shape[1])


def neighbours(rows: np.ndarray, said: np.ndarray, k: int, mean: np.ndarray, deviation: np.ndarray) -> onnx.ModelProto:
    """Mean of what the k nearest of `rows` (n, features) said (n, outputs), by Euclidean distance in standardized units.

    |x - z|² = |x|² - 2 x z + |z|², and |x|² changes no order, so it is left out.
    """
    near = (rows - mean) / deviation
    kernel = -2 * near.T / deviation[:, None]
    shift = (near**2).sum(axis=1) - mean @ kernel
    weights = [stored(kernel, "rows.weight"), stored(shift, "rows.bias"), stored(said, "said"),
               numpy_helper.from_array(np.array([k], np.int64), "k"), numpy_helper.from_array(np.array([1], np.int64), "axis")]
    nodes = [helper.make_node("Gemm", ["input", "rows.weight", "rows.bias"], ["distance"], "distance"),
             helper.make_node("TopK", ["distance", "k"], ["nearest", "which"], "nearest", axis=1, largest=0, sorted=0),
             helper.make_node("Gather", ["said", "which"], ["votes"], "votes", axis=0),
             helper.make_node("ReduceMean", ["votes"], ["output"], "mean", axes=[1], keepdims=0)]
    return model_of(nodes, weights[:-1], rows.shape[1], said.shape[1])


def mean_of(members: list[onnx.ModelProto], shares: np.ndarray, features: int, outputs: int) -> onnx.ModelProto:
    """Weighted mean of what the members answer.  shares (members,): sum to one."""
    nodes, weights, answers = together(members, "input")
    parts = []
    for number, (answer, share) in enumerate(zip(answers, shares)):
        weights.append(numpy_helper.from_array(np.array(share, np.float32), f"share{number}"))
        nodes.append(helper.make_node("Mul", [answer, f"share{number}"], [f"part{number}"], f"part{number}"))
        parts.append(f"part{number}")
    nodes.append(helper.make_node("Sum", parts, ["output"], "mean"))
    return model_of(nodes, weights, features, outputs)


def stack_of(layers: list[list[onnx.ModelProto]], last: tuple[np.ndarray, np.ndarray, str], features: int) -> onnx.ModelProto:
    """Layers of members: each layer after the first sees the row and what the layer before answered; `last` is the linear model
    (weights (answers, outputs), bias (outputs,), link) over what the last layer answers.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    answers: list[str] = []
    at = "input"
    for depth, members in enumerate(layers):
        if depth:
            nodes.append(helper.make_node("Concat", ["input", *answers], [f"wide{depth}"], f"wide{depth}", axis=1))
            at = f"wide{depth}"
        more, held, answers = together(members, at, f"level{depth}.")
        nodes, weights = nodes + more, weights + held
    kernel, shift, link = last
    nodes.append(helper.make_node("Concat", answers, ["answers"], "answers", axis=1))
    nodes.append(helper.make_node("Gemm", ["answers", "last.weight", "last.bias"], ["output" if link == "none" else "sum"], "last"))
    weights += [stored(kernel, "last.weight"), stored(shift, "last.bias")]
    nodes += [helper.make_node(LINKS[link], ["sum"], ["output"], "link")] if link != "none" else []
    return model_of(nodes, weights, features, kernel.shape[1])


def together(members: list[onnx.ModelProto], at: str, prefix: str = "") -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], list[str]]:
    """Nodes and weights of all members under names of their own, reading `at`; and what each one's output is called."""
    nodes, weights, answers = [], [], []
    for number, member in enumerate(members):
        mine = f"{prefix}m{number}."
        name = lambda value: at if value == "input" else mine + value if value else value  # noqa: B023 (used at once)
        for node in member.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = mine + node.name
            copy.input[:] = [name(value) for value in node.input]
            copy.output[:] = [name(value) for value in node.output]
            nodes.append(copy)
        for tensor in member.graph.initializer:
            held = onnx.TensorProto()
            held.CopyFrom(tensor)
            held.name = mine + tensor.name
            weights.append(held)
        answers.append(f"{mine}output")
    return nodes, weights, answers


def stored(array: np.ndarray, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
