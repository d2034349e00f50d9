"""Training learns, resumes to the same weights, keeps to its time, and says what it did."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from optimizers.cards import DatasetCard, ModelCard, Tensor
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError, Stopped
from optimizers.models import graph, zoo
from optimizers.training import loop
from optimizers.training.batches import augmented, order_of_epoch
from optimizers.training.fine_tune import FineTuning
from optimizers.training.train import Training


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.images))
    x, y = (found.images[order][:, None] * 15.9).astype(np.uint8), found.target[order].astype(np.int64)
    parts = [Split(x[a:b], y[a:b]) for a, b in ((0, 640), (640, 900), (900, 1400))]
    return Dataset(*parts, "images", "classification", tuple("0123456789"))


@pytest.fixture
def hills():
    """A regression far from unit scale: y = 4e5 + 1e5 (a - b c)."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, [1, 1, 1, 50], (700, 4)).astype(np.float32)
    y = (4e5 + 1e5 * (x[:, 0] - x[:, 1] * x[:, 2])).astype(np.float32)
    parts = [Split(x[a:b], y[a:b]) for a, b in ((0, 500), (500, 600), (600, 700))]
    return Dataset(*parts, "table", "regression")


def top1(network, split):
    return float((graph.run(network.proto, network.feed(split.x))[0].argmax(1) == split.y).mean())


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.05), ("rmsprop", 0.001), ("adam", 0.004), ("adamw", 0.004), ("adagrad", 0.03)])
def test_each_optimizer_learns_digits(digits, tmp_path, optimizer, rate):
    network = Training(architecture="tiny-cnn", optimizer=optimizer, rate=rate, epochs=4, batch=32).apply(None, digits,
                                                                                                          Context(tmp_path, seed=1))
    assert top1(network, digits.test) > 0.85
    assert optimizer in network.notes[-1]


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_same_seed_same_weights_other_seed_others(digits, tmp_path, schedule):
    technique = Training(epochs=1, schedule=schedule, shift=1, flip=True, label_smoothing=0.1, clip=1.0)
    one, same, other = (technique.apply(None, digits, Context(tmp_path / str(at), seed=seed)).serialize() for at,
                        seed in enumerate((3, 3, 4)))
    assert one == same != other


class Killed(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_killed_run_resumes_to_the_very_same_weights(digits, tmp_path, monkeypatch, optimizer):
    technique = Training(epochs=4, optimizer=optimizer, rate=0.01, shift=1)
    whole = technique.apply(None, digits, Context(tmp_path / "whole", seed=2))
    monkeypatch.setattr(loop, "EVERY", 0.0)
    monkeypatch.setattr(loop, "NOTICE", 0.0)
    seen = []

    def watch(event):
        seen.append(event)
        if getattr(event, "note", "").startswith("epoch 3"):
            raise Killed

    with pytest.raises(Killed):
        technique.apply(None, digits, Context(tmp_path / "cut", seed=2, emit=watch))
    assert any(event.type == "checkpoint" for event in seen)
    told = []
    resumed = technique.apply(None, digits, Context(tmp_path / "cut", seed=2, emit=told.append))
    assert any(event.type == "log" and "Resumed after epoch 2" in event.text for event in told)
    assert resumed.serialize() == whole.serialize()


def test_a_checkpoint_of_another_recipe_is_not_taken(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "EVERY", 0.0)
    Training(epochs=1).apply(None, digits, Context(tmp_path, seed=2))
    told = []
    Training(epochs=1, rate=0.001).apply(None, digits, Context(tmp_path, seed=2, emit=told.append))
    assert not any("Resumed" in getattr(event, "text", "") for event in told)


def test_the_best_epoch_is_kept_and_patience_ends_the_run(digits, tmp_path):
    start = Training(epochs=3).apply(None, digits, Context(tmp_path / "a"))
    ruined = FineTuning(epochs=60, rate=0.3, patience=2, warmup=0, schedule="constant")
    told = []
    after = ruined.apply(start, digits, Context(tmp_path / "b", emit=told.append))
    curve = {event.x: event.y for event in told if event.type == "curve" and event.name == "validation top1"}
    assert len(curve) < 60          # no walk this wild beats its best in every third epoch
    best = max(curve.values())
    assert top1(after, digits.validation) == pytest.approx(best, abs=1e-6)
    assert {event.name for event in told if event.type == "curve"} == {"train loss", "validation loss", "validation top1"}


def test_a_deadline_shortens_the_schedule_and_says_so(digits, tmp_path):
    context = Context(tmp_path)
    context.deadline = context.clock() + 1.5
    network = Training(epochs=1000, patience=0).apply(None, digits, context)
    assert context.clock() - context.deadline < 1.0
    assert any("schedule was shortened" in note for note in network.notes)


def test_a_stop_is_heard(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "NOTICE", 0.0)
    with pytest.raises(Stopped):
        Training(epochs=50).apply(None, digits, Context(tmp_path, stopping=lambda: True))


def test_regression_answers_in_the_units_of_the_targets(hills, tmp_path):
    network = Training(epochs=40, batch=32, patience=0).apply(None, hills, Context(tmp_path))
    y = graph.run(network.proto, network.feed(hills.test.x))[0][:, 0]
    assert 1 - float(np.mean((y - hills.test.y) ** 2)) / float(hills.test.y.var()) > 0.8
    assert network.preprocessing.scale == "standard" and "R²" in network.notes[-1]
    finer = FineTuning(epochs=2, rate=0.001).apply(network, hills, Context(tmp_path))
    again = graph.run(finer.proto, finer.feed(hills.test.x))[0][:, 0]
    assert 1 - float(np.mean((again - hills.test.y) ** 2)) / float(hills.test.y.var()) > 0.8


def test_a_network_that_ends_in_softmax_learns_on_its_logits_and_keeps_its_softmax(digits, tmp_path):
    from onnx import helper

    base = zoo.build("tiny-cnn", (1, 8, 8), 10)
    proto = graph.copied(base.proto)
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("Softmax", ["scores"], ["output"], axis=-1))
    told = []
    network = FineTuning(epochs=8, batch=32, rate=0.01).apply(base.with_(proto=proto), digits, Context(tmp_path, emit=told.append))
    out = graph.run(network.proto, network.feed(digits.test.x))[0]
    assert np.allclose(out.sum(1), 1, atol=1e-5) and top1(network, digits.test) > 0.85
    losses = [event.y for event in told if event.type == "curve" and event.name == "train loss"]
    assert losses[-1] < 0.6, "a softmax of a softmax cannot get below 1.46"


