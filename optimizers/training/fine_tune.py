"""Go on training the network at hand with a small rate: after pruning, or on new rows of the same classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import param
from optimizers.training.settings import Fitting, mismatch

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network


class FineTuning(Fitting):
    """Train on from the present weights. Classes and shapes stay as they are; nothing is adapted silently."""

    name: ClassVar[str] = "fine-tune"
    title: ClassVar[str] = "fine-tune"

    epochs: int = param("Epochs", 6, "Passes over the train split", low=1, high=1000, unit="epochs", search=(2, 4, 8))
    rate: float = param(
        "Learning rate", 0.002, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10, search=(0.0005, 0.002, 0.004))
    patience: int = param(
        "Epochs without progress", 0, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        return refusals.no_rows(dataset) or mismatch(model, dataset)

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.training.loop import fit

        return fit(model, data, self, ctx)
