"""The heavy half of half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.compress.quantize.bench import quiet
from optimizers.export.codebook import with_books
from optimizers.export.halved import halved
from optimizers.export.slim import slim
from optimizers.models.fold import fold_batch_norm
from optimizers.models.graph import keep

if TYPE_CHECKING:
    from optimizers.compress.quantize.half_precision import HalfPrecision
    from optimizers.context import Context
    from optimizers.models.network import Network

LARGEST = 65504.0       # of a 16-bit float


def halve(technique: HalfPrecision, model: Network, ctx: Context) -> Network:
    """Weights in 16 bits, and operators too where that is faster; values beyond the range of fp16 are clipped, and said so."""
    copy = fold_batch_norm(model.proto)
    if not technique.halves(ctx.device):
        note = f"Weights are stored in {technique.kind}; the runtime widens them when it opens the file, and computes in fp32."
        coded = with_books(copy) if model.shared else copy          # codes are shorter than 16 bits, and go before
        return model.with_(proto=slim(halved(coded, technique.kind), rename=False), state="half").noting(note)
    clipped = sum(int((np.abs(numpy_helper.to_array(tensor)) > LARGEST).sum()) for tensor in copy.graph.initializer
                  if tensor.data_type == onnx.TensorProto.FLOAT)
    proto = computing_in_half(copy, technique.keep_io)
    notes = (f"{clipped:,} weights were beyond the range of fp16 and were clipped.",) if clipped else ()
    return model.with_(proto=slim(proto, rename=False), state="half", notes=model.notes + notes)


def computing_in_half(proto: onnx.ModelProto, keep_io: bool) -> onnx.ModelProto:
    """The graph with its arithmetic in fp16. proto: changed in place.

    An output that is an input directly keeps its name and type: the converter would put a cast before it, under a name that is taken.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    inputs = {value.name for value in proto.graph.input}
    passing = [(place, value) for place, value in enumerate(list(proto.graph.output)) if keep_io and value.name in inputs]
    keep(proto.graph.output, [value for value in proto.graph.output if not keep_io or value.name not in inputs])
    with quiet():
        made = convert_float_to_float16(proto, keep_io_types=keep_io)
    for place, value in passing:
        made.graph.output.insert(place, value)
    return made
