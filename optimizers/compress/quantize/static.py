"""Run convolutions and matrix products in integers, with ranges found on training rows. Jacob et al. 2018, arXiv:1712.05877."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.measure.device_model import speaks
from optimizers.technique import State, Technique, param

if TYPE_CHECKING:
    from optimizers.cards import ModelCard

WEIGHTED = ("Conv", "Gemm", "MatMul")


def all_buried(model: ModelCard) -> Refusal | None:
    """Whether every layer that could run in integers lies inside of an If, Loop or Scan."""
    inside = [model.buried.get(layer.name, "") for layer in model.layers if layer.operator in WEIGHTED]
    if not inside or not all(inside):
        return None
    return Refusal(wrong=f"All layers with weights lie inside of '{inside[0]}', and control flow is not quantized.", where=inside[0],
                   mend="Export the branch that is used, without the condition; or use 'half-precision'.", code="control-flow")


class StaticQuantization(Technique):
    """Weights and activations in int8, scales fixed beforehand. Batch norm is folded first; sensitive layers can stay in float.

    Weights of 4 or 2 bits make a smaller file, not a faster one: the runtime widens them to int8 when it opens the file. The first and the
    last layer keep 8 bits then.
    """

    name: ClassVar[str] = "quantize-static"
    title: ClassVar[str] = "int8"
    family: ClassVar[str] = "quantization"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {
        "Ranges": ("calibration", "percentile", "rows"),
        "More": ("iterations", "bias_correction", "per_channel", "activation", "weight_range", "first")}
    gives: ClassVar[State] = "quantized"
    version: ClassVar[int] = 2
    paper: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877; Nagel et al. 2020, arXiv:2004.10568 (adaptive rounding); " \
                           "Nagel et al. 2019, arXiv:1906.04721 (bias correction)"

    bits: Literal[8, 4, 2] = param("Bits of a weight", 8, "Bits of a weight; activations keep eight", unit="bits", search=(8, 4))
    rounding: Literal["nearest", "adaptive"] = param(
        "How weights are rounded", "nearest", "Adaptive learns for each weight whether up or down keeps the layer's output; worth its "
        "time below 8 bits", search=("nearest", "adaptive"))
    iterations: int = param(
        "Steps of adaptive rounding", 500, "Steps of adaptive rounding for each layer", low=10, high=20_000, unit="steps")
    bias_correction: bool = param("Correct biases", False, "Give each bias back the mean that rounding took from its layer's output")
    calibration: Literal["minmax", "percentile", "entropy", "mse"] = param(
        "How ranges are found", "minmax", "How the range of each activation is found; mse clips where that costs the least squared error",
        search=("minmax", "percentile", "mse"))
    percentile: float = param(
        "Values inside the range", 99.99, "Share of values inside the range, for percentile calibration", low=90.0, high=100.0, unit="%")
    rows: int = param("Calibration rows", 300, "Training rows the ranges are found on", low=1, high=5000, unit="rows")
    per_channel: bool = param(
        "A scale for each channel", True, "One scale for each output channel of the weights, rather than one for the tensor")
    activation: Literal["auto", "uint8", "int8", "int16"] = param(
        "Type of activations", "auto", "Type of the activations; auto takes int8 for microcontrollers, and what ONNX Runtime can fuse "
        "elsewhere; int16 is for 16x8 kernels of embedded runtimes, ONNX Runtime has none and computes in float around it")
    weight_range: Literal["auto", "full", "reduced"] = param(
        "Range of weights", "auto", "Reduced keeps weights within 7 bits; auto does so for x86, whose processors without VNNI add "
        "products in 16 bits, which overflow")
    first: Literal["auto", "int8"] = param(
        "The first convolution", "auto", "The first convolution; auto leaves it in float where it sees under four channels and ONNX "
        "Runtime runs it: faster so")
    keep_float: tuple[str, ...] = param("Layers left in float", (), "Layers that stay in float, by node name")
    sensitivity: bool = param(
        "Measure each layer alone", False, "Measure each layer alone, and keep those in float that cost more than the limit below")
    keep_above: float = param(
        "Largest loss of one layer", 0.2, "Largest loss one layer may cost on validation", low=0.0, high=100.0, unit="points")

    def refuse(self, model, dataset, device):
        if model is None or not speaks(device, "int8"):
            return refusals.no_integers(device)
        if refusal := refusals.quantized(model) or refusals.lacking(model, WEIGHTED, "there is nothing to run in int8",
                                                                    "nothing-to-quantize"):
            return refusal
        if (self.rounding == "adaptive" or self.bias_correction) and model.family != "network":
            return Refusal(wrong="Adaptive rounding and bias correction run layer by layer in torch, which cannot hold this network.",
                           where="rounding", mend="Use 'nearest' without bias correction.", code="graph-only")
        return all_buried(model) or refusals.unknown_layer(model, self.keep_float, "keep_float")

    def seconds(self, model, dataset):
        """About 2 s of overhead, and 40 MMACs a millisecond over the calibration rows; histograms cost six times that."""
        macs = (model.macs if model else None) or 1e7
        rows = min(self.rows, dataset.splits.get("train", self.rows)) if dataset else self.rows
        work = rows * macs / 4e9 * (1 if self.calibration == "minmax" else 6)
        layers = len(model.layers) if model else 10
        learned = self.iterations * (layers * 0.002 + 32 * 3 * macs / 2e10) if self.rounding == "adaptive" else 0.0
        return 2.0 + work + learned + (layers * (0.5 + 500 * macs / 4e9) if self.sensitivity else 0.0)

    def body(self, body):
        return body.scaled(activations=0.25)._replace(dtype="int8", bits=float(self.bits))

    def label(self) -> str:
        words = ["int8" if self.bits == 8 else f"int8 with {self.bits}-bit weights"]
        words += [] if self.per_channel else ["per tensor"]
        words += ["adaptive rounding"] if self.rounding == "adaptive" else []
        words += ["bias correction"] if self.bias_correction else []
        words += ["int16 activations"] if self.activation == "int16" else []
        words += [self.calibration] if self.calibration != "minmax" else []
        words += ["by sensitivity"] if self.sensitivity else []
        return ", ".join(words)

    def toll(self) -> float:
        """Measured: nothing beyond chance at 8 bits, 0.7 points at 4 bits (0.1 adaptive), 3.1 with one scale for a tensor."""
        learned = self.rounding == "adaptive"
        return {8: 0.15, 4: 0.3 if learned else 0.9, 2: 10.0 if learned else 30.0}[self.bits] + (0.0 if self.per_channel else 3.0)

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.static_work import quantize

        return quantize(self, model, data, ctx)
