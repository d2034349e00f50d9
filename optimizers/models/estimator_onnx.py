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
from optimizers.models.graph_shapes import free_inputs
from optimizers.models.trees import LEAF, Link, Trees
from optimizers.models.trees_onnx import DOMAIN, KINDS, graph_of, trees_of

PASSING = {"Identity", "Cast", "Scaler", "Normalizer", "Imputer", "Sigmoid", "Softmax", "Relu"}    # rows keep their width
MOST_STEPS = 50
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
    if len(rows(proto.graph)) != 1 or len(free_inputs(proto.graph)) != 1:
        raise OptimizerError(f"The model has {len(free_inputs(proto.graph))} inputs, and one of shape (batch, features) is read.", where,
                             "Convert it with a single input for the whole row.", "inputs")
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
    """Features of the rows that reach a node of trees, for a runtime does not look; raises OptimizerError where nobody can say."""
    makers = {name: maker for maker in graph.node for name in maker.output}
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    asked = max(next((attribute.ints for attribute in node.attribute if attribute.name == "nodes_featureids"), ()), default=0)

    def of(name: str, deep: int) -> int:
        maker = makers.get(name)
        if maker is None and name in rows(graph):
            return rows(graph)[name] or asked + 1           # a free extent is fixed later, to what its trees ask for
        if maker is None:
            raise untold("a name inside of control flow", where, node)
        if deep > MOST_STEPS:
            raise untold("a long chain of steps", where, node)
        if maker.op_type in PASSING:
            return of(maker.input[0], deep + 1)
        if maker.op_type == "Concat" and number(maker, "axis") in (1, -1):
            return sum(of(part, deep + 1) for part in maker.input)
        if maker.op_type == "Gemm" and len(shapes.get(maker.input[1], ())) == 2:
            return shapes[maker.input[1]][0 if number(maker, "transB") else 1]
        if maker.op_type == KINDS[0]:
            return number(maker, "n_targets")
        raise untold(maker.op_type[:60], where, node)

    return of(node.input[0], 0)


def rows(graph: onnx.GraphProto) -> dict[str, int]:
    """Extent of the second axis of each input, 0 where it is free."""
    found = {value.name: value.type.tensor_type.shape.dim for value in free_inputs(graph)}
    return {name: extents[1].dim_value for name, extents in found.items() if len(extents) == 2}


def number(node: onnx.NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def untold(what: str, where: str, node: onnx.NodeProto) -> OptimizerError:
    return OptimizerError(f"The trees stand behind {what}, so nobody can say how wide their rows are.", f"{where}, node '{node.name[:80]}'",
                          "Convert the trees alone, or with a scaler before them.", "unread-type")


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
    extents = free_inputs(graph)[0].type.tensor_type.shape.dim
    if features and not extents[1].dim_value:
        extents[1].dim_value = features
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
    if len(parts) != 1 or len(bare.graph.output) != 1 or len(others) > 1:
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
