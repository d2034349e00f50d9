"""Distillation at work: student and teacher found and checked, then plain training with the teacher's part in the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.errors import OptimizerError
from optimizers.models.network import Network
from optimizers.models.zoo import ARCHITECTURES
from optimizers.training import distill_stages as st
from optimizers.training.callback import Callback
from optimizers.training.distill_teacher import Blend, Lesson, Teacher, ask, part, teacher_of
from optimizers.training.fresh import fresh_network, with_fresh_weights
from optimizers.training.loop import Run, fit
from optimizers.training.train import Training
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    from optimizers.training.distill import Distillation

Pairs = list[tuple[st.Stage, st.Stage]]


def distill(settings: Distillation, model: Network | None, data: Dataset, ctx: Context) -> Network:
    """The student, taught. Raises OptimizerError where student, teacher and rows do not belong together; Stopped when asked to stop."""
    use_threads(ctx.threads)
    ctx.report(0.0, "finding the teacher")
    teacher = teacher_of(settings, model, data, ctx)
    with part(ctx, *((0.5, 0.5) if settings.teacher in ("zoo", "ensemble") else (0.0, 1.0))):
        if data.task == "unlabelled":
            data = answered(data, teacher, ctx)
        student = student_of(settings, model, data, ctx)
        pairs = matched(student, teacher, data) if settings.hints or settings.attention else []
        same_size(settings, student, teacher, data)
        altered = settings.blend or (data.train.x.ndim == 4 and bool(settings.shift or settings.flip))
        lesson = Lesson(teacher, student, data, ctx, altered, [one.node for _, one in pairs])
        taught = fit(student, data, settings, ctx, Teaching(settings, lesson, pairs, ctx.seed))
    return taught.noting(*told(settings, teacher, data, pairs))


def student_of(settings: Distillation, model: Network | None, data: Dataset, ctx: Context) -> Network:
    if settings.student in ARCHITECTURES:
        return fresh_network(Training(architecture=settings.student), None, data, ctx.seed)
    if model is None:
        raise OptimizerError("There is no network that could learn.", "distill.student", "Name a network of the zoo as the student.",
                             "no-model")
    return model if settings.student == "network" else with_fresh_weights(model, ctx.seed)


def answered(data: Dataset, teacher: Teacher, ctx: Context) -> Dataset:
    """Rows without labels, with the teacher's answers in their place: validation then tells how often the student agrees with it."""
    def labelled(split: Split) -> Split:
        return Split(split.x, ask(teacher, split, ctx).argmax(1).astype(np.int64) if len(split) else np.zeros(0, np.int64))

    outputs = teacher.on(data.train.x[:1]).shape[1]
    return Dataset(labelled(data.train), labelled(data.validation), data.test, data.kind, "classification",
                   tuple(str(number) for number in range(outputs)), data.features)


def matched(student: Network, teacher: Teacher, data: Dataset) -> Pairs:
    """Stages of both with the same extents. Raises OptimizerError when there are none."""
    raw, other = np.asarray(data.train.x[:2]), teacher.networks[0]
    mine, theirs = (st.stages(network.to_torch(), torch.from_numpy(network.feed(raw))) for network in (student, other))
    pairs = [(mine[extents], theirs[extents]) for extents in mine if extents in theirs]
    if not pairs:
        raise OptimizerError("No feature map of the student has the extents of one of the teacher.", "distill.hints",
                             "Leave hints and attention at 0, or choose a student nearer to the teacher.", "no-stages")
    return pairs


def same_size(settings: Distillation, student: Network, teacher: Teacher, data: Dataset) -> None:
    """Moving by whole pixels is the same for both only where both see pictures of one size."""
    sizes = {network.preprocessing.size for network in (student, *teacher.networks)}
    if settings.shift and len(sizes) > 1 and data.train.x.ndim == 4:
        raise OptimizerError("Teacher and student take pictures of different sizes, so a shift in pixels is not the same for both.",
                             "distill.shift", "Set shift to 0.", "shift-sizes")


