"""The heavy half of dynamic quantization."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from optimizers.compress.quantize.bench import quiet
from optimizers.compress.quantize.dynamic import REACHED
from optimizers.compress.quantize.fused import count
from optimizers.compress.quantize.static_work import SEVEN, overflows
from optimizers.errors import OptimizerError
from optimizers.export.slim import slim

if TYPE_CHECKING:
    from optimizers.compress.quantize.dynamic import DynamicQuantization
    from optimizers.context import Context
    from optimizers.models.network import Network


def quantize(technique: DynamicQuantization, model: Network, ctx: Context) -> Network:
    """MatMul, Gemm and LSTM with fixed weights in int8; raises OptimizerError where there is none."""
    ctx.report(0.0, "quantizing matrix products")
    with tempfile.TemporaryDirectory(dir=ctx.scratch) as folder, quiet():
        source, prepared, target = (Path(folder) / name for name in ("source.onnx", "prepared.onnx", "quantized.onnx"))
        onnx.save(model.proto, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, target, op_types_to_quantize=list(REACHED), per_channel=technique.per_channel,
                         reduce_range=overflows(ctx.device), weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
        proto = slim(onnx.load(target))
    fused = count(proto)
    if not fused.dense and not fused.recurrent:
        raise OptimizerError("The network has no MatMul, Gemm or LSTM with fixed weights, and dynamic int8 changes nothing else.",
                             "quantize-dynamic", "Use 'quantize-static': it runs convolutions in int8.", "nothing-to-quantize")
    notes = [fused.sentence()]
    if overflows(ctx.device):
        notes.append(SEVEN)
    if fused.float_conv:
        notes.append("Convolutions stay in float: their dynamic kernel is slower than fp32.")
    return model.with_(proto=proto, state="quantized", notes=model.notes + tuple(notes))
