"""Distillation: the student follows its teacher on the rows it sees, the file keeps its structure, and what cannot teach is refused."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from optimizers.cards import DatasetCard, ModelCard, Tensor
from optimizers.compress.prune.channels import ChannelPruning
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.errors import OptimizerError, Stopped
from optimizers.goal import Goal
from optimizers.measure.yardstick import Yardstick
from optimizers.models import graph, zoo
from optimizers.models.preprocessing import Preprocessing
from optimizers.recipe import Recipe
from optimizers.run import Run
from optimizers.task import Task
from optimizers.training import distill_teacher, loop
from optimizers.training.batches import augmented
from optimizers.training.distill import Distillation
from optimizers.training.distill_stages import stages
from optimizers.training.distill_teacher import Blend, Lesson, Teacher, logarithm
from optimizers.training.train import Training

DEVICE = catalogue()["this-server"]
MODEL = ModelCard(kind="onnx", family="network", title="net", task="classification", classes=10,
                  outputs=(Tensor(name="logits", dtype="float32", shape=(None, 10)),))
DATA = DatasetCard(kind="array", title="digits", rows=1000, splits={"train": 700}, classes=tuple("0123456789"), row_shape=(1, 8, 8))


def answers(network, x):
    return graph.run(network.proto, network.feed(x))[0]


def agreement(one, other, x):
    return float((answers(one, x).argmax(1) == answers(other, x).argmax(1)).mean())


@pytest.fixture(scope="module")
def pruned(trained, digits, tmp_path_factory):
    return ChannelPruning(share=0.6, round_to=1).apply(trained, digits, Context(tmp_path_factory.mktemp("pruned"), seed=1))


def taught_by(original, tmp_path, seed=1):
    ctx = Context(tmp_path, seed=seed)
    ctx.original = original
    return ctx


def test_a_pruned_copy_comes_to_agree_with_the_original(trained, pruned, digits, tmp_path):
    made = Distillation(alpha=1.0, epochs=8, rate=0.01).apply(pruned, digits, taught_by(trained, tmp_path))
    assert agreement(made, trained, digits.test.x) > agreement(pruned, trained, digits.test.x) + 0.1
    assert agreement(made, trained, digits.test.x) > 0.85
    assert any("Taught by the original network: soft labels" in note for note in made.notes)


@pytest.mark.parametrize("wish", [{}, {"hints": 1.0}, {"attention": 10.0}, {"hints": 1.0, "attention": 10.0, "blend": True, "shift": 1}])
def test_the_file_keeps_its_structure_whatever_teaches(trained, pruned, digits, tmp_path, wish):
    made = Distillation(epochs=1, **wish).apply(pruned, digits, taught_by(trained, tmp_path))
    assert [node.name for node in made.proto.graph.node] == [node.name for node in pruned.proto.graph.node]
    assert {t.name: tuple(t.dims) for t in made.proto.graph.initializer} == {t.name: tuple(t.dims) for t in pruned.proto.graph.initializer}
    with torch.no_grad():
        ours = made.to_torch()(torch.from_numpy(made.feed(digits.test.x[:50]))).numpy()
    np.testing.assert_allclose(answers(made, digits.test.x[:50]), ours, atol=1e-4)


def test_stages_are_the_last_map_of_each_extent_and_the_features():
    network = zoo.build("resnet8", (1, 28, 28), 10)
    found = stages(network.to_torch(), torch.zeros(2, 1, 28, 28))
    assert {extents: stage.channels for extents, stage in found.items()} == {(28, 28): 16, (14, 14): 32, (7, 7): 64, (): 64}
    vit = zoo.build("vit-small", (1, 28, 28), 10)       # 49 tokens of 64; attention scores (4, 49, 49) are no feature map
    found = stages(vit.to_torch(), torch.zeros(2, 1, 28, 28))
    assert {extents: (stage.channels, stage.axis) for extents, stage in found.items() if extents != (7, 7)} == {(49,): (64, 2), (): (64, 1)}


def test_hints_reach_across_architectures_and_bring_feature_maps_nearer(digits, trained, tmp_path):
    technique = Distillation(teacher="original", student="resnet8", hints=1.0, alpha=0.0, epochs=1)
    with pytest.raises(OptimizerError, match="No feature map"):
        technique.apply(trained, digits, taught_by(without_maps(), tmp_path))
    made = technique.apply(trained, digits, taught_by(trained, tmp_path))
    assert any("hints at" in note for note in made.notes)


def without_maps():
    """A product and a ReLU: nothing inside it can be held against a picture's maps."""
    weight = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32), "w")
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["z"]),
             onnx.helper.make_node("Relu", ["z"], ["y"])]
    shapes = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *row])
              for name, row in (("x", (1, 8, 8)), ("y", (10,)))]
    made = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", shapes[:1], shapes[1:], [weight]),
                                  opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return zoo.build("mlp", (64,), 10).with_(proto=made, preprocessing=Preprocessing(scale="0-1"))


