"""A graph of trees as one ensemble, and that as a library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from optimizers.errors import OptimizerError
from optimizers.export.library import Library, compiled, needed
from optimizers.export.trees_server import source
from optimizers.models.graph import constants
from optimizers.models.trees import Link, Trees, gathered
from optimizers.models.trees_onnx import KINDS, trees_of

LINKS: dict[str, Link] = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


def library_of(proto: onnx.ModelProto) -> Library:
    """The compiled trees of a graph.  Raises OptimizerError naming the node where there is more than trees, sums and a link, and where no
    C compiler is here.
    """
    needed()
    trees = ensemble_of(proto)
    names = (proto.graph.input[0].name, proto.graph.output[0].name)
    return compiled(source(trees), trees.features, trees.outputs, names)


def ensemble_of(proto: onnx.ModelProto) -> Trees:
    """What the whole graph computes, as one ensemble: weighted sums of trees are trees, until a link is met."""
    given, held = proto.graph.input[0], constants(proto)
    features = given.type.tensor_type.shape.dim[1].dim_value if len(given.type.tensor_type.shape.dim) == 2 else 0
    found: dict[str, Trees] = {}
    for node in proto.graph.node:
        trees = [found[name] for name in node.input if name in found]
        if any(one.link != "none" for one in trees):
            raise beyond(node, "works on what came out of a link")
        if node.op_type in KINDS and list(node.input) == [given.name] and features:
            found[node.output[0]] = trees_of(node, features)
        elif node.op_type in LINKS and trees and linked(node, trees[0]):
            found[node.output[0]] = replace(trees[0], link=LINKS[node.op_type])
        elif node.op_type in ("Sum", "Add") and len(trees) == len(node.input):
            found[node.output[0]] = gathered(trees)
        elif node.op_type == "Mul" and len(trees) == 1 and (share := scalar(node, held)) is not None:
            found[node.output[0]] = replace(trees[0], values=trees[0].values * share, base=trees[0].base * share)
        elif node.op_type != "Constant":
            raise beyond(node, "is no tree, no weighted sum of trees and no link")
    last = proto.graph.output[0].name
    if len(proto.graph.output) != 1 or last not in found:
        raise OptimizerError("The graph's one output is not made by its trees.", last, "Keep the ONNX file.", "not-trees")
    return found[last]


def linked(node: onnx.NodeProto, trees: Trees) -> bool:
    """Whether the link works along the outputs of a row."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    return node.op_type == "Sigmoid" or axis in (-1, 1)


def scalar(node: onnx.NodeProto, held: dict[str, np.ndarray]) -> np.float32 | None:
    """The one number a Mul multiplies by."""
    array = next((held[name] for name in node.input if name in held), None)
    return np.float32(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def beyond(node: onnx.NodeProto, why: str) -> OptimizerError:
    return OptimizerError(f"{node.op_type} '{(node.name or node.output[0])[:80]}' {why}, so the graph cannot be compiled as trees.",
                          node.name or node.output[0], "Compile a forest or boosted trees, or keep the ONNX file.", "not-trees")
