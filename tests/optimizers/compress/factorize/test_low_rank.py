"""Layers become products of thinner ones: exact where the weights have that rank, cheaper in the file, equal in torch and runtime."""

import dataclasses

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import Layer, ModelCard
from optimizers.compress.factorize.factors import khatri_rao, projected, unfolded
from optimizers.compress.factorize.low_rank import LowRank
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError, Stopped
from optimizers.measure.shipped import Shipped
from optimizers.models import graph, zoo
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.models.rewrite import with_tensors
from optimizers.recipe import Recipe


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return rng(seed).normal(size=shape).astype(np.float32)


def data_of(*row, rows=200):
    split = Split(normal(rows, *row), rng().integers(0, 10, rows))
    return Dataset(split, split, split, "array", "classification", tuple("0123456789"))


def net(nodes, stored, row, outputs=("y",)):
    body = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                             [numpy_helper.from_array(array, name) for name, array in stored.items()])
    return Network(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), Preprocessing(scale="none"))


def macs(network):
    return graph.analyse(network.proto).macs


def apart(one, other, x):
    """Largest difference of what two networks answer; the second must answer the same in torch."""
    before, after = graph.run(one.proto, x)[0], graph.run(other.proto, x)[0]
    assert np.allclose(other.to_torch()(torch.from_numpy(x)).detach().numpy(), after, atol=1e-3)
    return float(np.abs(before - after).max())


def dense(rank=3):
    """12 -> 20 of a given rank, relu, 20 -> 10."""
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["1"], "wide", transB=1), helper.make_node("Relu", ["1"], ["2"]),
             helper.make_node("Gemm", ["2", "v"], ["y"], "head")]
    return net(nodes, {"w": normal(20, rank) @ normal(rank, 12, seed=1), "b": normal(20), "v": normal(20, 10)}, (12,))


@pytest.mark.parametrize("by", ["outputs", "weights"])
def test_a_layer_of_rank_three_becomes_two_of_width_three(tmp_path, by):
    network, data = dense(), data_of(12)
    before = network.serialize()
    made = LowRank(rank="energy", energy=0.99999, by=by, round_to=1, keep=("head",)).apply(network, data, Context(tmp_path))
    assert macs(network) == 20 * 12 + 200 and macs(made) == 3 * (20 + 12) + 200      # 240 -> 96
    assert apart(network, made, data.test.x) < 1e-3
    assert network.serialize() == before
    assert "Not treated: head (asked for)." in made.notes


def test_the_budget_is_kept_and_spent_where_least_is_lost(tmp_path):
    """The first layer has rank 3 and the second full rank: half of all work comes out of the first alone."""
    made = LowRank(share=0.3, round_to=1).apply(dense(), data_of(12), Context(tmp_path))
    assert 1 - macs(made) / 440 >= 0.3
    names = [node.name for node in made.proto.graph.node if node.op_type == "Gemm"]
    assert names == ["wide.0", "wide.1", "head"]
    assert "Left whole: head." in made.notes


def kernel_of(form):
    """(6, 5, 3, 3) that a form holds exactly."""
    if form == "cp":
        return np.einsum("or,ir,hr,wr->oihw", normal(6, 2), normal(5, 2, seed=1), normal(3, 2, seed=2), normal(3, 2, seed=3))
    if form == "tucker":
        return np.einsum("os,sihw->oihw", normal(6, 2), np.einsum("srhw,ri->sihw", normal(2, 2, 3, 3), normal(2, 5, seed=1)))
    return np.einsum("orw,rih->oihw", normal(6, 1, 3), normal(1, 5, 3, seed=1))


STEPS = [{"pads": [1] * 4}, {"pads": [1, 0, 2, 1], "strides": [2, 1]}, {"pads": [2] * 4, "dilations": [2, 2]}, {"auto_pad": "SAME_UPPER"},
         {"auto_pad": "VALID", "strides": [2, 2]}]


@pytest.mark.parametrize("steps", STEPS, ids=["same", "uneven", "dilated", "automatic", "valid"])
@pytest.mark.parametrize("form", ["cp", "tucker", "spatial"])
def test_a_kernel_of_the_form_is_kept_exactly(tmp_path, form, steps):
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", **steps)]
    network, data = net(nodes, {"w": kernel_of(form).astype(np.float32), "b": normal(6)}, (5, 8, 9)), data_of(5, 8, 9, rows=64)
    made = LowRank(rank="energy", energy=0.999, convolutions=form, round_to=1, sweeps=200).apply(network, data, Context(tmp_path))
    assert apart(network, made, data.test.x[:4]) < 0.02 * float(np.abs(graph.run(network.proto, data.test.x[:4])[0]).max())
    assert macs(made) < macs(network)
    assert {node.op_type for node in made.proto.graph.node} == {"Conv"}
    assert len(made.proto.graph.node) == {"cp": 4, "tucker": 3, "spatial": 2}[form]


