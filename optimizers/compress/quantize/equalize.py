"""Even out the ranges of channels between neighbouring layers, so that one scale fits them all. Nagel et al. 2019, arXiv:1906.04721."""

from __future__ import annotations

from typing import ClassVar

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import Technique, param


class CrossLayerEqualization(Technique):
    """What a channel gains in one layer it gives back in the next: the network computes the same, its weights quantize better.

    Helps where one scale serves a whole tensor, or few bits a channel; changes little at 8 bits with a scale for each channel. Batch norm
    is folded first. Reaches through ReLU, leaky ReLU and pooling; ReLU6 and other curves do not scale, so those pairs are left.
    """

    name: ClassVar[str] = "equalize"
    title: ClassVar[str] = "equalize"
    family: ClassVar[str] = "quantization"
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Nagel et al. 2019, arXiv:1906.04721"

    rounds: int = param(
        "Passes over the layers", 10, "Passes over all pairs; chains of layers need several", low=1, high=100, unit="passes")

    def refuse(self, model, dataset, device):
        if model is None:
            return None
        if refusal := refusals.quantized(model):
            return refusal
        if model.layers and len(model.layers) < 2:
            return Refusal(wrong="The network has one layer with weights, and equalizing needs two that follow each other.",
                           mend="Quantize it as it is.", code="nothing-to-equalize")
        return None

    def seconds(self, model, dataset):
        return 0.5 + self.rounds * (model.parameters if model else 1e6) / 5e7

    def apply(self, model, data, ctx):
        from optimizers.compress.quantize.equalize_work import equalize

        return equalize(self, model, ctx)