class Teaching(Callback):
    """Adds the teacher's part to the loss. pairs: stages of student and teacher that are held against each other."""

    def __init__(self, settings: Distillation, lesson: Lesson, pairs: Pairs, seed: int) -> None:
        self.settings, self.lesson, self.pairs, self.seed = settings, lesson, pairs, seed
        self.blend: Blend | None = None

    def begin(self, module: fx.GraphModule) -> None:
        self.taps = st.tap(module, [mine.node for mine, _ in self.pairs])
        self.maps = st.regressors(self.pairs, self.seed)
        if self.pairs:
            module.add_module(st.REGRESSORS, self.maps)

    def feed(self, run: Run, x: Tensor) -> Tensor:
        self.blend = Blend(len(x)) if self.settings.blend else None
        return x if self.blend is None else self.blend.of(x)

    def loss(self, run: Run, x: Tensor, out: Tensor, y: Tensor) -> Tensor:
        answers, values = self.lesson.of(run, x, self.blend)
        alpha, loss = self.settings.alpha, out.new_zeros(())
        if alpha < 1:
            loss = (1 - alpha) * run.loss(out, self.target(run, out, y), self.settings.label_smoothing)
        if alpha:
            loss = loss + alpha * self.soft(run, out, answers)
        return loss + self.inside(run, values) if self.pairs else loss

    def inside(self, run: Run, values: list[Tensor]) -> Tensor:
        """What hints and attention add, mean over the stages; it fades to nothing, so that at the end only the answers count."""
        loss = values[0].new_zeros(())
        for mine, value, pair, regressor in zip((tap.seen for tap in self.taps), values, self.pairs, self.maps, strict=True):
            if self.settings.hints:
                loss = loss + self.settings.hints * st.hint_loss(mine, value, pair, regressor)
            if self.settings.attention and mine.dim() > 2:
                loss = loss + self.settings.attention * st.attention_loss(mine, value, pair)
        return loss / len(self.pairs) * max(0.0, 1 - run.at / run.progress.total)

    def target(self, run: Run, out: Tensor, y: Tensor) -> Tensor:
        """The labels; of blended rows, the same blend of them."""
        if self.blend is None:
            return y
        return self.blend.of(y if run.regression else F.one_hot(y, out.flatten(1).shape[1]).float())

    def soft(self, run: Run, out: Tensor, answers: Tensor) -> Tensor:
        """T^2 * KL(teacher || student) at temperature T, mean over the rows; for numbers the squared error to the teacher's."""
        return run.loss(out, answers.reshape(-1)) if run.regression else soft_loss(out.flatten(1), answers, self.settings.temperature)

    def end(self, module: fx.GraphModule) -> None:
        st.untap(module)


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(teacher || student), mean over the rows. Both (n, classes), logits.

    At a high temperature it nears half the squared distance of the centred logits divided by the number of classes.

    >>> a, b = torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1, 2).double()
    >>> [round(soft_loss(a, b, t).item(), 4) for t in (1.0, 100.0)]             # ln(cosh 1); 1/2 * (1 + 1) / 2
    [0.4338, 0.5]
    """
    mine, theirs = F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)
    return temperature**2 * F.kl_div(mine, theirs, reduction="batchmean", log_target=True)


def told(settings: Distillation, teacher: Teacher, data: Dataset, pairs: Pairs) -> list[str]:
    """Who taught what."""
    drawn = ARCHITECTURES[settings.teaching(data.row_shape)].title
    who = {"original": "the original network", "itself": "the network itself, as it was before this step",
           "zoo": f"{drawn}, trained first", "ensemble": f"{len(teacher.networks)} times {drawn}, trained first"}[settings.teacher]
    soft = f"soft labels at temperature {settings.temperature:g} weighing {settings.alpha:.0%}"
    inside = [f"{name} at {len(pairs)} stages" for name, weight in (("hints", settings.hints), ("attention", settings.attention)) if weight]
    means = ", ".join(([soft] if settings.alpha else []) + inside)
    return [f"Taught by {who}: {means}."]
