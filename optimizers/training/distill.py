"""Teach a small network by a better one: its answers to every row say more than the labels do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.models.zoo import ARCHITECTURES, suited
from optimizers.technique import param
from optimizers.training.settings import Fitting, mismatch
from optimizers.training.train import MACS, Training

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

UPLOADED = ("original", "itself")       # teachers that are there before this step


class Distillation(Fitting):
    """Train on with a teacher's answers beside the labels: in the place of 'fine-tune' after pruning, or to fill a small network.

    loss = (1 - alpha) * cross entropy with the labels + alpha * T^2 * KL(teacher || student), both softened by the temperature T,
    + hints * error of the student's feature maps against the teacher's + attention * error of where their energy lies; the last two fade to
    nothing over the run. For numbers, the squared error to the labels and to the teacher's values. Rows that are moved, mirrored or blended
    are so for both alike. Used without a run, where nothing says what the original is, the network that comes in is the original.

    The network becomes neither smaller nor faster by it. A teacher hardly better than the student teaches little, and what the teacher has
    wrong is learned with the rest.
    """

    name: ClassVar[str] = "distill"
    title: ClassVar[str] = "distill"
    folds: ClassVar[dict[str, tuple[str, ...]]] = Fitting.folds | {
        "Teachers of the zoo": ("teacher_architecture", "teacher_epochs", "members"),
        "Feature maps, blending": ("hints", "attention", "blend")}
    needs: ClassVar[tuple[str, ...]] = ("data",)
    paper: ClassVar[str] = "Hinton et al. 2015, arXiv:1503.02531 (soft labels); Romero et al. 2014, arXiv:1412.6550 (hints); " \
                           "Zagoruyko and Komodakis 2016, arXiv:1612.03928 (attention); Furlanello et al. 2018, arXiv:1805.04770 " \
                           "(born again); Beyer et al. 2021, arXiv:2106.05237 (the same rows for both)"

    teacher: Literal["original", "itself", "zoo", "ensemble"] = param(
        "Teacher", "original", "Who teaches: the network the job started from, the network at hand as it is now, a zoo network that is "
        "trained first, or several of them whose probabilities are averaged")
    student: Literal["network", "fresh", "resnet8", "dscnn", "tiny-cnn", "mobilenet-small", "vit-small", "mlp"] = param(
        "Student", "network", "Who learns: the network at hand, its shape with fresh weights, or a network of the zoo with fresh weights")
    alpha: float = param(
        "The teacher's share of the loss", 0.9, "Share of the loss that is the teacher's; 1 needs no labels", low=0, high=1,
        unit="fraction", search=(0.5, 0.9, 1.0))
    temperature: float = param(
        "Temperature of the answers", 4.0, "Both answers are softened by it: higher shows more of what the teacher holds for nearly "
        "possible; a pure number", low=0.1, high=50, search=(2.0, 4.0))
    hints: float = param(
        "Weight of feature hints", 0.0, "Weight at the start of the teacher's feature maps, through a linear map that is thrown away "
        "where widths differ; a pure number", low=0, high=1000)
    attention: float = param(
        "Weight of attention transfer", 0.0, "Weight at the start of the teacher's attention: where in the picture the energy of its "
        "feature maps lies; a pure number", low=0, high=10_000)
    blend: bool = param(
        "Blend rows (mixup)", False, "Each row is blended with another in a random share, for teacher and student alike (mixup)")
    epochs: int = param("Epochs", 6, "Passes over the train split", low=1, high=1000, unit="epochs", search=(4, 8, 16))
    batch: int = param(
        "Batch size", 32, "Rows in one step; a student in few epochs wants many small steps", low=2, high=8192, unit="rows",
        search=(16, 32, 64))
    rate: float = param(
        "Learning rate", 0.006, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10, search=(0.002, 0.006, 0.012))
    patience: int = param(
        "Epochs without progress", 0, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")
    teacher_architecture: Literal["auto", "resnet8", "dscnn", "tiny-cnn", "mobilenet-small", "vit-small", "mlp"] = param(
        "The teacher's network", "auto", "Zoo network that teaches; auto takes the one that computes most of those that suit the rows")
    teacher_epochs: int = param(
        "The teacher's epochs", 12, "Passes over the train split for each teacher of the zoo", low=1, high=1000, unit="epochs")
    members: int = param("Teachers in the ensemble", 3, "Teachers in the ensemble, each from its own seed", low=2, high=20, unit="teachers")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if dataset is None:
            return refusals.no_rows(dataset, "Name a dataset.")
        if not (self.alpha or self.hints or self.attention):
            return Refusal(wrong="Nothing is asked of the teacher.", where="alpha", mend="Give 'alpha', 'hints' or 'attention' a weight.",
                           code="nothing-to-teach")
        if self.teacher == "ensemble" and (self.hints or self.attention):
            return Refusal(wrong="The feature maps of several teachers cannot be averaged.", where="teacher",
                           mend="Use 'zoo' for one teacher, or leave hints and attention at 0.", code="ensemble-hints")
        return self.unlabelled(dataset) or self.drawn(dataset, device) or self.differing(model, dataset)

    def unlabelled(self, dataset: DatasetCard) -> Refusal | None:
        """Rows without labels are taught by an uploaded network alone."""
        if dataset.task != "unlabelled" or (self.teacher in UPLOADED and self.alpha == 1 and self.student in ("network", "fresh")):
            return None
        return Refusal(wrong="The dataset has no labels, so only an uploaded network can teach its own kind on it.", where="dataset",
                       mend="Set alpha to 1, teacher to 'original' and student to 'network', or add labels.", code="no-labels")

    def drawn(self, dataset: DatasetCard, device: Device) -> Refusal | None:
        """Networks of the zoo must take the rows."""
        wanted: list[tuple[str, Any]] = [("student", self.student)] if self.student in ARCHITECTURES else []
        wanted += [("teacher_architecture", self.teaching(dataset.row_shape))] if self.teacher not in UPLOADED else []
        for field, name in wanted:
            if refusal := Training(architecture=name).refuse(None, dataset, device):
                return refusal.model_copy(update={"where": field, "mend": "Name another network of the zoo, such as 'mlp'."})
        return None

    def differing(self, model: ModelCard | None, dataset: DatasetCard) -> Refusal | None:
        """Teacher, student and dataset must mean the same classes; a network that only teaches need not be trainable."""
        if model is None or (self.teacher not in UPLOADED and self.student in ARCHITECTURES):
            return None
        learns = self.student not in ARCHITECTURES or self.hints or self.attention
        labelled = dataset.model_copy(update={"task": "other"}) if dataset.task == "unlabelled" else dataset
        return mismatch(model if learns else model.model_copy(update={"family": "network"}), labelled)

    def begins(self) -> bool:
        return self.teacher not in UPLOADED and self.student in ARCHITECTURES

    def teaching(self, row_shape: tuple[int, ...]) -> str:
        """The zoo name of the teacher."""
        return max(suited(row_shape), key=MACS.__getitem__) if self.teacher_architecture == "auto" else self.teacher_architecture

    def schooling(self, row_shape: tuple[int, ...]) -> Training:
        """How a teacher of the zoo is trained."""
        return Training(architecture=self.teaching(row_shape), epochs=self.teacher_epochs, batch=self.batch, shift=self.shift,
                        flip=self.flip)

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """Training the student, one forward of the teacher for each row (for each epoch where rows are altered), and the teachers' own
        training."""
        rows = dataset.splits.get("train", dataset.rows) if dataset else 10_000
        shape = dataset.row_shape if dataset else (1, 28, 28)
        whole = super().seconds(model, dataset)
        if self.student in ARCHITECTURES:
            whole = Training(architecture=self.student, epochs=self.epochs).seconds(None, dataset)
        teachers = self.members if self.teacher == "ensemble" else 1
        macs = ((model.macs if model else None) or 5_000_000) if self.teacher in UPLOADED else MACS[self.teaching(shape)]
        passes = self.epochs if self.shift or self.flip or self.blend or self.hints or self.attention else 1
        whole += passes * rows * teachers * macs / 20e9
        return whole + (teachers * self.schooling(shape).seconds(None, dataset) if self.teacher not in UPLOADED else 0.0)

    def body(self, body: Body) -> Body:
        """A student of the zoo takes the place of the network; any other keeps its figures."""
        if self.student not in ARCHITECTURES:
            return body
        return body._replace(parameters=ARCHITECTURES[self.student].kib * 256, macs=MACS[self.student])

    def apply(self, model: Network | None, data: Dataset, ctx: Context) -> Network:
        from optimizers.training.distill_work import distill

        return distill(self, model, data, ctx)

    def label(self) -> str:
        return f"distill into {ARCHITECTURES[self.student].title}" if self.student in ARCHITECTURES else "distill"
