"""The weights that may become sparse: stored tensors of Conv, ConvTranspose, Gemm and MatMul, and the names people know them by."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from optimizers.errors import OptimizerError
from optimizers.models.graph import attributes
from optimizers.models.rewrite import Layer, weighted
from optimizers.refusals import must_know


@dataclass(frozen=True)
class Weight:
    """One stored tensor. name: its own.  called: "blocks.0.conv1", as torch's path.  layers: the nodes that read it, often one."""

    name: str
    called: str
    layers: tuple[Layer, ...]

    @property
    def array(self) -> np.ndarray:
        return self.layers[0].weight

    def outs_ins(self, array: np.ndarray) -> np.ndarray:
        """An array of the tensor's shape as a view (outs, ins, ...): outputs first, the inputs that are summed over second."""
        kind, node = self.layers[0].kind, self.layers[0].node
        if kind == "Conv" or (kind == "Gemm" and attributes(node).get("transB", 0)):
            return array
        return np.moveaxis(array, (-1, -2), (0, 1)) if kind == "MatMul" else np.swapaxes(array, 0, 1)


def weights(proto: onnx.ModelProto) -> list[Weight]:
    """Every such tensor in file order; one that several nodes share is one. Raises OptimizerError for numbers that are none."""
    readers: dict[str, list[Layer]] = {}
    for layer in weighted(proto):
        if layer.weight.ndim > 1 and layer.weight.dtype.kind == "f":
            readers.setdefault(layer.node.input[1], []).append(layer)
    found = [Weight(name, called(name, layers[0]), tuple(layers)) for name, layers in readers.items()]
    for weight in found:
        if not np.isfinite(weight.array).all():
            raise OptimizerError("Some of its weights are infinite or no numbers, so they cannot be ranked.", weight.called,
                                 "Export the network again from weights that are finite.", "nan-weights")
    return found


def called(name: str, layer: Layer) -> str:
    """A layer's short name: its weight's without the ending, else its node's."""
    named = re.fullmatch(r"(.+)\.(weight|kernel|w|W)", name)
    return named[1] if named else layer.name or name


def treated(proto: onnx.ModelProto, keep: Collection[str], ends: bool, where: str) -> list[Weight]:
    """The tensors to make sparse. keep: names of layers left whole.  ends: whether the first and the last are treated too.

    Raises OptimizerError for a name that is no layer's, and when nothing is left.
    """
    found = weights(proto)
    known = {name: weight for weight in found for name in (weight.name, weight.called, *(layer.name for layer in weight.layers))}
    must_know((*(weight.called for weight in found), *known), keep, "keep")
    whole = {known[name].name for name in keep} | ({found[0].name, found[-1].name} if found and not ends else set())
    left = [weight for weight in found if weight.name not in whole]
    if not left:
        raise OptimizerError("No layer with weights is left to make sparse.", where,
                             "Shorten the list of layers left whole, or quantize instead.", "nothing-to-prune")
    return left
