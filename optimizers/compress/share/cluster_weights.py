"""Few shared values in the place of many weights: k-means, then training of the values. Han et al. 2015, arXiv:1510.00149."""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers import refusals
from optimizers.cards import WEIGHTED
from optimizers.technique import param
from optimizers.training.settings import Fitting, mismatch


class WeightClustering(Fitting):
    """Each layer's weights share 2^bits values, which then train on. The file holds a code of so many bits in the place of each weight.

    Operators of the standard look the values up when a session opens: memory and speed are those of float32 weights. Still fewer bytes
    travel once 'entropy-code' ends the recipe. Weights that are exactly zero stay so, and zero is one of the values then. Batch norm is
    folded first, as it would be on leaving.
    """

    name: ClassVar[str] = "cluster-weights"
    title: ClassVar[str] = "clustered"
    family: ClassVar[str] = "coding"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"

    bits: int = param(
        "Bits of an index", 5, "Each layer's weights take at most 2 to the power of this many values", low=1, high=8, unit="bits",
        search=(3, 4, 5, 6))
    depthwise: int = param(
        "More bits for depthwise layers", 2, "Bits more for depthwise layers, up to 8: few weights, whose channels differ in scale", low=0,
        high=7, unit="bits")
    init: Literal["linear", "density", "random"] = param(
        "Where k-means begins", "density", "Where k-means begins: evenly over the weights; evenly over their range, which keeps the "
        "largest; or at random weights")
    keep: tuple[str, ...] = param("Layers left whole", (), "Layers left whole, by node name")
    epochs: int = param(
        "Epochs", 2, "Passes over the train split in which the values learn; 0 leaves them as k-means found them", low=0, high=1000,
        unit="epochs", search=(0, 2, 4))
    rate: float = param(
        "Learning rate", 0.0005, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10,
        search=(0.0002, 0.0005, 0.001))
    weight_decay: float = param("Weight decay", 0.0, "Pull of the values towards zero; a pure number", low=0, high=1)
    patience: int = param(
        "Epochs without progress", 0, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")

    def refuse(self, model, dataset, device):
        if model is not None:
            found = refusals.quantized(model) or refusals.lacking(model, WEIGHTED, "there are no weights to share", "nothing-to-cluster")
            if refusal := found or refusals.unknown_layer(model, self.keep, "keep"):
                return refusal
        if not self.epochs:
            return None
        return refusals.no_rows(dataset, "Name a labelled dataset, or set epochs to 0.") or mismatch(model, dataset)

    def seconds(self, model, dataset):
        """Sorting and k-means take about a second for each million weights; a training step half as long again as a plain one."""
        return 0.5 + (model.parameters if model else 1e6) / 1e6 + (1.5 * super().seconds(model, dataset) if self.epochs else 0.0)

    def body(self, body):
        return body._replace(bits=min(body.bits or 32.0, float(self.bits)), sent=min(body.sent or 32.0, float(self.bits)))

    def label(self) -> str:
        return f"clustered to {self.bits} bit{'s' if self.bits > 1 else ''}" + ("" if self.epochs else ", untrained")

    def toll(self) -> float:
        """Measured: 1 to 3 points at 4 bits before the values learn; a quarter of it for each bit more."""
        return 1.5 * 4.0**(4 - self.bits)

    def apply(self, model, data, ctx):
        from optimizers.compress.share.cluster_weights_work import cluster

        return cluster(self, model, data, ctx)
