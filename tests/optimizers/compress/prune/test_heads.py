"""Heads go whole: columns of queries, keys and values, rows of the output layer, and every Reshape in between follows."""

import numpy as np
import pytest
import torch
from onnx import helper

from optimizers.cards import DatasetCard, ModelCard
from optimizers.compress.prune.heads import HeadPruning
from optimizers.compress.prune.heads_found import Finder
from optimizers.compress.prune.heads_trace import Untraceable, shrunk
from optimizers.compress.prune.heads_work import least
from optimizers.errors import OptimizerError
from optimizers.models import graph, zoo
from tests.optimizers.compress.toys import net, noise, small

node = helper.make_node
TOKENS, HEADS, SIZE = 5, 4, 3
WIDTH = HEADS * SIZE


def after(name, perm=(0, 2, 1, 3)):
    return [node("Reshape", [name, "to_heads"], [f"{name}h"]), node("Transpose", [f"{name}h"], [f"{name}t"], perm=perm)]


def rest(table=False):
    scores = [node("MatMul", ["qt", "kt"], ["scores"]), node("Div", ["scores", "root"], ["scaled"])]
    scores += [node("Add", ["scaled", "table"], ["added"])] if table else [node("Identity", ["scaled"], ["added"])]
    return [*scores, node("Softmax", ["added"], ["p"], "softmax", axis=-1), node("MatMul", ["p", "vt"], ["mixed"]),
            node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]), node("Reshape", ["back", "to_width"], ["joined"]),
            node("MatMul", ["joined", "wo"], ["out"], "out"), node("Add", ["x", "out"], ["sum"]),
            node("ReduceMean", ["sum"], ["y"], axes=[1], keepdims=0)]


STORED = {"to_heads": np.array([0, TOKENS, HEADS, SIZE]), "to_width": np.array([-1, TOKENS, WIDTH]), "root": np.float32(SIZE**0.5),
          "wo": small(WIDTH, WIDTH, seed=4)}
SPLIT = [node("MatMul", ["x", "w"], ["w_out"]), node("Add", ["w_out", "b"], ["qkv"]),
         node("Split", ["qkv"], ["q", "k", "v"], axis=2), *after("q"), *after("k", (0, 2, 3, 1)), *after("v")]
# as vision transformers often write it: one layer, (tokens, 3, heads, size), turned, then picked apart
INDEXED = [node("MatMul", ["x", "w"], ["w_out"]), node("Add", ["w_out", "b"], ["qkv"]), node("Reshape", ["qkv", "to_three"], ["three"]),
           node("Transpose", ["three"], ["turned"], perm=[2, 0, 3, 1, 4]), node("Gather", ["turned", "i0"], ["qt"], axis=0),
           node("Gather", ["turned", "i1"], ["k_"], axis=0), node("Gather", ["turned", "i2"], ["vt"], axis=0),
           node("Transpose", ["k_"], ["kt"], perm=[0, 1, 3, 2])]
FUSED = STORED | {"w": small(WIDTH, 3 * WIDTH), "b": small(3 * WIDTH), "to_three": np.array([0, TOKENS, 3, HEADS, SIZE]),
                  "i0": np.int64(0), "i1": np.int64(1), "i2": np.int64(2), "table": small(1, HEADS, TOKENS, TOKENS)}
ROW = (TOKENS, WIDTH)


def used(nodes, stored):
    return {name: array for name, array in stored.items() if any(name in n.input for n in nodes)}


@pytest.mark.parametrize("nodes", [[*SPLIT, *rest()], [*INDEXED, *rest(table=True)]], ids=["split", "indexed"])
def test_a_fused_layer_loses_the_columns_of_the_heads_that_say_least(context, nodes):
    """Heads 1 and 2 have a hundredth of the weight in the output layer. Of 3 x 4 heads x 3 columns, 3 x 2 x 3 stay: those of 0 and 3."""
    stored = used(nodes, FUSED)
    stored["wo"] = stored["wo"].copy()
    stored["wo"][SIZE:3 * SIZE] *= 0.01
    network = net(nodes, stored, ROW)
    pruned = HeadPruning(share=0.5).apply(network, noise(ROW, classes=WIDTH), context)
    now = graph.constants(pruned.proto)
    kept = [part * WIDTH + head * SIZE + place for part in range(3) for head in (0, 3) for place in range(SIZE)]
    assert np.array_equal(now["w"], stored["w"][:, kept]) and np.array_equal(now["b"], stored["b"][kept])
    assert np.array_equal(now["wo"], stored["wo"][[0, 1, 2, 9, 10, 11]])
    if "table" in stored:
        assert np.array_equal(now["table"], stored["table"][:, [0, 3]])
    x = pruned.feed(noise(ROW).test.x[:3])
    assert np.allclose(pruned.to_torch()(torch.from_numpy(x)).detach().numpy(), graph.run(pruned.proto, x)[0], atol=1e-5)
    assert "softmax 4 \u2192 2" in pruned.notes[1]