def test_a_batch_norm_stays_behind_the_last_factor(tmp_path):
    norm = {"s": normal(8) ** 2 + 0.5, "t": normal(8), "m": normal(8, seed=2), "v": normal(8, seed=3) ** 2 + 0.1}
    nodes = [helper.make_node("Conv", ["x", "w"], ["1"], "point"), helper.make_node("BatchNormalization", ["1", *norm], ["y"], "norm")]
    weight = (normal(8, 2) @ normal(2, 8, seed=1)).reshape(8, 8, 1, 1)
    network, data = net(nodes, {"w": weight, **norm}, (8, 4, 4)), data_of(8, 4, 4, rows=64)
    made = LowRank(rank="energy", energy=0.9999, round_to=1).apply(network, data, Context(tmp_path))
    assert [node.op_type for node in made.proto.graph.node] == ["Conv", "Conv", "BatchNormalization"]
    assert apart(network, made, data.test.x[:4]) < 1e-2


def test_query_key_and_value_share_their_first_factor(tmp_path):
    """Three 8 x 8 matrices that read the same tokens: 4 x 8 once and 8 x 4 three times instead of 3 x 64 products for each of 5 tokens."""
    nodes, stored = [], {}
    basis = normal(8, 3, seed=9)
    for name in "qkv":
        stored |= {f"{name}.w": basis @ normal(3, 8, seed=ord(name)), f"{name}.b": normal(8, seed=ord(name))}
        nodes += [helper.make_node("MatMul", ["x", f"{name}.w"], [f"{name}1"], name),
                  helper.make_node("Add", [f"{name}1", f"{name}.b"], [f"{name}2"])]
    nodes += [helper.make_node("Add", ["q2", "k2"], ["s"]), helper.make_node("Mul", ["s", "v2"], ["y"])]
    network, data = net(nodes, stored, (5, 8)), data_of(5, 8)
    made = LowRank(rank="energy", energy=0.9999, round_to=1).apply(network, data, Context(tmp_path))
    assert macs(network) == 5 * 3 * 64 and macs(made) == 5 * (8 * 3 + 3 * 3 * 8)
    assert [node.name for node in made.proto.graph.node if node.op_type == "MatMul"] == ["q.0", "q.1", "k.1", "v.1"]
    assert apart(network, made, data.test.x[:4]) < 1e-2


def test_a_matmul_without_a_bias_gets_none(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "only")]
    network, data = net(nodes, {"w": normal(12, 2) @ normal(2, 10, seed=1)}, (12,)), data_of(12)
    made = LowRank(rank="energy", energy=0.999, round_to=1).apply(network, data, Context(tmp_path))
    assert [node.op_type for node in made.proto.graph.node] == ["MatMul", "MatMul"] and apart(network, made, data.test.x) < 1e-3


def test_one_dimension_works_too(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], "line", pads=[2, 2], strides=[2])]
    stored = {"w": np.einsum("or,ir,kr->oik", normal(8, 2), normal(6, 2, seed=1), normal(5, 2, seed=2)).astype(np.float32), "b": normal(8)}
    for form in ("cp", "tucker"):
        network, data = net(nodes, stored, (6, 16)), data_of(6, 16)
        made = LowRank(rank="energy", energy=0.999, convolutions=form, round_to=1).apply(network, data, Context(tmp_path))
        assert macs(made) < macs(network) and apart(network, made, data.test.x[:4]) < 0.1


def test_what_cannot_be_split_is_left_and_named(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "d"], ["1"], "depthwise", group=8, pads=[1] * 4),
             helper.make_node("Conv", ["1", "p"], ["2"], "point"), helper.make_node("Conv", ["2", "p"], ["3"], "again"),
             helper.make_node("Conv", ["3", "w"], ["y"], "wide", pads=[1] * 4)]
    stored = {"d": normal(8, 1, 3, 3), "p": normal(8, 8, 1, 1), "w": normal(8, 8, 3, 3)}
    made = LowRank(share=0.3).apply(net(nodes, stored, (8, 6, 6)), data_of(8, 6, 6, rows=64), Context(tmp_path))
    told = "Not treated: depthwise (it works in groups), point (it shares weights), again (it shares weights)."
    assert told in made.notes and made.to_torch() is not None


