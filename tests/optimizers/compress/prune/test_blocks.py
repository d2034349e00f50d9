"""Blocks go whole: the branch's nodes leave the file, what is left computes x alone, and the cheapest goes first."""

import numpy as np
import pytest
from onnx import helper

from optimizers.cards import ModelCard
from optimizers.compress.prune.blocks import BlockPruning
from optimizers.compress.prune.blocks_found import blocks, macs, without
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.errors import OptimizerError
from optimizers.models import graph, zoo
from optimizers.models.rewrite import with_tensors
from tests.optimizers.compress.toys import net, noise, small

node = helper.make_node


def conv(x, weight, y, name):
    return node("Conv", [x, weight], [y], name, pads=[1] * 4)


TWO = [conv("x", "stem", "0", "stem"), conv("0", "a", "1", "first"), node("Add", ["0", "1"], ["2"], "sum1"),
       conv("2", "b", "3", "second"), node("Add", ["3", "2"], ["4"], "sum2"), node("GlobalAveragePool", ["4"], ["5"]),
       node("Flatten", ["5"], ["y"])]


def stored(a=1.0, b=1.0):
    return {"stem": small(4, 1, 3, 3), "a": a * small(4, 4, 3, 3, seed=1), "b": b * small(4, 4, 3, 3, seed=2)}


def test_resnet8_has_one_block_that_keeps_its_shape():
    """Blocks two and three have a projection around them. 2 convolutions x 28 x 28 places x 16 x 16 x 9 weights."""
    proto = zoo.build("resnet8", (1, 28, 28), 10).proto
    (block,) = blocks(proto)
    assert block.name == "block1.add" and block.macs == 2 * 28 * 28 * 16 * 16 * 9
    assert macs(proto) - macs(without(proto, block)) == block.macs


def test_the_graph_without_a_block_computes_what_a_silent_branch_would():
    proto = net(TWO, stored(), (1, 6, 6)).proto
    x = np.random.default_rng(0).normal(size=(3, 1, 6, 6)).astype(np.float32)
    for block, weight in zip(blocks(proto), "ab", strict=True):
        silent = with_tensors(proto, {weight: np.zeros((4, 4, 3, 3), np.float32)})
        cut = without(proto, block)
        assert np.allclose(graph.run(silent, x)[0], graph.run(cut, x)[0], atol=1e-6)
        assert weight not in graph.constants(cut) and len(cut.graph.node) == len(TWO) - 2


@pytest.mark.parametrize(("weak", "gone"), [("a", "first"), ("b", "second")])
def test_the_block_that_says_least_goes_first(context, weak, gone):
    network = net(TWO, stored(**{weak: 1e-3}), (1, 6, 6))
    before = network.serialize()
    pruned = BlockPruning().apply(network, noise((1, 6, 6), classes=4), context)
    assert {n.name for n in pruned.proto.graph.node if n.op_type == "Conv"} == {"stem", "first", "second"} - {gone}
    assert network.serialize() == before and [row.layer for row in pruned.sensitivity] == ["sum1", "sum2"]
    assert "nodes 7 \u2192 5" in pruned.notes[0]


def test_without_labels_the_outputs_decide(tmp_path):
    rows = noise((1, 6, 6)).train
    bare = Split(rows.x, np.full(len(rows.x), -1))
    pruned = BlockPruning().apply(net(TWO, stored(b=1e-3), (1, 6, 6)), Dataset(bare, bare, bare, "array", "unlabelled"), Context(tmp_path))
    assert {n.name for n in pruned.proto.graph.node if n.op_type == "Conv"} == {"stem", "first"}
    assert pruned.sensitivity[1].error < 1e-3 < pruned.sensitivity[0].error


def test_share_and_keep(context):
    """Attention and MLP of four layers are eight blocks; those of the first two layers are kept."""
    network, data = zoo.build("vit-small", (1, 16, 16), 10), noise((1, 16, 16))
    names = [block.name for block in blocks(network.proto)]
    assert names == [f"block{layer}.add{half}" for layer in range(1, 5) for half in (1, 2)]
    pruned = BlockPruning(share=0.3, keep=tuple(names[:4])).apply(network, data, context)
    left = [block.name for block in blocks(pruned.proto)]
    assert left[:4] == names[:4] and len(left) < 8
    assert macs(pruned.proto) <= 0.7 * macs(network.proto)
    pruned.to_torch()


def test_a_sum_that_is_the_output_keeps_its_name(context):
    nodes = [conv("x", "stem", "0", "stem"), conv("0", "a", "1", "first"), node("Add", ["0", "1"], ["y"], "last")]
    pruned = BlockPruning().apply(net(nodes, {k: v for k, v in stored().items() if k != "b"}, (1, 2, 2)), noise((1, 2, 2), classes=16),
                                  context)
    assert [n.op_type for n in pruned.proto.graph.node] == ["Conv", "Identity"] and pruned.proto.graph.output[0].name == "y"


def test_sums_inside_an_activation_and_of_two_layers_are_no_blocks():
    bent = [conv("x", "stem", "0", "stem"), node("Mul", ["0", "0"], ["s"]), node("Mul", ["s", "0"], ["c"]),
            node("Add", ["0", "c"], ["i"], "inner"), node("Tanh", ["i"], ["t"]), conv("0", "a", "1", "first"),
            conv("0", "b", "2", "second"), node("Add", ["1", "2"], ["3"], "both"), node("Add", ["3", "t"], ["y"])]
    assert [block.name for block in blocks(net(bent, stored(), (1, 6, 6)).proto)] == []


def test_refusals_and_label(context):
    card = ModelCard(kind="onnx", family="network", title="", operators={"Conv": 3})
    assert BlockPruning().refuse(card, None, None).code == "no-blocks"
    assert BlockPruning().refuse(card.model_copy(update={"operators": {"Conv": 3, "Add": 1}}), None, None) is None
    network = net(TWO, stored(), (1, 6, 6))
    with pytest.raises(OptimizerError, match="no block named 'nowhere'"):
        BlockPruning(keep=("nowhere",)).apply(network, noise((1, 6, 6), classes=4), context)
    with pytest.raises(OptimizerError, match="No block of this network can go"):
        BlockPruning(keep=("sum1", "sum2")).apply(network, noise((1, 6, 6), classes=4), context)
    assert [BlockPruning().label(), BlockPruning(count=2).label()] == ["prune a block", "prune 2 blocks"]
