"""Weight-only quantization at work: Gemm becomes MatMul and Add, then ONNX Runtime's own quantizer packs the blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from optimizers.compress.quantize.bench import quiet
from optimizers.errors import OptimizerError
from optimizers.export.slim import slim
from optimizers.models.fold import fold_batch_norm
from optimizers.models.graph import attributes
from optimizers.models.rewrite import Layer, Part, fresh, replaced, weighted

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
    return replaced(proto, {layer.name: part(proto, layer) for layer in weighted(proto) if layer.kind == "Gemm" and is_plain(layer)})


def is_plain(layer: Layer) -> bool:
    known = attributes(layer.node)
    return known.get("alpha", 1.0) == 1.0 and known.get("beta", 1.0) == 1.0 and not known.get("transA", 0)


def part(proto: onnx.ModelProto, layer: Layer) -> Part:
    node, weight = layer.node, fresh(proto, f"{layer.node.input[1]}.columns")
    array = layer.weight.T if attributes(node).get("transB", 0) else layer.weight
    tensors = {weight: np.ascontiguousarray(array)}
    if len(node.input) < 3 or not node.input[2]:
        return Part([helper.make_node("MatMul", [node.input[0], weight], list(node.output), name=layer.name)], tensors)
    inner = fresh(proto, f"{node.output[0]}.product")
    return Part([helper.make_node("MatMul", [node.input[0], weight], [inner], name=layer.name),
                 helper.make_node("Add", [inner, node.input[2]], list(node.output))], tensors)
