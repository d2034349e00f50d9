"""Make ONNX Runtime leave a layer in float that lies between quantized ones.

From 1.20 on, the runtime quantizes the weights of a float Conv by itself where its input is dequantized and its output (or the Relu
behind it) is quantized: a layer that was kept in float for its sensitivity then runs in int8 after all. An activation that this
pattern does not know keeps it from doing so, and costs nothing, because the runtime fuses it into the convolution.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import helper

from optimizers.models.graph import copied


def shield(proto: onnx.ModelProto, layers: Collection[str]) -> onnx.ModelProto:
    """A copy in which the Relu behind each named Conv is a LeakyRelu of slope 0, or a LeakyRelu of slope 1 (nothing) is put there.

    Only where the layer's input is dequantized; elsewhere the runtime leaves it alone anyway.
    """
    fresh = copied(proto)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in fresh.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in fresh.graph.output}
    dequantized = {node.output[0] for node in fresh.graph.node if node.op_type == "DequantizeLinear"}
    for index in range(len(fresh.graph.node) - 1, -1, -1):
        node = fresh.graph.node[index]
        if node.name not in layers or node.op_type != "Conv" or node.output[0] in outputs or node.input[0] not in dequantized:
            continue
        behind = readers.get(node.output[0], [])
        if len(behind) == 1 and behind[0].op_type == "Relu":
            behind[0].op_type = "LeakyRelu"
            behind[0].attribute.append(helper.make_attribute("alpha", 0.0))
        elif any(reader.op_type == "QuantizeLinear" for reader in behind):
            inner = f"{node.output[0]}.float"
            passing = helper.make_node("LeakyRelu", [inner], [node.output[0]], name=f"{node.name}.shield", alpha=1.0)
            node.output[0] = inner
            fresh.graph.node.insert(index + 1, passing)
    return fresh
