"""How much error each layer's output carries: the same rows through the original and the candidate, layers paired by their node's name.

Inner tensors are renamed when a quantized file is slimmed, names of layers with weights never are: so a layer is compared where both
files have a node of that name and kind, a bias in both or in neither (else something was fused into it), and outputs of one shape.
Layers that were pruned, factored, fused or turned into integer operators have no partner, and are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from optimizers.candidate import Fidelity
from optimizers.errors import OptimizerError
from optimizers.export.slim import NAMED
from optimizers.measure.fidelity import sqnr
from optimizers.measure.shipped import Shipped
from optimizers.models.graph import copied

if TYPE_CHECKING:
    from optimizers.models.network import Network

ROWS = 32           # of validation
BATCH = 4           # rows in one turn: every layer's output is held at once
MOST = 200          # layers compared


def by_layer(original: Shipped, candidate: Shipped, x: np.ndarray) -> tuple[tuple[Fidelity, ...], tuple[str, ...]]:
    """SQNR of each layer's output over at most 32 raw rows, in the order of the graph, and a sentence where layers are missing."""
    before, after = layers_of(original.network.proto), layers_of(candidate.network.proto)
    names = [name for name, node in before.items() if name in after and alike(node, after[name])][:MOST]
    if not names:
        return (), ("No layer has a partner of the same name in the original, so noise is told for outputs only.",) if before else ()
    try:
        first, second = (watched(shipped, [layers[name] for name in names]) for shipped, layers in ((original, before), (candidate, after)))
        sums = powers(first, second, [[layers[name].output[0] for name in names] for layers in (before, after)], x[:ROWS])
    except OptimizerError as error:
        return (), (f"Layers could not be compared: {error.refusal.wrong}",)
    rows = tuple(Fidelity(place="layer", name=name[:200], operator=before[name].op_type, sqnr_db=sqnr(*found), n=len(x[:ROWS]))
                 for name, found in zip(names, sums, strict=True) if found is not None)
    missing = len(before) - len(rows)
    has = "has" if missing == 1 else "have"
    return rows, (f"{missing} of {len(before)} layers {has} no partner in the original to be compared with.",) if missing else ()


def layers_of(proto: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in proto.graph.node if node.op_type in NAMED and node.name}


def alike(one: onnx.NodeProto, other: onnx.NodeProto) -> bool:
    return one.op_type == other.op_type and len([i for i in one.input if i]) == len([i for i in other.input if i])


def watched(shipped: Shipped, nodes: list[onnx.NodeProto]) -> Shipped:
    """The same file with the outputs of these nodes as outputs of the graph."""
    proto = copied(shipped.network.proto)
    known = {value.name for value in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in nodes if node.output[0] not in known)
    network: Network = shipped.network.with_(proto=proto, library=None)
    return Shipped(network)


def powers(original: Shipped, candidate: Shipped, outputs: list[list[str]], x: np.ndarray) -> list[tuple[float, float] | None]:
    """(signal, error) summed over all rows for each pair of outputs; None where shapes differ."""
    step = min(original.step(len(x), BATCH), candidate.step(len(x), BATCH))
    found: list[tuple[float, float] | None] = [(0.0, 0.0)] * len(outputs[0])
    for start in range(0, len(x), step):
        rows = x[start:start + step]
        both = zip(original.run(rows, tuple(outputs[0])), candidate.run(rows, tuple(outputs[1])), strict=True)
        for place, (a, b) in enumerate(both):
            have = found[place]
            if have is None or a.shape != b.shape:
                found[place] = None
                continue
            a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
            found[place] = have[0] + float((a * a).sum()), have[1] + float(((a - b) ** 2).sum())
    return found
