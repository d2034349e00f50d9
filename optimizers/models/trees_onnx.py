"""Trees as ONNX and back: TreeEnsembleRegressor of ai.onnx.ml, whose targets are the outputs, and the link as an operator of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from optimizers.errors import OptimizerError
from optimizers.models.trees import LEAF, Link, Trees, broken, checked, compacted, refuse_size

DOMAIN = "ai.onnx.ml"
OPSET, ML_OPSET = 17, 3
LINKS: dict[Link, str] = {"sigmoid": "Sigmoid", "softmax": "Softmax"}
MODES = {"BRANCH_LEQ": 0, "BRANCH_LT": 1, "BRANCH_GT": 2, "BRANCH_GTE": 3}
KINDS = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")


def graph_of(trees: Trees) -> onnx.ModelProto:
    """The whole model: "input" (batch, features) float32 to "output" (batch, outputs) float32."""
    nodes = [node_of(trees, "input", "output" if trees.link == "none" else "sum", "trees")]
    if trees.link != "none":
        nodes.append(helper.make_node(LINKS[trees.link], ["sum"], ["output"], "link"))
    return model_of(nodes, [], trees.features, trees.outputs)


def model_of(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], features: int, outputs: int) -> onnx.ModelProto:
    """A checked model of these nodes, from "input" to "output"."""
    graph = helper.make_graph(nodes, "estimator", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", features])],
                              [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", outputs])], weights)
    model = helper.make_model(graph, producer_name="espalier", ir_version=8,
                              opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, ML_OPSET)])
    onnx.checker.check_model(model)
    return model


def node_of(trees: Trees, into: str, out: str, name: str) -> onnx.NodeProto:
    """One TreeEnsembleRegressor node."""
    owner, place = numbered(trees)
    inner = trees.feature != LEAF
    leaves = np.flatnonzero(~inner)
    held = trees.values[trees.leaf[leaves]]
    which, target = np.nonzero(held)
    none = np.setdiff1d(np.arange(len(leaves)), which)              # a leaf of nothing but zeros must be there all the same
    which, target = np.append(which, none), np.append(target, np.zeros(len(none), np.int64))
    order = np.lexsort((target, which))
    which, target = which[order], target[order]
    return helper.make_node(
        KINDS[0], [into], [out], name, domain=DOMAIN,
        nodes_treeids=owner, nodes_nodeids=place, nodes_featureids=np.where(inner, trees.feature, 0),
        nodes_values=np.where(inner, trees.threshold, 0).astype(np.float32),
        nodes_modes=["BRANCH_LEQ" if split else "LEAF" for split in inner],
        nodes_truenodeids=np.where(inner, place[trees.left], 0), nodes_falsenodeids=np.where(inner, place[trees.right], 0),
        nodes_missing_value_tracks_true=(trees.missing_left & inner).astype(np.int64),
        target_treeids=owner[leaves[which]], target_nodeids=place[leaves[which]], target_ids=target,
        target_weights=held[which, target].astype(np.float32), n_targets=trees.outputs, base_values=trees.base.astype(np.float32),
        aggregate_function="SUM", post_transform="NONE")


def numbered(trees: Trees) -> tuple[np.ndarray, np.ndarray]:
    """(nodes,) the tree each node belongs to, and its number there; nodes are compacted, so each tree is a stretch of them."""
    begins = np.sort(trees.roots)
    owner = np.searchsorted(begins, np.arange(trees.nodes), side="right") - 1
    return owner, np.arange(trees.nodes) - begins[owner]


def trees_in(proto: onnx.ModelProto) -> list[Trees]:
    """The trees of every such node of a graph of ours."""
    sources = {proto.graph.input[0].name: proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value}
    widest = max(2**31 - 2, *sources.values())              # a later layer of a stack reads a wider row
    return [trees_of(node, sources.get(node.input[0], widest)) for node in proto.graph.node if node.op_type in KINDS]


def trees_of(node: onnx.NodeProto, features: int) -> Trees:
    """The trees of a TreeEnsembleRegressor or -Classifier node.  Raises OptimizerError naming the node for what is not there: sets of
    categories, minimum or maximum instead of sums; and for lists that lie, which a runtime would follow out of its memory.
    """
    try:
        return walked(node, features)
    except (KeyError, ValueError, IndexError, TypeError, OverflowError, AttributeError) as fault:
        raise broken(f"Its lists do not belong together ({type(fault).__name__}: {str(fault)[:60]}).",
                     f"{node.op_type} '{node.name or ', '.join(node.output)}'"[:200]) from fault


def walked(node: onnx.NodeProto, features: int) -> Trees:
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    where = f"{node.op_type} '{node.name or node.output[0]}'"
    modes = [mode.decode() for mode in given.get("nodes_modes", [])]
    if odd := {mode for mode in modes if mode != "LEAF"} - set(MODES):
        raise OptimizerError(f"Its splits compare by {', '.join(sorted(odd))[:80]}, which is not read here.", where,
                             "Train it on one-hot or ordered features, or convert it with comparisons <= or <.", "tree-modes")
    if given.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE"):
        raise OptimizerError(f"Its trees are joined by {given['aggregate_function'].decode()[:40]}.", where,
                             "Only sums and means are read.", "tree-aggregate")
    refuse_lists(given, modes, features, where)
    key = {pair: number for number, pair in enumerate(zip(given["nodes_treeids"], given["nodes_nodeids"]))}
    find = lambda trees, nodes: np.array([key.get(pair, -1) for pair in zip(trees, nodes)], np.int32)
    inner = np.array([mode != "LEAF" for mode in modes], bool)
    mode = np.array([MODES.get(name, 0) for name in modes])
    thresholds = np.array(given["nodes_values"], np.float32)
    strict = (mode == MODES["BRANCH_LT"]) | (mode == MODES["BRANCH_GTE"])
    thresholds = np.where(strict, np.nextafter(thresholds, np.float32(-np.inf)), thresholds)
    turned = (mode == MODES["BRANCH_GT"]) | (mode == MODES["BRANCH_GTE"])
    yes, no = (find(given["nodes_treeids"], given[f"nodes_{side}nodeids"]) for side in ("true", "false"))
    tracks = np.array(given.get("nodes_missing_value_tracks_true") or np.zeros(len(modes)), bool)
    values = votes(given, node.op_type == KINDS[1], key, where)
    reached = np.zeros(len(modes), bool)
    reached[np.concatenate([yes[inner], no[inner]])] = True
    roots = np.flatnonzero(~reached).astype(np.int32)
    if len(roots) != len(set(given["nodes_treeids"])):
        raise broken(f"Of its {len(set(given['nodes_treeids'])):,} trees {len(roots):,} have a beginning.", where)
    if given.get("aggregate_function") == b"AVERAGE":
        values /= len(roots)
    base = np.zeros(values.shape[1], np.float32)
    base[:] = given.get("base_values") or 0
    link: Link = {b"LOGISTIC": "sigmoid", b"SOFTMAX": "softmax"}.get(given.get("post_transform", b"NONE"), "none")  # type: ignore[assignment]
    found = Trees(feature=np.where(inner, given["nodes_featureids"], LEAF).astype(np.int32), threshold=thresholds.astype(np.float32),
                  left=np.where(turned, no, yes), right=np.where(turned, yes, no), missing_left=tracks ^ turned,
                  leaf=np.arange(len(modes), dtype=np.int32), values=values, roots=roots, base=base, features=features, link=link)
    whole = compacted(checked(found, where))
    if whole.nodes != len(modes):           # what no root leads to is a circle, which a runtime may walk for ever
        raise broken(f"{len(modes) - whole.nodes:,} of its nodes go in circles.", where)
    return whole


def refuse_lists(given: dict[str, Any], modes: list[str], features: int, where: str) -> None:
    """One entry for each node, and features that rows have: a runtime looks neither up."""
    lengths = {len(given[name]) for name in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
                                             "nodes_truenodeids", "nodes_falsenodeids")}
    if lengths != {len(modes)}:
        raise broken("Its lists of nodes are of different lengths.", where)
    asked = np.array(given["nodes_featureids"], np.int64)[[mode != "LEAF" for mode in modes]]
    if len(asked) and not 0 <= asked.min() <= asked.max() < features:
        odd = asked.max() if asked.max() >= features else asked.min()
        raise broken(f"It asks for feature {int(odd)}, and rows have {features:,}.", where)


def votes(given: dict[str, Any], classifier: bool, key: dict[tuple[int, int], int], where: str) -> np.ndarray:
    """(nodes, outputs) what each node adds to each output; two classes of which only one is voted for are one output."""
    prefix = "class" if classifier else "target"
    labels = given.get("classlabels_int64s") or given.get("classlabels_strings") or [0, 0]
    outputs = len(labels) if classifier else int(given.get("n_targets", 1))
    ids = np.array(given[f"{prefix}_ids"], np.int64)
    if len(ids) and not 0 <= ids.min() <= ids.max() < outputs:
        raise broken("A leaf votes for an output that is not there.", where)
    refuse_size(len(key), outputs, where)
    if classifier and outputs == 2 and (ids == ids[:1]).all():
        outputs, ids = 1, np.zeros_like(ids)
    weights = np.array(given[f"{prefix}_weights"], np.float32)
    leaves = np.array([key.get(pair, -1) for pair in zip(given[f"{prefix}_treeids"], given[f"{prefix}_nodeids"])], np.int64)
    if len(key) < len(given["nodes_modes"]) or len({len(ids), len(leaves), len(weights)}) > 1 or (len(ids) and leaves.min() < 0):
        raise broken("Two nodes have one number, or a leaf stands in a node that is not there.", where)
    values = np.zeros((len(key), outputs), np.float32)
    np.add.at(values, (leaves, ids), weights)
    return values
