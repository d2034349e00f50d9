"""Weights of matrix products in 8-bit integers; activation ranges are found anew for each row. Wu et al. 2020, arXiv:2004.09602."""

from __future__ import annotations

from typing import ClassVar

from optimizers import refusals
from optimizers.compress.quantize.static import all_buried
from optimizers.errors import Refusal
from optimizers.measure.device_model import speaks
from optimizers.technique import State, Technique, param

REACHED = ("MatMul", "Gemm", "LSTM")


class DynamicQuantization(Technique):
    """MatMul, Gemm and LSTM weights in int8. Convolutions stay in float: their dynamic kernel is slower than fp32. Needs no data."""

    name: ClassVar[str] = "quantize-dynamic"
    title: ClassVar[str] = "dynamic int8"
    family: ClassVar[str] = "quantization"
    gives: ClassVar[State] = "quantized"
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Wu et al. 2020, arXiv:2004.09602"

    per_channel: bool = param("A scale for each channel", True, "One scale for each output column, rather than one for the tensor")

    def refuse(self, model, dataset, device):
        if "onnxruntime" not in device.runtimes:
            return Refusal(wrong="Generated C has fixed scales; ranges cannot be found at run time.",
                           mend="Use 'quantize-static' on this device.", code="device-runtime")
        if model is None or not speaks(device, "int8"):
            return refusals.no_integers(device)
        if refusal := refusals.quantized(model) or all_buried(model):
            return refusal
        if model.operators and not any(model.operators.get(name) for name in REACHED):
            return Refusal(wrong="The network has no MatMul, Gemm or LSTM, and dynamic int8 changes nothing else.",
                           mend="Use 'quantize-static': it runs convolutions in int8.", code="nothing-to-quantize")
        return None

    def seconds(self, model, dataset):
        return 1.0 + (model.parameters if model else 1e6) / 2e7

    def body(self, body):
        return body._replace(dtype="int8", bits=8 * body.dynamic + 32 * (1 - body.dynamic))

    def toll(self) -> float:
        """Measured on a ViT: less than 0.1 points."""
        return 0.1

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.dynamic_work import quantize

        return quantize(self, model, ctx)
