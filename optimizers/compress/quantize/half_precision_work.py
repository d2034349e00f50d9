"""The heavy half of half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.compress.quantize.bench import quiet
from optimizers.export.halved import halved
from optimizers.export.slim import slim
from optimizers.models.fold import fold_batch_norm

if TYPE_CHECKING:
    from optimizers.compress.quantize.half_precision import HalfPrecision
    from optimizers.context import Context
    from optimizers.models.network import Network

LARGEST = 65504.0       # of a 16-bit float


def halve(technique: HalfPrecision, model: Network, ctx: Context) -> Network:
    """Weights in 16 bits, and operators too where that is faster; values beyond the range of fp16 are clipped, and said so."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = fold_batch_norm(model.proto)
    if not technique.halves(ctx.device):
        note = f"Weights are stored in {technique.kind}; the runtime widens them when it opens the file, and computes in fp32."
        return model.with_(proto=slim(halved(copy, technique.kind), rename=False), state="half").noting(note)
    clipped = sum(int((np.abs(numpy_helper.to_array(tensor)) > LARGEST).sum()) for tensor in copy.graph.initializer
                  if tensor.data_type == onnx.TensorProto.FLOAT)
    with quiet():
        proto = convert_float_to_float16(copy, keep_io_types=technique.keep_io)
    notes = (f"{clipped:,} weights were beyond the range of fp16 and were clipped.",) if clipped else ()
    return model.with_(proto=slim(proto, rename=False), state="half", notes=model.notes + notes)
