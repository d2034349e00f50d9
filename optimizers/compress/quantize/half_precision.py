"""Weights in 16-bit floats: half the bytes. Micikevicius et al. 2018, arXiv:1710.03740; Kalamkar et al. 2019, arXiv:1905.12322 (bf16)."""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.measure.device_model import rate, speaks
from optimizers.technique import State, Technique, param


class HalfPrecision(Technique):
    """Half the size. Arithmetic in 16 bits too where the device is faster at it; elsewhere the file stores 16 bits and computes in 32.

    Stored only, a file runs exactly as fast as fp32: the runtime widens the weights once, when it opens the file. bf16 keeps the range of
    fp32 and two to three digits; fp16 keeps three to four digits up to 65,504.
    """

    name: ClassVar[str] = "half-precision"
    title: ClassVar[str] = "fp16"
    family: ClassVar[str] = "quantization"
    gives: ClassVar[State] = "half"
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Micikevicius et al. 2018, arXiv:1710.03740; Kalamkar et al. 2019, arXiv:1905.12322 (bf16)"
    version: ClassVar[int] = 2

    kind: Literal["fp16", "bf16"] = param("Which 16-bit float", "fp16", "Which 16-bit float")
    arithmetic: Literal["auto", "half", "float"] = param(
        "What is computed in", "auto", "What is computed in: auto takes half where the device's profile has a higher rate for it; bf16 is "
        "stored only")
    keep_io: bool = param("Inputs and outputs stay float32", True, "Inputs and outputs stay float32, so callers need not change")

    def refuse(self, model, dataset, device):
        if "onnxruntime" not in device.runtimes and not speaks(device, "fp16"):
            return Refusal(wrong=f"{device.title} has no half-precision arithmetic.", mend="Use 'quantize-static', or keep fp32.",
                           code="device-dtype")
        if self.arithmetic == "half" and (self.kind == "bf16" or not speaks(device, "fp16")):
            wrong = "bf16 is stored only: ONNX Runtime has no processor kernels for it." if self.kind == "bf16" else \
                f"{device.title} has no half-precision arithmetic."
            return Refusal(wrong=wrong, where="arithmetic", mend="Use 'auto' or 'float': half the bytes all the same.",
                           code="device-dtype")
        return refusals.quantized(model) if model is not None else None

    def halves(self, device) -> bool:
        """Whether the arithmetic is in 16 bits too."""
        if self.kind == "bf16" or self.arithmetic != "auto":
            return self.kind == "fp16" and self.arithmetic == "half"
        if device is None or "onnxruntime" not in device.runtimes:
            return True
        half, whole = rate(device, "fp16"), rate(device, "fp32")
        return half is not None and whole is not None and half.value > whole.value

    def seconds(self, model, dataset):
        return 1.0 + (model.parameters if model else 1e6) / 2e7

    def body(self, body):
        return body._replace(bits=min(16.0, body.bits or 32.0))

    def label(self) -> str:
        return self.kind + (" arithmetic" if self.arithmetic == "half" else "")

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.half_precision_work import halve

        return halve(self, model, ctx)
