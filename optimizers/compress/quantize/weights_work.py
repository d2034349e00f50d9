"""Weight-only quantization at work: Gemm becomes MatMul and Add, then ONNX Runtime's own quantizer packs the blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from optimizers.compress.quantize.bench import quiet
from optimizers.compress.quantize.weight_grid import on_grid, top
from optimizers.errors import OptimizerError
from optimizers.export.packed import Coded, packed
from optimizers.export.slim import slim
from optimizers.models.axes import across
from optimizers.models.fold import channel_axis, fold_batch_norm
from optimizers.models.graph import without_unread
from optimizers.models.rewrite import as_product, recurrent, replaced, weighted

if TYPE_CHECKING:
    from optimizers.compress.quantize.weights import WeightQuantization
    from optimizers.context import Context
    from optimizers.models.network import Network

INTEGERS = 4                # accuracy_level of MatMulNBits: activations in int8 blocks
LEAST = 64                  # numbers of a tensor; below that the nodes that rebuild it cost more than it saves


def quantize(technique: WeightQuantization, model: Network, ctx: Context) -> Network:
    """The network with MatMulNBits in the place of products with fixed weights; raises OptimizerError where nothing is reached."""
    ctx.report(0.0, "packing weights by blocks")
    plain = products(fold_batch_norm(model.proto))
    made, done = in_blocks(technique, plain)
    table = stored(plain, technique.bits) if technique.others == "stored" else {}
    if not done and not table:
        raise OptimizerError("The network has no MatMul or Gemm with fixed weights, so there is nothing to put into blocks.",
                             "quantize-weights", "Set 'others' to stored, or use 'quantize-static': it runs convolutions in integers.",
                             "nothing-to-quantize")
    left = [layer.name for layer in weighted(plain) if layer.kind != "MatMul" and layer.node.input[1] not in table]
    notes = [f"{done} matrix products hold {technique.bits}-bit weights in blocks of {technique.block}; "
             f"{'the kernel multiplies in int8' if technique.activations == 'int8' else 'arithmetic is in float'}."] if done else []
    if table:
        made = without_unread(packed(made, table))
        notes.append(f"{len(table)} weights of convolutions and recurrent layers are stored in {technique.bits} bits, a scale for each "
                     "channel, and computed in float.")
    if left:
        notes.append(f"Left in float: {', '.join(left[:6])}{f' and {len(left) - 6} more' if len(left) > 6 else ''}.")
    return model.with_(proto=slim(made), state="quantized").noting(*notes)


def in_blocks(technique: WeightQuantization, plain: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """(the graph with MatMulNBits, how many there are)."""
    with quiet():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(plain, bits=technique.bits, block_size=technique.block, is_symmetric=technique.symmetric,
                                         accuracy_level=INTEGERS if technique.activations == "int8" else 0)
        quantizer.process()
    made = quantizer.model.model
    return made, sum(node.op_type == "MatMulNBits" for node in made.graph.node)


def stored(proto: onnx.ModelProto, bits: int) -> dict[str, Coded]:
    """Codes by tensor, of convolutions and recurrent layers. Channels of the latter are the gates' rows, (directions, gates, inputs)."""
    weights = {layer.node.input[1]: (layer.weight, layer.channels) for layer in weighted(proto) if layer.kind in ("Conv", "ConvTranspose")}
    weights |= {name: (weight, 1) for _, name, weight in recurrent(proto)}
    return {name: codes(weight, bits, axis) for name, (weight, axis) in weights.items()
            if weight.dtype == np.float32 and weight.size >= LEAST and np.isfinite(weight).all()}


def codes(weight: np.ndarray, bits: int, axis: int) -> Coded:
    """Rounded to the nearest of the levels -top to top, a scale for each channel."""
    found, edge = on_grid(weight, bits, axis), top(bits)
    return Coded(found.values.astype(np.int16) + edge, np.arange(-edge, edge + 1, dtype=np.float32), bits,
                 across(found.scales, weight.ndim, axis))


def products(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with each plain Gemm of fixed weights as a MatMul and an Add, which the quantizer knows."""
    return replaced(proto, {layer.name: as_product(proto, layer.node, layer.weight, layer.node.input[0], layer.node.output[0])
                            for layer in weighted(proto) if layer.kind == "Gemm" and channel_axis(layer.node) is not None})
