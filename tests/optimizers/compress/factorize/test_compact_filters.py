"""K x K convolutions in cheaper forms: exact where the kernel has the form, fitted where it has not, whole where little is gained."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from optimizers.cards import ModelCard
from optimizers.compress.factorize.compact_filters import CompactFilters
from optimizers.compress.factorize.factors import shuffled
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.measure.shipped import Shipped
from optimizers.models import graph
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.recipe import Recipe

FORMS = ["separable", "bottleneck", "grouped", "ghost", "spatial"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def one(weight, row=(8, 6, 7), **steps):
    """A single convolution with a bias."""
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", **(steps if "auto_pad" in steps else {"pads": [1] * 4} | steps))
    body = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *row])],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                             [numpy_helper.from_array(np.ascontiguousarray(weight, np.float32), "w"),
                              numpy_helper.from_array(normal(len(weight)), "b")])
    return Network(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), Preprocessing(scale="none"))


def data_of(*row, rows=64):
    split = Split(normal(rows, *row), np.zeros(rows, np.int64))
    return Dataset(split, split, split, "array", "classification", ("a", "b"))


def missed(network, made, x):
    """Share of the variance of the outputs that differs; the new file must answer the same in torch."""
    before, after = graph.run(network.proto, x)[0], graph.run(made.proto, x)[0]
    assert np.allclose(made.to_torch()(torch.from_numpy(x)).detach().numpy(), after, atol=1e-3)
    return float(np.square(before - after).mean() / before.var())


def macs(network):
    return graph.analyse(network.proto).macs


EXACT = {"separable": np.einsum("oi,ihw->oihw", normal(8, 8), normal(8, 3, 3)),
         "bottleneck": np.einsum("os,srhw,ri->oihw", normal(8, 4), normal(4, 4, 3, 3), normal(4, 8, seed=1)),
         "spatial": np.einsum("orw,rih->oihw", normal(8, 2, 3), normal(2, 8, 3, seed=1))}
# of 6 x 7 places: 8 x 9 + 8 x 8;  8 x 4 + 4 x 4 x 9 + 4 x 8;  (8 x 3 + 8 x 3) x 2 (a quarter of eight channels)
SPENT = {"separable": 42 * (72 + 64), "bottleneck": 42 * (32 + 144 + 32), "spatial": 42 * 96}


@pytest.mark.parametrize("form", EXACT)
def test_a_kernel_of_the_form_is_kept_without_a_step(tmp_path, form):
    network, data = one(EXACT[form]), data_of(8, 6, 7)
    made = CompactFilters(form=form, steps=0, width=0.25 if form == "spatial" else 0.5).apply(network, data, Context(tmp_path))
    assert missed(network, made, data.test.x[:8]) < 1e-4
    assert macs(network) == 42 * 576 and macs(made) == SPENT[form]


def test_grouped_blocks_of_rank_one_are_kept(tmp_path):
    """Two groups: each of the four blocks of weights between them has the rank that 8 outputs leave it, 8 / 2² = 2."""
    blocks = [np.concatenate([np.einsum("or,rihw->oihw", normal(4, 2, seed=k), normal(2, 4, 3, 3, seed=k + 9)) for k in pair], 1)
              for pair in ((0, 1), (2, 3))]
    network, data = one(np.concatenate(blocks)), data_of(8, 6, 7)
    made = CompactFilters(form="grouped", groups=2, steps=0).apply(network, data, Context(tmp_path))
    assert missed(network, made, data.test.x[:8]) < 1e-6
    assert macs(made) == 42 * (8 * 4 * 9 + 8 * 4)
    assert [node.op_type for node in made.proto.graph.node] == ["Conv", "Reshape", "Transpose", "Reshape", "Conv"]
    assert [array.shape for array in shuffled(np.concatenate(blocks), 2, 2)] == [(8, 4, 3, 3), (8, 4)]


def test_ghosts_of_copied_channels_are_exact(tmp_path):
    """Channels 4 to 7 are multiples of 3 to 0: four are computed in full, four by a factor of one of them."""
    half = normal(4, 8, 3, 3)
    network, data = one(np.concatenate([half, -0.5 * half[::-1]])), data_of(8, 6, 7)
    made = CompactFilters(form="ghost", steps=0).apply(network, data, Context(tmp_path))
    assert missed(network, made, data.test.x[:8]) < 1e-6
    assert macs(made) == 42 * (4 * 72 + 4 * 9)
    assert [node.op_type for node in made.proto.graph.node] == ["Conv", "Conv", "Concat", "Gather"]


@pytest.mark.parametrize("steps", [{"strides": [2, 2]}, {"pads": [0, 1, 2, 1]}, {"dilations": [2, 2], "pads": [2] * 4},
                                   {"auto_pad": "SAME_LOWER"}], ids=["strided", "uneven", "dilated", "automatic"])
@pytest.mark.parametrize("form", FORMS)
def test_any_stepping_and_fitting_comes_nearer(tmp_path, form, steps):
    network, data = one(normal(8, 8, 3, 3, seed=4), (8, 8, 8), **steps), data_of(8, 8, 8)
    begun, fitted = (CompactFilters(form=form, steps=count).apply(network, data, Context(tmp_path)) for count in (0, 40))
    assert missed(network, fitted, data.test.x[:16]) <= missed(network, begun, data.test.x[:16]) * (1 + 1e-6)
    assert macs(fitted) < 0.7 * macs(network)


def test_a_layer_that_gains_too_little_is_left_and_named(trained, digits, tmp_path):
    made = CompactFilters(steps=0, rows=32).apply(trained, digits, Context(tmp_path))
    assert made.notes[-1].startswith("Left whole: stem.conv (its channels do not fit the form)")
    kept = CompactFilters(steps=0, rows=32, keep=("top.conv",)).apply(trained, digits, Context(tmp_path))
    assert graph.constants(kept.proto)["top.conv.weight"].shape == graph.constants(trained.proto)["top.conv.weight"].shape
    with pytest.raises(OptimizerError, match="No convolution of this network would lose 95%"):
        CompactFilters(steps=0, rows=32, minimum_gain=0.95).apply(trained, digits, Context(tmp_path))
    with pytest.raises(OptimizerError, match="no layer named 'nowhere'"):
        CompactFilters(keep=("nowhere",)).apply(trained, digits, Context(tmp_path))


@pytest.mark.parametrize("form", ["grouped", "ghost", "bottleneck"])
def test_a_chain_goes_on_from_every_kind_of_form(trained, digits, context, form):
    """A network whose every layer works in groups has no channels to lose, and 'prune-channels' says so; the others have."""
    pruning = [{"technique": "prune-channels", "params": {"share": 0.1}}] if form == "bottleneck" else []
    recipe = Recipe.load({"steps": [{"technique": "compact-filters", "params": {"form": form, "rows": 64, "steps": 10}},
                                    {"technique": "fine-tune", "params": {"epochs": 2, "rate": 0.01}},
                                    *pruning, {"technique": "quantize-static", "params": {"rows": 32}}]})
    made = trained
    for step in recipe.steps:
        before, made = macs(made), step.apply(made, digits, context)
        assert macs(made) < (0.7 if step.name == "compact-filters" else 1.01) * before
    assert made.state == "quantized"
    assert (Shipped(made).predict(digits.test.x).argmax(1) == digits.test.y).mean() > 0.3


def test_cards_are_enough_to_refuse():
    card = ModelCard(kind="onnx", family="network", title="", operators={"Gemm": 2})
    assert CompactFilters().refuse(card, None, catalogue()["this-server"]).code == "nothing-to-split"
