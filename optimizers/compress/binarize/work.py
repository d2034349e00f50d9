"""The heavy half of binarization: choose layers, change the graph, train, and store bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from optimizers.compress.binarize.graph import Place, bare, with_binary, with_bits
from optimizers.compress.binarize.layers import chosen, look
from optimizers.compress.binarize.train import Binarizing
from optimizers.errors import OptimizerError
from optimizers.export.halved import halved
from optimizers.export.scaled import scaled
from optimizers.export.slim import slim
from optimizers.models import graph as onnx_graph
from optimizers.models.fold import fold_batch_norm
from optimizers.models.prove import astray
from optimizers.models.rewrite import weighted, with_tensors
from optimizers.training.loop import fit

if TYPE_CHECKING:
    import onnx

    from optimizers.compress.binarize.binarize import Binarization
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network

LOOKED_AT = 256         # train rows that the batch norms start from
COMPARED = 64           # rows on which torch and the file must agree
ASTRAY = 0.1            # share of them that may differ: rounding flips a bit now and then
SECOND_STAGE = 0.5      # of the steps are done when the weights become binary


def binarize(model: Network, data: Dataset, technique: Binarization, ctx: Context) -> Network:
    """A network whose hidden layers hold one bit a weight, trained; its notes say which, and what executes them."""
    ctx.report(0.0, "choosing layers")
    folded = model.with_(proto=fold_batch_norm(model.proto))
    layers, left = chosen(folded.proto, technique.keep)
    module = folded.to_torch()
    rows = data.calibration(LOOKED_AT, ctx.seed)
    batches = [torch.from_numpy(model.feed(rows[start:start + 64])) for start in range(0, len(rows), 64)]
    seen = look(module, layers, batches)
    left |= {layer.name: f"{layer.kind} of this form" for layer in layers if layer.name not in seen}
    layers = [layer for layer in layers if layer.name in seen]
    if not layers:
        raise OptimizerError("No layer can become binary: torch holds them in other forms.", "model", "Use 'quantize-static'.",
                             "nothing-to-binarize")
    proto, places = with_binary(folded.proto, layers, seen, technique.activations, technique.shortcuts, technique.learned)
    start = SECOND_STAGE if technique.stages == "two" and technique.activations and technique.epochs > 1 else 0.0
    trained = fit(folded.with_(proto=proto), data, technique, ctx, Binarizing(places, start, technique.learned))
    whole, signs = bare(trained.proto, places)
    prove(trained.to_torch(), with_tensors(whole, signs), batches[0][:COMPARED])
    bits = with_bits(whole, signs)
    return trained.with_(proto=slim(short(bits, technique.rest)), state="binarized").noting(*told(folded.proto, places, left, technique))


def short(proto: onnx.ModelProto, rest: str) -> onnx.ModelProto:
    """The tensors that are not binary in fewer bits."""
    return proto if rest == "fp32" else halved(scaled(proto) if rest == "int8" else proto)


@torch.no_grad()
def prove(module: nn.Module, proto: onnx.ModelProto, x: torch.Tensor) -> None:
    """The graph that ships must give in ONNX Runtime what the trained module gives in torch, but for a row in ten."""
    if astray(onnx_graph.run(proto, x.numpy())[0], module(x).numpy()) > ASTRAY:
        raise OptimizerError("The binary graph does not compute what the trained layers compute.", "model",
                             "Name the layers around unusual operators in 'keep'.", "binarize-mismatch")


def told(proto: onnx.ModelProto, places: list[Place], left: dict[str, str], technique: Binarization) -> tuple[str, ...]:
    """Sentences: what has one bit, what executes it, what stayed float and why."""
    weights = {layer.name: layer.weight.size for layer in weighted(proto)}
    binary = sum(place.layer.weight.size for place in places)
    what = "weights and inputs" if technique.activations else "weights"
    ways = sum(place.shortcut for place in places)
    sentences = [f"{len(places)} of {len(weights)} layers have {what} in one bit: {binary:,} of {sum(weights.values()):,} weights"
                 f"{f'; {ways} got a real-valued shortcut' if ways else ''}.",
                 "Stock ONNX Runtime rebuilds these weights when it opens the file and executes the layers in fp32; one-bit arithmetic "
                 "needs the generated XNOR kernels."]
    shown = [f"{name} ({reason})" for name, reason in left.items()]
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return tuple(sentences + ([f"Left in float: {', '.join(shown[:8])}{more}."] if shown else []))