def test_bad_input_is_refused_with_the_layer_named(tmp_path):
    data = data_of(12)
    with pytest.raises(OptimizerError, match="no layer named 'nowhere'"):
        LowRank(keep=("nowhere",)).apply(dense(), data, Context(tmp_path))
    spoilt = dense()
    stored = {"w": np.full((20, 12), np.nan, np.float32)}
    with pytest.raises(OptimizerError, match=r"not finite numbers. \[wide\]"):
        LowRank().apply(spoilt.with_(proto=with_tensors(spoilt.proto, stored)), data, Context(tmp_path))
    with pytest.raises(OptimizerError, match="factors with fewer"):
        LowRank(keep=("wide", "head")).apply(dense(), data, Context(tmp_path))
    two = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g",
                            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 12]) for name in "ab"],
                            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    with pytest.raises(OptimizerError, match="2 inputs"):
        LowRank().apply(Network(helper.make_model(two)), data, Context(tmp_path))


def test_cards_are_enough_to_refuse():
    device = catalogue()["this-server"]
    card = ModelCard(kind="onnx", family="network", title="", operators={"Conv": 1}, layers=(Layer(name="a", operator="Conv"),))
    assert LowRank().refuse(card, None, device) is None
    assert LowRank(keep=("b",)).refuse(card, None, device).code == "unknown-layer"
    assert LowRank().refuse(card.model_copy(update={"family": "graph"}), None, device).code == "graph-only"
    assert LowRank().refuse(card.model_copy(update={"operators": {"Relu": 1}}), None, device).code == "nothing-to-split"


def test_outputs_are_kept_better_than_by_weights_and_sensitivity_is_told(trained, digits, context):
    before = Shipped(trained).predict(digits.test.x)

    def moved(**how):
        made = LowRank(share=0.6, convolutions="tucker", rows=300, **how).apply(trained, digits, context)
        assert macs(made) <= 0.4 * macs(trained)
        return float(np.square(Shipped(made).predict(digits.test.x) - before).mean()), made

    (ours, _), (plain, _), (_, probed) = moved(), moved(by="weights"), moved(rank="sensitivity")
    assert ours < 0.7 * plain
    assert all(row.treatment == "half rank" and row.error > 0 for row in probed.sensitivity) and len(probed.sensitivity) >= 2


def test_a_stop_is_heard(trained, digits, tmp_path):
    with pytest.raises(Stopped):
        LowRank(rows=16).apply(trained, digits, Context(tmp_path, stopping=lambda: True))


def test_what_follows_in_a_recipe_works_on_the_factors(trained, digits, context):
    recipe = Recipe.load({"steps": [{"technique": "low-rank", "params": {"rows": 64, "sweeps": 3}},
                                    {"technique": "fine-tune", "params": {"epochs": 1}},
                                    {"technique": "prune-channels", "params": {"share": 0.2}},
                                    {"technique": "quantize-static", "params": {"rows": 32}}]})
    made, sizes = trained, [macs(trained)]
    for step in recipe.steps:
        made = step.apply(made, digits, context)
        sizes.append(macs(made))
    assert sizes[1] <= 0.5 * sizes[0] and sizes[2] == sizes[1] and sizes[3] < sizes[2] and made.state == "quantized"
    assert (Shipped(made).predict(digits.test.x).argmax(1) == digits.test.y).mean() > 0.3


@pytest.mark.parametrize("name", ["vit-small", "mobilenet-small"])
def test_zoo_networks_with_attention_and_depthwise_layers(name, tmp_path):
    network = zoo.build(name, (1, 28, 28), 10, seed=2)
    data = dataclasses.replace(data_of(1, 28, 28, rows=32), kind="images")
    made = LowRank(rows=32).apply(network, data, Context(tmp_path))
    assert macs(made) <= 0.5 * macs(network)
    assert apart(network, made, made.feed(data.test.x[:2])) < np.inf


def test_the_short_way_to_project_is_the_long_one():
    weight, factors = normal(4, 3, 2, 5), [normal(extent, 3, seed=extent) for extent in (4, 3, 2, 5)]
    for axis in range(4):
        others = [factors[other] for other in range(4) if other != axis]
        assert np.allclose(projected(weight, factors, axis), unfolded(weight, axis) @ khatri_rao(others), atol=1e-4)