def test_answers_are_kept_only_where_rows_stay_as_they_are(trained, digits, tmp_path, monkeypatch):
    ctx, teacher = Context(tmp_path), Teacher([trained], digits)
    kept = Lesson(teacher, trained, digits, ctx, altered=False, nodes=[])
    assert kept.kept.shape == (600, 10) and kept.kept.dtype == np.float32
    assert Lesson(teacher, trained, digits, ctx, altered=True, nodes=[]).kept is None
    monkeypatch.setattr(distill_teacher, "KEPT", 600 * 10 * 4 - 1)
    fly = Lesson(teacher, trained, digits, ctx, altered=False, nodes=[])
    assert fly.kept is None
    rows = np.array([5, 3, 599])
    run = SimpleNamespace(rows=rows, device=torch.device("cpu"))
    x = torch.from_numpy(trained.feed(digits.train.x[rows]))
    np.testing.assert_allclose(kept.of(run, x, None)[0], fly.of(run, x, None)[0], atol=1e-4)


def test_a_teacher_with_other_preprocessing_sees_the_same_altered_rows(trained, digits, tmp_path):
    """Its pictures are -1..1 with channels last; brought back to 0..1 they are the student's, moved and mirrored alike."""
    other = trained.with_(preprocessing=Preprocessing(scale="-1-1", layout="nhwc"))
    teacher = SimpleNamespace(networks=[other], on=lambda x: np.zeros((len(x), 10), np.float32))
    lesson = Lesson(teacher, trained, digits, Context(tmp_path), altered=True, nodes=[])
    rng, rows = np.random.default_rng(3), np.arange(40)
    settings = Distillation(shift=2, flip=True)
    run = SimpleNamespace(rows=rows, draws=rng.bit_generator.state, settings=settings)
    mine = augmented(torch.from_numpy(trained.feed(digits.train.x[rows])), 2, True, False, rng)
    theirs = lesson.again(run).permute(0, 3, 1, 2)
    np.testing.assert_allclose((theirs + 1) / 2, mine, atol=1e-6)


def test_a_blend_mixes_rows_and_labels_alike():
    torch.manual_seed(0)
    blend = Blend(3)
    blend.share, blend.other = torch.tensor([1.0, 0.25, 0.5]), torch.tensor([1, 2, 0])
    assert blend.of(torch.tensor([[0.0, 8.0], [4.0, 4.0], [8.0, 0.0]])).tolist() == [[0.0, 8.0], [7.0, 1.0], [4.0, 4.0]]


def test_an_ensemble_averages_probabilities(digits, fresh, trained):
    both = Teacher([fresh, trained], digits)
    alone = [torch.softmax(torch.from_numpy(Teacher([one], digits).on(digits.test.x[:20])), 1) for one in (fresh, trained)]
    np.testing.assert_allclose(torch.softmax(torch.from_numpy(both.on(digits.test.x[:20])), 1), (alone[0] + alone[1]) / 2, atol=1e-5)


def test_a_teacher_that_ends_in_a_softmax_answers_the_same(digits, trained):
    proto = graph.copied(trained.proto)
    name = proto.graph.output[0].name
    proto.graph.node.append(onnx.helper.make_node("Softmax", [name], ["probabilities"], axis=-1))
    proto.graph.output[0].name = "probabilities"
    plain, soft = (torch.from_numpy(Teacher([one], digits).on(digits.test.x[:20])) for one in (trained, trained.with_(proto=proto)))
    np.testing.assert_allclose(torch.log_softmax(plain, 1), torch.log_softmax(soft, 1), atol=1e-3)
    assert logarithm(torch.zeros(1)).isfinite().all()


