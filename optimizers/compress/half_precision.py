"""Weights and arithmetic in 16-bit floats: half the bytes. Micikevicius et al. 2018, arXiv:1710.03740."""

from __future__ import annotations

from typing import ClassVar

from optimizers.errors import Refusal
from optimizers.measure.device_model import speaks
from optimizers.technique import State, Technique, param


class HalfPrecision(Technique):
    """Half the size. Faster only where the processor has fp16 arithmetic; elsewhere the runtime casts, and it may be slower."""

    name: ClassVar[str] = "half-precision"
    title: ClassVar[str] = "fp16"
    family: ClassVar[str] = "quantization"
    gives: ClassVar[State] = "half"
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Micikevicius et al. 2018, arXiv:1710.03740"

    keep_io: bool = param(True, "Inputs and outputs stay float32, so callers need not change")

    def refuse(self, model, dataset, device):
        if not speaks(device, "fp16"):
            return Refusal(wrong=f"{device.title} has no half-precision arithmetic.", mend="Use 'quantize-static', or keep fp32.",
                           code="device-dtype")
        if model is not None and model.quantized:
            return Refusal(wrong="The network is already quantized.", mend="Start from the float network it was made of.",
                           code="already-quantized")
        return None

    def seconds(self, model, dataset):
        return 1.0 + (model.parameters if model else 1e6) / 2e7

    def body(self, body):
        return body.scaled(activations=0.5)._replace(dtype="fp16", bits=None)

    def apply(self, model, data, ctx):
        from optimizers.compress.half_precision_work import halve

        return halve(self, model)
