"""Matrix weights in 8, 4 or 2 bits by blocks, activations in float: for networks that wait for memory, not for arithmetic."""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import State, Technique, param


class WeightQuantization(Technique):
    """Every MatMul with fixed weights in blocks of few bits, each with its scale; the kernel widens them as it multiplies. Needs no data.

    Meant for transformers and wide perceptrons: at 4 bits about a sixth of the bytes. Convolutions stay in float, unless `others` has them
    and recurrent layers stored in few bits too: widened once, when the file is opened, they save bytes and no time. 2 bits lose much, and
    their kernel is slow. Runs in ONNX Runtime only (its operator MatMulNBits).
    """

    name: ClassVar[str] = "quantize-weights"
    title: ClassVar[str] = "weights by blocks"
    family: ClassVar[str] = "quantization"
    gives: ClassVar[State] = "quantized"
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Dettmers and Zettlemoyer 2023, arXiv:2212.09720 (4 bits by blocks)"

    bits: Literal[8, 4, 2] = param("Bits of a weight", 4, "Bits of a weight", unit="bits", search=(4, 8))
    block: Literal[16, 32, 64, 128] = param(
        "Weights that share a scale", 32, "Weights along the input axis that share one scale", unit="weights", search=(32, 128))
    symmetric: bool = param("Blocks centred on zero", True, "Blocks centred on zero; else each has a zero point too")
    activations: Literal["float", "int8"] = param(
        "What the kernel multiplies in", "int8", "What the kernel multiplies in: int8 rounds a block of activations on the fly")
    others: Literal["float", "stored"] = param(
        "Convolutions and recurrent layers", "float",
        "Convolutions and recurrent layers: stored holds their weights in as many bits, a scale for each channel, and computes in float")

    def refuse(self, model, dataset, device):
        if "onnxruntime" not in device.runtimes:
            return Refusal(wrong=f"{device.title} does not run ONNX Runtime, the only one with kernels for weights by blocks.",
                           mend="Use 'quantize-static' on this device.", code="device-runtime")
        if model is None:
            return None
        if refusal := refusals.quantized(model):
            return refusal
        reached = ("MatMul", "Gemm") if self.others == "float" else ("MatMul", "Gemm", "Conv", "ConvTranspose", *refusals.RECURRENT)
        if model.operators and not any(model.operators.get(name) for name in reached):
            *some, last = reached
            return Refusal(wrong=f"The network has no {', '.join(some)} or {last}, and blocks of few bits change nothing else.",
                           where="others", mend="Set 'others' to stored, or use 'quantize-static': it runs convolutions in integers.",
                           code="nothing-to-quantize")
        return None

    def seconds(self, model, dataset):
        return 1.0 + (model.parameters if model else 1e6) / 1e7

    def body(self, body):
        few = self.bits + 32 / self.block
        rest = 32 if self.others == "float" else self.bits
        return body._replace(bits=few * body.dynamic + rest * (1 - body.dynamic))

    def label(self) -> str:
        return f"{self.bits}-bit weights by {self.block}" + (", others stored" if self.others == "stored" else "")

    def toll(self) -> float:
        """Measured on a ViT: 0, 0 and 19 points; with others stored, on a voice-activity model, 0.2 and 1.4 at 8 and 4 bits."""
        return {8: 0.0, 4: 0.2, 2: 20.0}[self.bits] + (0.0 if self.others == "float" else {8: 0.2, 4: 1.2, 2: 20.0}[self.bits])

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.weights_work import quantize

        return quantize(self, model, ctx)
