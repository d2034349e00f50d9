"""Bits for each layer by what it can bear: measured one by one, then spent under a budget. Dong et al. 2019, arXiv:1905.03696 (HAWQ)."""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers.compress.quantize.static import StaticQuantization
from optimizers.technique import State, Technique, param


class MixedPrecision(Technique):
    """8, 4 or 2 bits for the weights of each layer, float for those that cannot bear 8; activations in 8 bits.

    Each layer is measured alone at each width on validation rows; then whole bytes are saved where the output moves least for them, until
    the budget is met or validation has lost what it may. Layers of few bits make a smaller file, not a faster one.
    """

    name: ClassVar[str] = "mixed-precision"
    title: ClassVar[str] = "mixed precision"
    family: ClassVar[str] = "quantization"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("narrowest", "rounding", "iterations", "rows", "keep_above")}
    gives: ClassVar[State] = "quantized"
    paper: ClassVar[str] = "Dong et al. 2019, arXiv:1905.03696 (bits by sensitivity); Nagel et al. 2020, arXiv:2004.10568 (rounding)"

    weights_kib: float = param(
        "Budget for all weights", 0.0, "Budget for all weights; 0 goes as low as the loss below allows", low=0.0, high=1e7, unit="KiB")
    max_loss: float = param(
        "Largest loss of all layers", 0.5, "Largest loss on validation, against all layers in 8 bits", low=0.0, high=100.0, unit="points")
    narrowest: Literal[2, 4] = param("Fewest bits of a layer", 2, "Fewest bits a layer may get", unit="bits")
    rounding: Literal["nearest", "adaptive"] = param(
        "How weights are rounded", "adaptive", "How weights of few bits are rounded, once the bits are chosen")
    iterations: int = param(
        "Steps of adaptive rounding", 300, "Steps of adaptive rounding for each layer", low=10, high=20_000, unit="steps")
    rows: int = param("Calibration rows", 300, "Training rows the ranges are found on", low=8, high=5000, unit="rows")
    keep_float: tuple[str, ...] = param("Layers left in float", (), "Layers that stay in float, by node name")
    keep_above: float = param(
        "Largest loss of one layer", 1.0, "A layer that alone costs more than this in 8 bits stays in float", low=0.0, high=100.0,
        unit="points")

    def static(self) -> StaticQuantization:
        """The plain quantization it is written by."""
        return StaticQuantization(rows=self.rows, rounding=self.rounding, iterations=self.iterations, keep_float=self.keep_float)

    def refuse(self, model, dataset, device):
        return self.static().refuse(model, dataset, device)

    def seconds(self, model, dataset):
        layers, macs = len(model.layers) if model else 10, (model.macs if model else None) or 1e7
        return self.static().seconds(model, dataset) + layers * 3 * (0.5 + 1000 * macs / 4e9)

    def body(self, body):
        return self.static().body(body)._replace(bits=5.0)

    def label(self) -> str:
        return f"mixed precision to {self.weights_kib:g} KiB" if self.weights_kib else "mixed precision"

    def toll(self) -> float:
        """What it may spend, above all layers in 8 bits."""
        return 0.15 + self.max_loss

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.mixed_precision_work import mix

        return mix(self, model, data, ctx)