def test_frozen_batch_norm_stays(digits, tmp_path):
    base = Training(epochs=1).apply(None, digits, Context(tmp_path))
    tuned = FineTuning(epochs=1, freeze_batch_norm=True).apply(base, digits, Context(tmp_path / "b"))
    one, other = graph.constants(base.proto), graph.constants(tuned.proto)
    norms = [name for name in one if ".bn." in name]
    assert norms and all(np.array_equal(one[name], other[name]) for name in norms)
    assert not np.array_equal(one["stem.conv.weight"], other["stem.conv.weight"])


def test_wrong_widths_and_divergence_are_told(digits, tmp_path):
    with pytest.raises(OptimizerError, match="answers 7 numbers for a row, and the dataset needs 10"):
        FineTuning(epochs=1).apply(zoo.build("tiny-cnn", (1, 8, 8), 7), digits, Context(tmp_path))
    base = zoo.build("tiny-cnn", (1, 8, 8), 10)
    module = base.to_torch()
    module.get_submodule("head").weight.data *= 1e38
    with pytest.raises(OptimizerError, match="training loss became"):
        FineTuning(epochs=1).apply(base.with_module(module), digits, Context(tmp_path))


def test_larger_pictures_are_made_smaller(tmp_path):
    rows = Split(np.random.default_rng(0).integers(0, 255, (8, 3, 120, 130)).astype(np.uint8), np.arange(8) % 2)
    network = Training(epochs=1, architecture="tiny-cnn", picture_side=16).apply(
        None, Dataset(rows, rows, rows, "images", "classification", ("a", "b")), Context(tmp_path))
    assert network.preprocessing.size == (16, 16) and network.feed(rows.x).shape == (8, 3, 16, 16)


def test_order_and_augmentation():
    steps = order_of_epoch(10, 4, seed=1, epoch=0)
    assert [len(step) for step in steps] == [4, 4] and len(set(np.concatenate(steps))) == 8
    assert [len(step) for step in order_of_epoch(3, 4, 1, 0)] == [3]
    x = torch.arange(2 * 1 * 4 * 4, dtype=torch.float32).reshape(2, 1, 4, 4)
    moved = augmented(x, 1, False, False, np.random.default_rng(0))
    assert moved.shape == x.shape and not torch.equal(moved, x) and set(moved.unique().tolist()) <= set(x.unique().tolist())
    flipped = augmented(x.repeat(8, 1, 1, 1), 0, True, False, np.random.default_rng(0))
    same = [torch.equal(one, other) for one, other in zip(flipped, x.repeat(8, 1, 1, 1), strict=True)]
    assert 0 < sum(same) < 16
    assert torch.equal(augmented(torch.zeros(2, 4), 2, True, False, np.random.default_rng(0)), torch.zeros(2, 4))


DATA = DatasetCard(kind="images", title="", rows=100, splits={"train": 80}, classes=("a", "b"), row_shape=(1, 8, 8))
MODEL = ModelCard(kind="onnx", family="network", title="", task="classification", classes=2,
                  outputs=(Tensor(name="y", dtype="float32", shape=(None, 2)),))


def test_refusals_come_from_cards_alone():
    device = next(iter(catalogue().values()))
    assert FineTuning().refuse(MODEL, DATA, device) is None and Training().refuse(None, DATA, device) is None
    assert FineTuning().refuse(MODEL.model_copy(update={"classes": 3}), DATA, device).code == "classes-differ"
    assert FineTuning().refuse(MODEL.model_copy(update={"family": "graph"}), DATA, device).code == "graph-only"
    assert FineTuning().refuse(MODEL, DATA.model_copy(update={"task": "unlabelled"}), device).code == "no-labels"
    assert Training().refuse(None, None, device).code == "no-dataset"
    assert Training(architecture="model").refuse(None, DATA, device).code == "no-model"
    assert Training(architecture="resnet8").refuse(None, DATA.model_copy(update={"row_shape": (8,)}), device).code == "architecture-rows"
    assert Training(epochs=20).seconds(None, DATA) > Training(epochs=10).seconds(None, DATA) > 0


def test_the_techniques_load_no_heavy_library():
    code = "import sys, optimizers.training.train, optimizers.training.fine_tune, optimizers.compress.prune.channels;" \
           "print([m for m in ('torch', 'onnx', 'numpy', 'onnxruntime', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
