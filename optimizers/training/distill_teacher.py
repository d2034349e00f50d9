"""Those who teach: one network or several, asked without gradients for the rows a student sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.errors import OptimizerError
from optimizers.measure.yardstick import shipped
from optimizers.models.network import Network
from optimizers.training.batches import Rows, augmented
from optimizers.training.distill_stages import tap
from optimizers.training.fresh import fresh_network
from optimizers.training.head import logits
from optimizers.training.loop import fit
from optimizers.training.where import where

if TYPE_CHECKING:
    from optimizers.training.distill import Distillation
    from optimizers.training.loop import Run

KEPT = 256 * 2**20      # bytes of answers, rows x outputs in float32, that are kept so that each row is asked for once
SMALLEST = 1e-30        # probabilities below it count as it: their logarithm must stay finite
TEACHERS_TIME = 0.5     # of a training's share of the time, what the teachers of the zoo may take together


class Teacher:
    """Networks with the same outputs, asked in ONNX Runtime, or in torch on a GPU. Answers of several are averaged as probabilities."""

    def __init__(self, networks: list[Network], data: Dataset) -> None:
        self.networks, self.classification = networks, data.task != "regression"
        self.graphic = where().type == "cuda" and all(network.why_not_torch() is None for network in networks)
        self.heads = [logits(network.to_torch()).to(where()) for network in networks] if self.graphic else []
        self.files = [] if self.graphic else [shipped(network) for network in networks]
        self.softened = [ends_in_softmax(network) for network in networks]

    def fed(self, x: np.ndarray) -> Tensor:
        """(n, outputs) for rows that are fed already: logits up to a constant for each row, or numbers."""
        if self.graphic:
            with torch.no_grad():
                answers = [head(torch.from_numpy(x).to(where())).flatten(1) for head in self.heads]
        else:
            answers = [torch.from_numpy(file.on_fed(np.ascontiguousarray(x))) for file in self.files]
            answers = [logarithm(out) if soft else out for out, soft in zip(answers, self.softened, strict=True)]
        if len(answers) == 1:
            return answers[0]
        mean = torch.stack([F.softmax(out, 1) if self.classification else out for out in answers]).mean(0)
        return logarithm(mean) if self.classification else mean

    def on(self, x_raw: np.ndarray, batch: int = 256) -> np.ndarray:
        """(n, outputs) float32 for raw rows."""
        parts = [self.fed(self.networks[0].feed(np.asarray(x_raw[at:at + batch]))).cpu() for at in range(0, len(x_raw), batch)]
        return torch.cat(parts).numpy()


class Lesson:
    """The teacher's answers, and the values at its stages, for the batch a run is at: the very rows the student sees.

    altered: rows change from epoch to epoch, so nothing can be kept.  nodes: fx nodes whose values are wanted.
    """

    def __init__(self, teacher: Teacher, network: Network, data: Dataset, ctx: Context, altered: bool, nodes: list[str]) -> None:
        self.teacher, self.regression = teacher, data.task == "regression"
        own = teacher.networks[0]
        self.same = own.preprocessing == network.preprocessing
        self.nhwc = own.preprocessing.layout == "nhwc"
        self.rows = None if self.same else Rows(own, data.train, self.regression)
        self.head, self.taps = None, []
        if nodes:
            module = own.to_torch()
            self.taps = tap(module, nodes)
            self.head = logits(module).to(where())
        sample = teacher.on(data.train.x[:2])
        small = sample.shape[1] * 4 * len(data.train) <= KEPT
        self.kept = None if altered or nodes or not small else ask(teacher, data.train, ctx)

    def of(self, run: Run, x: Tensor, blended: Blend | None) -> tuple[Tensor, list[Tensor]]:
        """(n, outputs) answers and the value at each tap.  x: the batch as the student is fed it."""
        if self.kept is not None:
            return torch.from_numpy(self.kept[run.rows]).to(x.device), []
        if not self.same:
            x = self.again(run)
            x = x if blended is None else blended.of(x)
        if self.head is None:
            return self.teacher.fed(x.cpu().numpy()).to(run.device), []
        with torch.no_grad():
            answers = self.head(x.to(run.device)).flatten(1)
        return answers, [tap.seen for tap in self.taps]

    def again(self, run: Run) -> Tensor:
        """The batch as the teacher is fed it, moved and mirrored from the same draws."""
        assert self.rows is not None
        rng = np.random.default_rng()
        rng.bit_generator.state = run.draws
        return augmented(self.rows.take(run.rows)[0], run.settings.shift, run.settings.flip, self.nhwc, rng)


class Blend:
    """Each row with another of the batch, in a share drawn evenly. size: rows in the batch; drawn from torch's state."""

    def __init__(self, size: int) -> None:
        self.share, self.other = torch.rand(size), torch.randperm(size)

    def of(self, x: Tensor) -> Tensor:
        """share * x + (1 - share) * x of the other.  x: (n, ...)."""
        share = self.share.to(x.device).reshape(-1, *[1] * (x.dim() - 1))
        return share * x + (1 - share) * x[self.other.to(x.device)]


