"""Train while the network computes as it will on integers: roundings and ranges are learned with the weights. Jacob et al. 2018."""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers import refusals
from optimizers.technique import State, param
from optimizers.training.settings import Fitting, mismatch


class QuantizationAwareTraining(Fitting):
    """Fine-tune with weights and activations rounded in the forward pass, then write the integers that were trained.

    Batch norm is folded into its layer first and stays so: what is trained is what ships. Step sizes are learned as well (LSQ). Worth its
    time at 4 and 2 bits; at 8 bits plain quantization loses little already. The first and the last layer keep 8 bits.
    """

    name: ClassVar[str] = "quantize-aware"
    title: ClassVar[str] = "integers by training"
    family: ClassVar[str] = "quantization"
    gives: ClassVar[State] = "quantized"
    paper: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877; Esser et al. 2020, arXiv:1902.08153 (learned step sizes)"

    bits: Literal[8, 4, 2] = param("Bits of a weight", 4, "Bits of a weight; activations keep eight", unit="bits", search=(8, 4, 2))
    epochs: int = param("Epochs", 3, "Passes over the train split", low=1, high=1000, unit="epochs", search=(2, 4, 8))
    rate: float = param(
        "Learning rate", 0.001, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10, search=(0.0003, 0.001))
    patience: int = param(
        "Epochs without progress", 0, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")
    rows: int = param("Calibration rows", 300, "Training rows the first ranges are found on", low=8, high=5000, unit="rows")
    per_channel: bool = param(
        "A scale for each channel", True, "One scale for each output channel of the weights, rather than one for the tensor")
    keep_float: tuple[str, ...] = param("Layers left in float", (), "Layers that stay in float, by node name")

    def refuse(self, model, dataset, device):
        return (refusals.no_integers(device) or refusals.no_rows(dataset) or mismatch(model, dataset)
                or self.static().refuse(model, dataset, device))

    def static(self):
        """The plain quantization this one starts from and is written by."""
        from optimizers.compress.quantize.static import StaticQuantization

        return StaticQuantization(bits=self.bits, rows=self.rows, per_channel=self.per_channel, keep_float=self.keep_float)

    def seconds(self, model, dataset):
        """Rounding in the forward pass about doubles an epoch."""
        return 2 * super().seconds(model, dataset) + self.static().seconds(model, dataset)

    def body(self, body):
        return self.static().body(body)

    def label(self) -> str:
        return "int8 by training" if self.bits == 8 else f"{self.bits}-bit weights by training"

    def toll(self) -> float:
        """A guess from what is left: nothing measurable at 4 bits after a few thousand steps."""
        return {8: 0.15, 4: 10.0, 2: 40.0}[self.bits]

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.aware_work import train

        return train(self, model, data, ctx)
