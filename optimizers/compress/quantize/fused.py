"""How many layers the runtime really executes in integers: a QDQ file promises, only the optimised graph tells."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

CONV = ("QLinearConv", "ConvInteger", "DynamicQuantizeConv")
DENSE = ("QLinearMatMul", "QGemm", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
RECURRENT = ("DynamicQuantizeLSTM",)
FLOAT_CONV = ("Conv", "FusedConv", "ConvTranspose")
FLOAT_DENSE = ("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "TransposeMatMul")


@dataclass(frozen=True)
class Fused:
    """Counts in the optimised graph: layers in integers, and layers left in float."""

    conv: int = 0
    dense: int = 0
    float_conv: int = 0
    float_dense: int = 0
    recurrent: int = 0
    float_recurrent: int = 0

    @property
    def integers(self) -> int:
        return self.conv + self.dense + self.recurrent

    @property
    def left(self) -> int:
        """Layers with weights, or products of activations, that run in float."""
        return self.float_conv + self.float_dense + self.float_recurrent

    def sentence(self) -> str:
        """
        >>> Fused(conv=3, float_conv=6, dense=1).sentence()
        '3 of 9 convolutions and 1 of 1 matrix product run in int8.'
        """
        parts = []
        for done, left, one, many in ((self.conv, self.float_conv, "convolution", "convolutions"),
                                      (self.dense, self.float_dense, "matrix product", "matrix products"),
                                      (self.recurrent, self.float_recurrent, "LSTM", "LSTMs")):
            if total := done + left:
                parts.append(f"{done} of {total} {one if total == 1 else many}")
        plural = self.integers + self.left != 1
        listed = " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
        return f"{listed} {'run' if plural else 'runs'} in int8." if parts else "Nothing in it runs in int8."


def count(proto: onnx.ModelProto) -> Fused:
    """What ONNX Runtime makes of the graph on this processor."""
    from optimizers.measure.shipped import fused_operators

    found = fused_operators(proto.SerializeToString())
    return Fused(*(sum(found.get(name, 0) for name in names) for names in (CONV, DENSE, FLOAT_CONV, FLOAT_DENSE, RECURRENT, ("LSTM",))))
