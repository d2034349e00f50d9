"""Weight-only quantization at work: Gemm becomes MatMul and Add, then ONNX Runtime's own quantizer packs the blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from optimizers.compress.quantize.bench import quiet
from optimizers.errors import OptimizerError
from optimizers.export.slim import slim
from optimizers.models.fold import channel_axis, fold_batch_norm
from optimizers.models.rewrite import as_product, replaced, weighted

if TYPE_CHECKING:
    from optimizers.compress.quantize.weights import WeightQuantization
    from optimizers.context import Context
    from optimizers.models.network import Network

INTEGERS = 4                # accuracy_level of MatMulNBits: activations in int8 blocks


def quantize(technique: WeightQuantization, model: Network, ctx: Context) -> Network:
    """The network with MatMulNBits in the place of products with fixed weights; raises OptimizerError where there are none."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    ctx.report(0.0, "packing weights by blocks")
    plain = products(fold_batch_norm(model.proto))
    with quiet():
        quantizer = MatMulNBitsQuantizer(plain, bits=technique.bits, block_size=technique.block, is_symmetric=technique.symmetric,
                                         accuracy_level=INTEGERS if technique.activations == "int8" else 0)
        quantizer.process()
    made = quantizer.model.model
    done = sum(node.op_type == "MatMulNBits" for node in made.graph.node)
    if not done:
        raise OptimizerError("The network has no MatMul or Gemm with fixed weights, so there is nothing to put into blocks.",
                             "quantize-weights", "Use 'quantize-static': it runs convolutions in integers.", "nothing-to-quantize")
    left = [layer.name for layer in weighted(plain) if layer.kind != "MatMul"]
    notes = [f"{done} matrix products hold {technique.bits}-bit weights in blocks of {technique.block}; "
             f"{'the kernel multiplies in int8' if technique.activations == 'int8' else 'arithmetic is in float'}."]
    if left:
        notes.append(f"Left in float: {', '.join(left[:6])}{f' and {len(left) - 6} more' if len(left) > 6 else ''}.")
    return model.with_(proto=slim(made), state="quantized").noting(*notes)


def products(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with each plain Gemm of fixed weights as a MatMul and an Add, which the quantizer knows."""
    return replaced(proto, {layer.name: as_product(proto, layer.node, layer.weight, layer.node.input[0], layer.node.output[0])
                            for layer in weighted(proto) if layer.kind == "Gemm" and channel_axis(layer.node) is not None})