@pytest.mark.parametrize("how", [{"scope": "layer"}, {"score": "taylor"}], ids=["layer", "taylor"])
def test_a_vision_transformer_of_the_zoo(context, how):
    network = zoo.build("vit-small", (1, 16, 16), 10)
    before = network.serialize()
    pruned = HeadPruning(share=0.5, **how).apply(network, noise((1, 16, 16)), context)
    now = graph.constants(pruned.proto)
    widths = [now[f"block{layer}.attention.query.weight"].shape[1] for layer in range(1, 5)]
    assert sum(widths) == 4 * 64 // 2 and all(width % 16 == 0 for width in widths) and network.serialize() == before
    if how.get("scope") == "layer":
        assert widths == [32] * 4
    for layer, width in enumerate(widths, 1):
        shapes = [now[f"block{layer}.attention.{part}.weight"].shape for part in ("query", "key", "value", "out")]
        assert shapes == [(64, width)] * 3 + [(width, 64)]


def test_taylor_keeps_the_head_that_matters(context):
    """The values of all heads but the last are zero: nothing they say reaches the loss."""
    nodes, stored = [*SPLIT, *rest()], used([*SPLIT, *rest()], FUSED)
    stored = stored | {"w": stored["w"].copy(), "b": stored["b"].copy()}
    stored["w"][:, 2 * WIDTH:-SIZE] = 0
    stored["b"][2 * WIDTH:-SIZE] = 0
    pruned = HeadPruning(share=0.75, score="taylor").apply(net(nodes, stored, ROW), noise(ROW, classes=WIDTH), context)
    assert np.array_equal(graph.constants(pruned.proto)["wo"], stored["wo"][-SIZE:])


def test_what_cannot_be_cut_is_named(context):
    apart = [node("MatMul", ["x", "wq"], ["q"]), node("MatMul", ["x", "wk"], ["k"]), node("MatMul", ["x", "wk"], ["v"]),
             *after("q"), *after("k", (0, 2, 3, 1)), *after("v"), *rest()]
    shared = net(apart, used(apart, STORED | {"wq": small(WIDTH, WIDTH), "wk": small(WIDTH, WIDTH, seed=1)}), ROW)
    assert Finder(shared.proto).attentions() == ([], {"softmax": "it shares its weights with another layer"})
    with pytest.raises(OptimizerError, match=r"No attention of this network can lose heads \(softmax: it shares"):
        HeadPruning().apply(shared, noise(ROW, classes=WIDTH), context)
    # one head of keys and values for all queries
    grouped = [node("MatMul", ["x", "wq"], ["q"]), node("MatMul", ["x", "wk"], ["k"]), node("MatMul", ["x", "wv"], ["v"]), *after("q"),
               *[node("Reshape", [name, "to_one"], [f"{name}h"]) for name in "kv"],
               node("Transpose", ["kh"], ["kt"], perm=[0, 2, 3, 1]), node("Transpose", ["vh"], ["vt"], perm=[0, 2, 1, 3]), *rest()]
    stored = STORED | {"wq": small(WIDTH, WIDTH), "wk": small(WIDTH, SIZE), "wv": small(WIDTH, SIZE, seed=2),
                       "to_one": np.array([0, TOKENS, 1, SIZE])}
    assert Finder(net(grouped, used(grouped, stored), ROW).proto).attentions()[1] == {
        "softmax": "queries and keys do not have as many heads each"}


def test_choosing_by_hand():
    scores = {"a": np.array([3.0, 4.0]), "b": np.array([5.0, 1.0, 2.0, 0.5])}
    assert least(scores, 0.5, False) == {"a": [0], "b": [1, 3]}
    assert least(scores, 0.5, True) == {"a": [], "b": [1, 2, 3]}, "3 / 5 is more than 2 / 5.5"
    assert least(scores, 0.95, True) == {"a": [0], "b": [1, 2, 3]}, "one stays in each"


def test_extents_that_shrink():
    x = np.arange(12).reshape(1, 4, 3)
    assert shrunk(x, np.arange(3, 9)) == (1, 2, 3) and shrunk(x, np.array([], int)) == (1, 4, 3)
    with pytest.raises(Untraceable):
        shrunk(x, np.array([0, 4]))


def test_refusals_and_label(context):
    card = ModelCard(kind="onnx", family="network", title="", operators={"Conv": 3, "Softmax": 1})
    assert HeadPruning().refuse(card, None, None).code == "no-heads"
    assert HeadPruning().refuse(card.model_copy(update={"family": "graph"}), None, None).code == "graph-only"
    unlabelled = DatasetCard(kind="array", title="", task="unlabelled")
    assert HeadPruning(score="taylor").refuse(None, unlabelled, None).code == "no-labels"
    with pytest.raises(OptimizerError, match="no attention named 'nowhere'"):
        HeadPruning(keep=("nowhere",)).apply(net([*SPLIT, *rest()], used([*SPLIT, *rest()], FUSED), ROW), noise(ROW), context)
    assert HeadPruning(share=0.25).label() == "prune heads 25\u202f%"