def test_the_same_seed_gives_the_same_bytes_and_a_killed_run_resumes(trained, pruned, digits, tmp_path, monkeypatch):
    technique = Distillation(epochs=3, hints=0.5, attention=1.0, shift=1, blend=True)
    whole = technique.apply(pruned, digits, taught_by(trained, tmp_path / "whole"))
    monkeypatch.setattr(loop, "EVERY", 0.0)
    monkeypatch.setattr(loop, "NOTICE", 0.0)
    asked = []
    cut = taught_by(trained, tmp_path / "cut")
    cut._emit = lambda event: asked.append(1) if getattr(event, "note", "").startswith("epoch 3") else None
    cut._stopping = lambda: bool(asked)
    with pytest.raises(Stopped):
        technique.apply(pruned, digits, cut)
    again = technique.apply(pruned, digits, taught_by(trained, tmp_path / "cut"))
    assert again.serialize() == whole.serialize()


def test_a_regression_follows_the_teachers_numbers(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(700, 4)).astype(np.float32)
    y = (4e5 + 1e5 * (x[:, 0] - x[:, 1])).astype(np.float32)
    data = Dataset(*(Split(x[a:b], y[a:b]) for a, b in ((0, 500), (500, 600), (600, 700))), "table", "regression")
    teacher = Training(epochs=20, rate=0.01).apply(None, data, Context(tmp_path / "t", seed=1))
    wrong = Dataset(Split(x[:500], rng.permutation(y[:500])), data.validation, data.test, "table", "regression")
    made = Distillation(student="mlp", alpha=1.0, epochs=20, rate=0.01).apply(teacher, wrong, taught_by(teacher, tmp_path / "s", 2))
    apart = answers(made, x[600:]).reshape(-1) - answers(teacher, x[600:]).reshape(-1)
    assert apart.std() < 0.5e5                      # of 1.4e5; labels were shuffled, so only the teacher could have told


def test_rows_without_labels_are_taught_by_the_uploaded_network(trained, pruned, digits, tmp_path):
    bare = [Split(split.x, np.zeros(0, np.int64)) for split in (digits.train, digits.validation, digits.test)]
    data = Dataset(*bare, "array", "unlabelled")
    made = Distillation(alpha=1.0, epochs=8, rate=0.01).apply(pruned, data, taught_by(trained, tmp_path))
    assert agreement(made, trained, digits.test.x) > 0.85


def test_the_zoo_teaches_where_there_is_no_model(digits, tmp_path):
    technique = Distillation(teacher="ensemble", members=2, student="tiny-cnn", teacher_architecture="tiny-cnn", teacher_epochs=4, epochs=4,
                             rate=0.004, batch=32)
    ctx = Context(tmp_path, seed=4)
    fractions = []
    ctx._emit = lambda event: fractions.append(event.fraction) if event.type == "progress" else None
    made = technique.apply(None, digits, ctx)
    assert float((answers(made, digits.test.x).argmax(1) == digits.test.y).mean()) > 0.6
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert (ctx.seed, ctx.base, ctx.span) == (4, 0.0, 1.0)


def test_a_network_is_born_again_from_fresh_weights(trained, digits, tmp_path):
    made = Distillation(teacher="itself", student="fresh", epochs=4, alpha=1.0).apply(trained, digits, Context(tmp_path, seed=1))
    assert agreement(made, trained, digits.test.x) > 0.7
    assert any("as it was before this step" in note for note in made.notes) and any("fresh weights" in note for note in made.notes)


def test_only_what_needs_no_network_may_begin_a_recipe():
    begins = Recipe((Distillation(teacher="zoo", student="tiny-cnn"),))
    assert begins.refuse(None, DATA, DEVICE) is None
    for technique in (Distillation(), Distillation(teacher="zoo"), Distillation(student="mlp")):
        assert Recipe((technique,)).refuse(None, DATA, DEVICE).code == "no-model"
    assert Recipe((Training(), Distillation())).refuse(None, DATA, DEVICE) is None


