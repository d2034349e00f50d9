"""Fewer nodes, the same numbers: each kind of waste in one toy, what stays counted by hand."""

from collections import Counter

import numpy as np
import pytest
from onnx import helper

from optimizers.compress.graph import simplify_work
from optimizers.compress.graph.simplify import Simplification
from optimizers.models import graph, zoo
from tests.optimizers.compress.toys import net, noise, small

node = helper.make_node
WASTE = [
    node("Pad", ["x", "pads"], ["p"]), node("Conv", ["p", "a"], ["1"], "first"),          # the padding can be the convolution's own
    node("Mul", ["1", "one"], ["2"]), node("Identity", ["2"], ["3"]),                     # do nothing
    node("Relu", ["3"], ["4"]), node("Relu", ["4"], ["5"]), node("Relu", ["3"], ["6"]),   # one of three is enough
    node("Add", ["5", "6"], ["7"]),
    node("Transpose", ["7"], ["8"], perm=[0, 2, 3, 1]), node("Transpose", ["8"], ["9"], perm=[0, 3, 1, 2]),
    node("Dropout", ["9"], ["10"]), node("Exp", ["10"], ["dead"]),
    node("Conv", ["10", "b"], ["11"], "second"), node("BatchNormalization", ["11", "s", "t", "m", "v"], ["12"]),
    node("Shape", ["12"], ["shape"]), node("Gather", ["shape", "zero"], ["n"]), node("Unsqueeze", ["n", "axis"], ["rows"]),
    node("Concat", ["rows", "width"], ["to"], axis=0), node("Reshape", ["12", "to"], ["y"]),
]
STORED = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "a": small(8, 1, 3, 3), "one": np.float32(1), "b": small(4, 8, 3, 3), "s": small(4),
          "t": small(4), "m": small(4), "v": np.abs(small(4)), "zero": np.int64(0), "axis": np.array([0]), "width": np.array([4 * 6 * 6])}


def kinds(network):
    return Counter(n.op_type for n in network.proto.graph.node if n.op_type != "Constant")


def test_each_kind_of_waste_goes(context):
    network, data = net(WASTE, STORED, (1, 8, 8)), noise((1, 8, 8))
    made = Simplification().apply(network, data, context)
    assert kinds(made) == {"Conv": 2, "Relu": 1, "Add": 1, "Reshape": 1}
    assert [n.name for n in made.proto.graph.node if n.op_type == "Conv"] == ["first", "second"], "layers keep the names people know"
    assert np.allclose(graph.run(network.proto, data.test.x)[0], graph.run(made.proto, data.test.x)[0], atol=1e-5)
    assert made.notes[0].startswith("Nodes 19 \u2192 5, file ") and "Relu 3 \u2192 1" in made.notes[0]


def test_batch_norm_stays_where_training_follows(context):
    network, data = zoo.build("tiny-cnn", (1, 8, 8), 10), noise((1, 8, 8))
    assert kinds(Simplification().apply(network, data, context))["BatchNormalization"] == 0
    assert kinds(Simplification(fold_batch_norm=False).apply(network, data, context))["BatchNormalization"] == 3


def test_a_tidy_graph_is_left_as_it_is(context):
    network, data = zoo.build("mlp", (16,), 10), noise((16,))
    made = Simplification().apply(network, data, context)
    assert kinds(made) == kinds(network) and made.notes == ("Nothing in the graph could be simplified.",)


@pytest.mark.parametrize("fault", [lambda proto: 1 / 0, lambda proto: net(WASTE[:2], STORED, (1, 8, 8), ("1",)).proto],
                         ids=["raises", "other outputs"])
def test_a_pass_that_stumbles_or_lies_is_left_out(context, monkeypatch, fault):
    monkeypatch.setattr(simplify_work, "by_rules", fault)
    network = net(WASTE, STORED, (1, 8, 8))
    made = Simplification().apply(network, noise((1, 8, 8)), context)
    assert made.notes[-1].endswith("rules.") and kinds(made)["Relu"] == 3 and kinds(made)["Shape"] == 0
