"""Train a network from the zoo from fresh weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.models.zoo import ARCHITECTURES, suited
from optimizers.technique import param
from optimizers.training.settings import Fitting, mismatch

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

MACS = {"resnet8": 9_350_000, "dscnn": 3_780_000, "tiny-cnn": 1_920_000, "mobilenet-small": 3_270_000, "vit-small": 6_470_000,
        "mlp": 10_000}


class Training(Fitting):
    """Begin with fresh weights and learn from the train split; the best epoch by validation is kept."""

    name: ClassVar[str] = "train"
    title: ClassVar[str] = "train"
    paper: ClassVar[str] = "Loshchilov and Hutter 2017, arXiv:1711.05101 (AdamW); arXiv:1608.03983 (cosine)"

    architecture: Literal["auto", "resnet8", "dscnn", "tiny-cnn", "mobilenet-small", "vit-small", "mlp", "model"] = param(
        "Network of the zoo", "auto", "Network of the zoo; auto suits the rows; model takes the uploaded network's shape with fresh "
        "weights", search=("resnet8", "dscnn", "tiny-cnn"))
    picture_side: int = param(
        "Side of the pictures", 0, "Pictures become squares of this side; 0 keeps them, up to 96", low=0, high=512, unit="px")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if dataset is None:
            return refusals.no_rows(dataset)
        if self.architecture == "model":
            if model is None:
                return Refusal(wrong="There is no model whose shape could be taken.", where="architecture",
                               mend="Use 'auto', or name a model.",
                               code="no-model")
            return mismatch(model, dataset)
        if refusal := mismatch(None, dataset):
            return refusal
        entry = ARCHITECTURES.get(self.architecture)
        if entry and entry.takes == "pictures" and len(dataset.row_shape) != 3:
            return Refusal(wrong=f"{entry.title} takes pictures, and the dataset holds vectors of {sum(dataset.row_shape[:1])}.",
                           where="architecture", mend="Use 'mlp' or 'auto'.", code="architecture-rows")
        return None

    def begins(self) -> bool:
        return True

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        shape = dataset.row_shape if dataset else (1, 28, 28)
        name = suited(shape)[0] if self.architecture in ("auto", "model") else self.architecture
        rows = dataset.splits.get("train", dataset.rows) if dataset else 10_000
        pixels = (self.picture_side**2 or min(shape[1] * shape[2], 96 * 96)) / 784 if len(shape) == 3 else 1.0
        return 2 + self.epochs * rows * (3 * MACS[name] * pixels / 20e9 + 2e-5)

    def apply(self, model: Network | None, data: Dataset, ctx: Context) -> Network:
        from optimizers.training.fresh import fresh_network
        from optimizers.training.loop import fit

        return fit(fresh_network(self, model, data, ctx.seed), data, self, ctx)

    def label(self) -> str:
        return "train" if self.architecture in ("auto", "model") else f"train {ARCHITECTURES[self.architecture].title}"