@pytest.mark.parametrize(("wish", "model", "data", "code"), [
    ({}, {}, None, "no-dataset"),
    ({"alpha": 0}, {}, {}, "nothing-to-teach"),
    ({"teacher": "ensemble", "hints": 1}, {}, {}, "ensemble-hints"),
    ({}, {"classes": 1000}, {}, "classes-differ"),
    ({"student": "tiny-cnn"}, {"classes": 1000}, {}, "classes-differ"),
    ({"student": "tiny-cnn", "teacher": "zoo"}, {"classes": 1000}, {}, None),
    ({}, {"family": "graph"}, {}, "graph-only"),
    ({"student": "tiny-cnn"}, {"family": "graph"}, {}, None),
    ({"student": "tiny-cnn", "hints": 1}, {"family": "graph"}, {}, "graph-only"),
    ({}, {}, {"task": "unlabelled", "classes": ()}, "no-labels"),
    ({"alpha": 1}, {}, {"task": "unlabelled", "classes": ()}, None),
    ({"alpha": 1, "teacher": "zoo"}, {}, {"task": "unlabelled", "classes": ()}, "no-labels"),
    ({"student": "resnet8"}, {}, {"row_shape": (13,)}, "architecture-rows"),
    ({"teacher": "zoo", "teacher_architecture": "dscnn"}, {}, {"row_shape": (13,)}, "architecture-rows"),
    ({}, {"outputs": (MODEL.outputs[0], MODEL.outputs[0])}, {}, "several-outputs"),
])
def test_what_cannot_work_is_refused_from_the_cards(wish, model, data, code):
    refusal = Distillation(**wish).refuse(MODEL.model_copy(update=model), None if data is None else DATA.model_copy(update=data), DEVICE)
    assert (refusal and refusal.code) == code
    assert refusal is None or (refusal.wrong and refusal.mend and refusal.where)


def test_a_teacher_of_other_classes_or_without_numbers_is_refused_before_training(trained, digits, tmp_path):
    with pytest.raises(OptimizerError) as error:
        Distillation().apply(trained, digits, taught_by(zoo.build("tiny-cnn", (1, 8, 8), 7), tmp_path))
    assert error.value.refusal.code == "classes-differ"
    broken = graph.copied(trained.proto)
    broken.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(
        np.full(tuple(broken.graph.initializer[0].dims), np.nan, np.float32), broken.graph.initializer[0].name))
    with pytest.raises(OptimizerError) as error:
        Distillation().apply(trained, digits, taught_by(trained.with_(proto=broken), tmp_path))
    assert error.value.refusal.code == "teacher-not-finite"
    larger = zoo.build("tiny-cnn", (1, 16, 16), 10).with_(preprocessing=Preprocessing(size=(16, 16)))
    with pytest.raises(OptimizerError) as error:
        Distillation(shift=1).apply(trained, digits, taught_by(larger, tmp_path))
    assert error.value.refusal.code == "shift-sizes"


def test_a_plan_knows_what_the_student_will_weigh():
    from optimizers.body import Body

    body = Body(1e6, 1e9, 1e6)
    assert Distillation().body(body) == body
    assert Distillation(student="tiny-cnn").body(body).macs == 1_920_000
    alone, with_teachers = Distillation(student="dscnn"), Distillation(student="dscnn", teacher="ensemble", members=4)
    assert with_teachers.seconds(MODEL, DATA) > 4 * Training(architecture="dscnn").seconds(None, DATA) > alone.seconds(MODEL, DATA)


def test_a_run_says_which_network_it_started_from(trained, digits, tmp_path):
    """The uploaded one; without one, what the recipe's first step made, also when that was worked out for an earlier recipe."""
    run = Run(Task(kind="fit", device=DEVICE), tmp_path, Context(tmp_path, seed=1))
    run.model, run.data, run.yardstick = trained, digits, Yardstick(digits, DEVICE, Goal())
    cut = ChannelPruning(share=0.3)
    run.apply(Recipe((cut, cut)))
    assert run.ctx.original is trained
    run.model, first = None, Training(architecture="tiny-cnn", epochs=1)
    base = run.apply(Recipe((first,), 1))[0]
    run.apply(Recipe((first, cut), 1))
    assert run.ctx.original is base