def teacher_of(settings: Distillation, model: Network | None, data: Dataset, ctx: Context) -> Teacher:
    """The teacher that is asked for; one of the zoo is trained first. Raises OptimizerError where there is none, or it cannot teach."""
    if settings.teacher in ("zoo", "ensemble"):
        return sound(Teacher(schooled(settings, data, ctx), data), data)
    network = model if settings.teacher == "itself" else ctx.original or model
    if network is None:
        raise OptimizerError("There is no network that could teach yet.", "distill.teacher", "Use 'zoo', or train one in a step before.",
                             "no-teacher")
    return sound(Teacher([network], data), data)


def schooled(settings: Distillation, data: Dataset, ctx: Context) -> list[Network]:
    """Teachers of the zoo, trained one after another from seeds of their own, in the first half of this step's slice of progress."""
    count = settings.members if settings.teacher == "ensemble" else 1
    training, seed, found = settings.schooling(data.row_shape), ctx.seed, []
    share = ctx.training_share
    for number in range(count):
        with part(ctx, TEACHERS_TIME * number / count, TEACHERS_TIME / count):
            ctx.log(f"Training teacher {number + 1} of {count}.", settings.name)
            ctx.training_share, ctx.seed = share * TEACHERS_TIME / count, seed + 1000 + number
            try:
                found.append(fit(fresh_network(training, None, data, ctx.seed), data, training, ctx))
            finally:
                ctx.training_share, ctx.seed = share, seed
    return found


@contextmanager
def part(ctx: Context, start: float, share: float) -> Iterator[None]:
    """Inside, reports of 0 to 1 fill this part of the step's slice."""
    base, span = ctx.base, ctx.span
    ctx.base, ctx.span = base + span * start, span * share
    try:
        yield
    finally:
        ctx.base, ctx.span = base, span


def sound(teacher: Teacher, data: Dataset) -> Teacher:
    """The teacher, if it answers what the dataset asks, in finite numbers."""
    answers = teacher.on(data.train.x[:32])
    wanted = {"classification": len(data.classes), "regression": 1}.get(data.task, answers.shape[1])
    if answers.shape[1] != wanted:
        raise OptimizerError(f"The teacher answers {answers.shape[1]} numbers for a row, and the dataset needs {wanted}.",
                             "distill.teacher", "Choose the dataset the teacher was made for, or 'zoo' as the teacher.", "classes-differ")
    if not np.isfinite(answers).all():
        raise OptimizerError("The teacher's answers are not finite numbers.", "distill.teacher", "Choose another teacher, such as 'zoo'.",
                             "teacher-not-finite")
    return teacher


def ask(teacher: Teacher, split: Split, ctx: Context) -> np.ndarray:
    """The answers to every row of a split: (n, outputs) float32."""
    parts = []
    for at in range(0, len(split), 1024):
        ctx.report(0.0, f"asking the teacher, row {at:,} of {len(split):,}")
        parts.append(teacher.on(split.x[at:at + 1024]))
    return np.concatenate(parts)


def logarithm(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(SMALLEST).log()


def ends_in_softmax(network: Network) -> bool:
    """Whether the output is made of probabilities."""
    name = network.proto.graph.output[0].name
    return any(node.op_type == "Softmax" and name in node.output for node in network.proto.graph.node)
