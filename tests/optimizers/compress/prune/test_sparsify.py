"""Every way reaches its target, is taken only there, resumes to the same bytes, and tells how dense each layer was."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from optimizers.cards import DatasetCard, Layer, ModelCard
from optimizers.compress.prune.sparsify import Sparsifying
from optimizers.compress.prune.sparsify_movement import LOWEST, Masked
from optimizers.compress.prune.sparsify_work import cubic
from optimizers.compress.prune.weights_layers import weights
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.measure.shipped import Shipped
from optimizers.models import zoo
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.training import loop
from optimizers.training.callback import Callback
from optimizers.training.fine_tune import FineTuning
from optimizers.training.zeros import Zeros

METHODS = ("gradual", "rigl", "movement", "reallocate")
each = pytest.mark.parametrize("method", METHODS)


def zeros(network):
    found = [weight.array for weight in weights(network.proto)]
    return sum(int((array == 0).sum()) for array in found) / sum(array.size for array in found)


@each
@pytest.mark.parametrize("spread", ["network", "erdos-renyi", "uniform"])
def test_the_target_is_reached_and_the_file_computes_what_torch_computes(trained, digits, tmp_path, method, spread):
    told = []
    technique = Sparsifying(method=method, spread=spread, sparsity=0.8, epochs=3, rounds=5)
    made = technique.apply(trained, digits, Context(tmp_path, seed=1, emit=told.append))
    assert zeros(made) == pytest.approx(0.8, abs=1e-3) and made.sparse and not trained.sparse
    with torch.no_grad():
        ours = made.to_torch()(torch.from_numpy(made.feed(digits.test.x[:50]))).numpy()
    assert Shipped(made).predict(digits.test.x[:50]) == pytest.approx(ours, abs=1e-3)
    drawn = {(event.name, event.x): event.y for event in told if event.type == "curve" and event.name.startswith("density of ")}
    assert len(drawn) == 4 * 3
    for weight in weights(made.proto):
        assert (weight.array != 0).any()
        assert drawn[f"density of {weight.called}", 3] == pytest.approx((weight.array != 0).mean())


@each
def test_a_killed_run_resumes_to_the_very_same_weights(trained, digits, tmp_path, monkeypatch, method):
    technique = Sparsifying(method=method, sparsity=0.8, epochs=4, rounds=12, until=0.9)
    whole = technique.apply(trained, digits, Context(tmp_path / "whole", seed=2))
    monkeypatch.setattr(loop, "EVERY", 0.0)
    monkeypatch.setattr(loop, "NOTICE", 0.0)

    class Killed(Exception):
        pass

    def watch(event):
        if getattr(event, "note", "").startswith("epoch 3"):
            raise Killed

    with pytest.raises(Killed):
        technique.apply(trained, digits, Context(tmp_path / "cut", seed=2, emit=watch))
    told = []
    resumed = technique.apply(trained, digits, Context(tmp_path / "cut", seed=2, emit=told.append))
    assert any("Resumed after epoch 2" in getattr(event, "text", "") for event in told)
    assert resumed.serialize() == whole.serialize() and resumed.notes == whole.notes


def test_no_epoch_before_the_target_is_taken_even_with_patience(trained, digits, tmp_path):
    made = Sparsifying(sparsity=0.95, epochs=5, until=0.8, patience=1).apply(trained, digits, Context(tmp_path))
    assert zeros(made) == pytest.approx(0.95, abs=1e-3)
    best = int(made.notes[-2].split("best at epoch ")[1].split()[0])
    assert best >= 4


def test_a_training_that_is_cut_short_still_keeps_its_word(trained, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "NOTICE", 0.0)
    for method in METHODS:
        now = [0.0]     # time is up once the second epoch has begun

        def watch(event, now=now):
            now[0] = 2000.0 if getattr(event, "note", "").startswith("epoch 2") else now[0]

        context = Context(tmp_path / method, emit=watch, clock=lambda now=now: now[0], deadline=1000.0)
        made = Sparsifying(method=method, sparsity=0.8).apply(trained, digits, context)
        assert zeros(made) == pytest.approx(0.8, abs=1e-3)
        assert any("before its target was reached" in note for note in made.notes) is (method not in ("rigl", "reallocate"))


def test_what_was_zero_stays_zero_and_more_than_asked_for_is_said(trained, digits, tmp_path):
    first = Sparsifying(sparsity=0.8, epochs=1, until=0.5).apply(trained, digits, Context(tmp_path / "a"))
    for method in METHODS:
        again = Sparsifying(method=method, sparsity=0.5, epochs=1).apply(first, digits, Context(tmp_path / method))
        assert zeros(again) == pytest.approx(0.8, abs=1e-3) and any("zero already" in note for note in again.notes)
    further = Sparsifying(sparsity=0.9, epochs=1).apply(first, digits, Context(tmp_path / "b"))
    for one, other in zip(weights(first.proto), weights(further.proto), strict=True):
        assert (other.array[one.array == 0] == 0).all()


def test_rigl_keeps_each_layers_count_and_exchanges_weights_where_reallocating_moves_density(trained, digits, tmp_path):
    start = Sparsifying(method="rigl", spread="uniform", sparsity=0.8, exchange=0, epochs=1).apply(trained, digits, Context(tmp_path / "0"))
    rigl = Sparsifying(method="rigl", spread="uniform", sparsity=0.8, epochs=2).apply(trained, digits, Context(tmp_path / "1"))
    moved = Sparsifying(method="reallocate", spread="uniform", sparsity=0.8, epochs=2).apply(trained, digits, Context(tmp_path / "2"))
    live = [[weight.array != 0 for weight in weights(network.proto)] for network in (start, rigl, moved)]
    counts = [[int(mask.sum()) for mask in one] for one in live]
    assert counts[1] == pytest.approx(counts[0], abs=2)     # one that grew where no gradient ever was is zero again
    assert any((one != other).any() for one, other in zip(live[0], live[1], strict=True))
    assert sum(counts[2]) == pytest.approx(sum(counts[0]), abs=8) and max(abs(a - b) for a, b in zip(counts[0], counts[2], strict=True)) > 8


def test_layers_that_are_kept_stay_dense(trained, digits, tmp_path):
    made = Sparsifying(sparsity=0.8, epochs=1, ends=False).apply(trained, digits, Context(tmp_path))
    found = {weight.called: float((weight.array == 0).mean()) for weight in weights(made.proto)}
    assert found["stem.conv"] == found["head"] == 0 and max(found.values()) > 0.7


def test_other_networks_become_sparse_too(digits, tmp_path):
    for name in ("dscnn", "vit-small", "mobilenet-small"):
        network = zoo.build(name, (1, 8, 8), 10)
        for method in ("gradual", "movement"):
            made = Sparsifying(method=method, sparsity=0.6, epochs=1, batch=128).apply(network, digits, Context(tmp_path / name / method))
            assert zeros(made) == pytest.approx(0.6, abs=2e-3)


@each
def test_layers_that_share_a_weight_share_its_zeros(tmp_path, method):
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["a"], "one"), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Gemm", ["b", "w"], ["c"], "two"), helper.make_node("Gemm", ["c", "v"], ["y"], "three")]
    inner = helper.make_graph(nodes, "shared", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
                              [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
                               for name, shape in (("w", (8, 8)), ("v", (8, 2)))])
    network = Network(helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), Preprocessing(scale="none"))
    x = rng.normal(size=(96, 8)).astype(np.float32)
    part = Split(x, (x[:, 0] > 0).astype(np.int64))
    data = Dataset(part, part, part, "array", "classification", ("a", "b"))
    made = Sparsifying(method=method, sparsity=0.5, epochs=3, batch=8, rounds=4).apply(network, data, Context(tmp_path))
    assert len(weights(made.proto)) == 2 and zeros(made) == pytest.approx(0.5, abs=0.02)
    with torch.no_grad():
        assert Shipped(made).predict(x) == pytest.approx(made.to_torch()(torch.from_numpy(x)).numpy(), abs=1e-4)


def test_the_cubic_schedule():
    assert cubic(0, 0.2, 0.9) == pytest.approx(0.2) and cubic(1, 0.2, 0.9) == 0.9 and cubic(0.5, 0, 0.8) == pytest.approx(0.7)


def test_scores_move_against_the_pull_on_their_weights():
    layer = nn.Linear(3, 1, bias=False)
    layer.weight.data = torch.tensor([[2.0, -1.0, 0.0]])
    nn.utils.parametrize.register_parametrization(layer, "weight", Masked(layer.weight))
    masked = layer.parametrizations.weight[0]
    assert masked.scores[2] == LOWEST and masked.mask.tolist() == [[1, 1, 0]]
    masked.mask[0, 1] = 0
    layer(torch.tensor([[1.0, 1.0, 1.0]])).sum().backward()
    assert layer.weight.tolist() == [[2.0, 0.0, 0.0]]
    assert masked.scores.grad.tolist() == [2.0, -1.0, 0.0]                      # dL/dw times w, masked or not
    assert layer.parametrizations.weight.original.grad.tolist() == [[1.0, 0.0, 0.0]]


def test_zeros_are_held_through_parametrization_and_only_in_layers(trained, digits, tmp_path):
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    class Parametrized(Callback):
        def begin(self, module):
            nn.utils.parametrize.register_parametrization(module.get_submodule("middle.conv"), "weight", Doubled())

        def end(self, module):
            nn.utils.parametrize.remove_parametrizations(module.get_submodule("middle.conv"), "weight")

    sparse = Sparsifying(sparsity=0.8, epochs=1).apply(trained, digits, Context(tmp_path / "a"))
    tuned = loop.fit(sparse, digits, FineTuning(epochs=1, optimizer="sgd", weight_decay=0.1), Context(tmp_path / "b"), Parametrized())
    for one, other in zip(weights(sparse.proto), weights(tuned.proto), strict=True):
        assert np.array_equal(one.array == 0, other.array == 0) and not np.array_equal(one.array, other.array)
    assert Zeros(trained.to_torch(), trained).weights == []
    assert len(Zeros(sparse.to_torch(), sparse).weights) == 4


def test_refusals_come_from_cards_alone():
    device = next(iter(catalogue().values()))
    data = DatasetCard(kind="images", title="", rows=100, classes=("a", "b"), row_shape=(1, 8, 8))
    model = ModelCard(kind="onnx", family="network", title="", task="classification", classes=2,
                      layers=tuple(Layer(name=name, operator="Conv") for name in ("a", "b")))
    assert Sparsifying().refuse(model, data, device) is None and Sparsifying().refuse(model, None, device).code == "no-dataset"
    assert Sparsifying(ends=False).refuse(model, data, device).code == "nothing-to-prune"
    assert Sparsifying().refuse(model.model_copy(update={"family": "graph"}), data, device).code == "graph-only"
    assert Sparsifying().refuse(model, data.model_copy(update={"task": "unlabelled"}), device).code == "no-labels"
