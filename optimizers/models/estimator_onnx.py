"""ONNX files with operators of ai.onnx.ml, as skl2onnx and onnxmltools write them: one output of numbers, and the trees in our own form."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import onnx
from onnx import helper

from optimizers.errors import OptimizerError
from optimizers.models.estimator import Estimator
from optimizers.models.graph import copied, run
from optimizers.models.graph_facts import every_node
from optimizers.models.trees import LEAF, Link, Trees
from optimizers.models.trees_onnx import DOMAIN, KINDS, graph_of, trees_of

PASSING = {"Identity", "Cast", "Scaler", "Normalizer", "Imputer", "Sub", "Div", "Mul", "Add"}       # rows keep their width
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}
LINKS: dict[str, Link] = {"Sigmoid": "sigmoid", "Softmax": "softmax"}
CLOSE = 1e-4
ROWS = 200


def is_estimator(proto: onnx.ModelProto) -> bool:
    return any(node.domain == DOMAIN for node in every_node(proto.graph))


def of_onnx(proto: onnx.ModelProto, where: str) -> Estimator:
    """Raises OptimizerError for trees that a runtime would follow out of its memory: no runtime sees the file before this."""
    for node in every_node(proto.graph):
        if node.op_type == "TreeEnsemble" and node.domain == DOMAIN:
            raise OptimizerError("The operator TreeEnsemble (ai.onnx.ml 5) is not read here.", f"{where}, node '{node.name[:80]}'",
                                 "Convert with target_opset={'': 17, 'ai.onnx.ml': 3}.", "unread-type")
    nodes = [node for node in every_node(proto.graph) if node.op_type in KINDS]
    parts = tuple(trees_of(node, width(proto.graph, node, where)) for node in nodes)
    bare = only_scores(proto, max((part.features for part in parts), default=0))
    found = Estimator(bare, title(nodes, parts), task_of(list(every_node(proto.graph))), parts, classes_of(proto))
    own = rebuilt(bare, nodes, parts)
    if own is not None and agree(bare, own):
        return dataclasses.replace(found, proto=graph_of(own), trees=(own,))
    return found


def title(nodes: list[onnx.NodeProto], parts: tuple[Trees, ...]) -> str:
    total = sum(len(part.roots) for part in parts)
    return f"ONNX, {total:,} tree{'s' if total != 1 else ''}" if nodes else "ONNX estimator"


def task_of(nodes: list[onnx.NodeProto]) -> Literal["classification", "other"]:
    """Classification where a classifier says so; else the outputs' shape has to tell."""
    return "classification" if any(node.op_type.endswith("Classifier") and node.domain == DOMAIN for node in nodes) else "other"


def classes_of(proto: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the classes where all classifiers of the graph say the same."""
    found = set()
    for node in every_node(proto.graph):
        for attribute in node.attribute:
            if node.domain == DOMAIN and attribute.name.startswith("classlabels_") and (attribute.strings or attribute.ints):
                found.add(tuple(name.decode("utf-8", "replace")[:200] for name in attribute.strings) or tuple(map(str, attribute.ints)))
    return found.pop() if len(found) == 1 else ()


def width(graph: onnx.GraphProto, node: onnx.NodeProto, where: str) -> int:
    """Features of the rows that reach a node of trees; where the graph leaves them free, as many as its trees ask for."""
    makers = {name: maker for maker in graph.node for name in maker.output}
    name = node.input[0]
    for _ in range(len(graph.node)):
        if name not in makers:
            break
        if makers[name].op_type not in PASSING:
            raise OptimizerError(f"The trees stand behind {makers[name].op_type[:60]}, so nobody can say how wide their rows are.",
                                 f"{where}, node '{node.name[:80]}'", "Convert the trees alone, or with a scaler before them.", "unread-type")
        name = makers[name].input[0]
    value = next((value for value in graph.input if value.name == name), None)
    extents = value.type.tensor_type.shape.dim if value is not None else ()
    if len(extents) == 2 and extents[1].dim_value:
        return extents[1].dim_value
    asked = next((attribute.ints for attribute in node.attribute if attribute.name == "nodes_featureids"), ())
    if value is None or len(extents) != 2 or not asked or not 0 <= max(asked) < 10_000_000:
        raise OptimizerError("The trees do not stand behind an input of rows.", f"{where}, node '{node.name[:80]}'",
                             "Convert with an input of shape (batch, features).", "unread-type")
    return max(asked) + 1


def only_scores(proto: onnx.ModelProto, features: int) -> onnx.ModelProto:
    """A copy without ZipMap (a list of dictionaries) and without outputs of labels, whose input says how wide it is."""
    fresh = copied(proto)
    graph = fresh.graph
    for node in [node for node in graph.node if node.op_type == "ZipMap" and node.domain == DOMAIN]:
        at = [value.name for value in graph.output].index(node.output[0]) if node.output[0] in {v.name for v in graph.output} else -1
        if at >= 0:
            graph.output[at].CopyFrom(helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, ["batch", None]))
            graph.node.remove(node)
    kept = [value for value in graph.output if value.type.tensor_type.elem_type in FLOATS]
    if kept:
        del graph.output[:]
        graph.output.extend(kept)
    drop_unread(graph)
    if features and len(graph.input) == 1 and len(dims := graph.input[0].type.tensor_type.shape.dim) == 2 and not dims[1].dim_value:
        dims[1].dim_value = features
    return fresh


def drop_unread(graph: onnx.GraphProto) -> None:
    """Take out nodes that nothing reads any more."""
    wanted = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            wanted.update(name for inner in every_inner(node) for name in inner.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def every_inner(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [inner for attribute in node.attribute if attribute.HasField("g") for inner in every_node(attribute.g)]


def rebuilt(bare: onnx.ModelProto, nodes: list[onnx.NodeProto], parts: tuple[Trees, ...]) -> Trees | None:
    """The one ensemble that the whole graph is, with the link after it; None where the graph holds more."""
    others = [node for node in bare.graph.node if node.op_type not in (*KINDS, "Identity", "Cast")]
    if len(parts) != 1 or len(bare.graph.output) != 1 or len(bare.graph.input) != 1 or len(others) > 1:
        return None
    if not others:
        return parts[0]
    if others[0].op_type not in LINKS or parts[0].link != "none" or nodes[0].op_type != KINDS[0]:
        return None
    return dataclasses.replace(parts[0], link=LINKS[others[0].op_type])


def agree(bare: onnx.ModelProto, own: Trees) -> bool:
    """Whether our trees answer as the file does in the runtime, on rows drawn around the thresholds."""
    chance, split = np.random.default_rng(0), own.feature != LEAF
    rows = np.zeros((ROWS, own.features), np.float32)
    with np.errstate(all="ignore"):
        for feature in np.unique(own.feature[split])[:10_000]:
            drawn = chance.choice(own.threshold[split & (own.feature == feature)], ROWS)
            rows[:, feature] = np.where(np.isfinite(drawn), drawn, 0) + chance.choice(np.array([-1, -0.1, 0, 0.1, 1], np.float32), ROWS)
        try:
            theirs = np.asarray(run(bare, rows)[0], np.float32).reshape(ROWS, -1)
        except Exception:                   # the runtime's own classes have no common base but this; it is tried again, and told, later
            return False
        mine = own.predict(rows)
        return theirs.shape[1] in (mine.shape[1], mine.shape[1] + 1) and np.allclose(theirs[:, -mine.shape[1]:], mine, CLOSE, CLOSE)
