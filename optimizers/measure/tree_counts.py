"""Trees, nodes and levels of an estimator, counted in the file that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from optimizers.measurement import Measurement
from optimizers.models.trees_onnx import KINDS, trees_of

if TYPE_CHECKING:
    import onnx

MOST_NODES = 200_000        # beyond it levels are not counted: reading the trees would take longer than it is worth


def measurements(proto: onnx.ModelProto) -> dict[str, Measurement]:
    """trees, tree_nodes and tree_depth over all nodes of trees in the graph; nothing where there is none."""
    found = [node for node in proto.graph.node if node.op_type in KINDS]
    if not found:
        return {}
    owners = [np.array(attribute(node, "nodes_treeids"), np.int64) for node in found]
    nodes = sum(len(owner) for owner in owners)
    told = {"trees": counted(sum(len(np.unique(owner)) for owner in owners), "trees", "Distinct trees"),
            "tree_nodes": counted(nodes, "nodes", "Splits and leaves")}
    if nodes <= MOST_NODES:
        deepest = max(int(trees_of(node, 1 + max(attribute(node, "nodes_featureids"))).depths.max(initial=0)) for node in found)
        told["tree_depth"] = counted(deepest, "levels", "Comparisons on the longest way of the deepest tree")
    return told


def counted(value: int, unit: str, words: str) -> Measurement:
    return Measurement(value=value, unit=unit, origin="measured", how=f"{words}, counted in model.onnx")


def attribute(node: onnx.NodeProto, name: str) -> list[int]:
    return next(helper.get_attribute_value(one) for one in node.attribute if one.name == name)
