"""Set single weights to zero: those of least worth, anywhere or N of every M."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.cards import WEIGHTED
from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network


class WeightPruning(Technique):
    """Weights of least worth become zero in one go; a later 'fine-tune' mends the rest and keeps the zeros.

    Shapes stay, so this gives neither a smaller ONNX file nor a faster one: ONNX Runtime multiplies by zero at full cost. Bytes are
    saved by formats that store zeros cheaply (the candidate's note says how many), time by 2:4 on sparse tensor cores only.
    """

    name: ClassVar[str] = "prune-weights"
    title: ClassVar[str] = "prune weights"
    family: ClassVar[str] = "pruning"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1506.02626 (magnitude); Zhou et al. 2021, arXiv:2102.04010 (N:M); " \
                           "Sun et al. 2023, arXiv:2306.11695 (activations)"

    share: float = param(
        "Weights set to zero", 0.5, "Share of the weights set to zero; N:M patterns have their own", low=0.0, high=0.99, unit="fraction",
        search=(0.5, 0.8, 0.9))
    pattern: Literal["free", "1:2", "2:4", "1:4", "4:8", "2:8", "1:8"] = param(
        "Pattern of zeros", "free", "Anywhere; or at most N of every M neighbours along a layer's inputs stay")
    scope: Literal["network", "layer", "output"] = param(
        "Where weights compete", "network", "Rank across all layers; or an equal share of each layer; or of each output. Patterns do not "
        "ask")
    score: Literal["magnitude", "activation"] = param(
        "What a weight is worth", "magnitude", "What a weight is worth: its size; or its size times the norm of the input it meets on "
        "calibration rows")
    rows: int = param(
        "Calibration rows", 256, "Calibration rows from the train split, for the activation score", low=1, high=10_000, unit="rows")
    ends: bool = param("Prune the first and the last layer too", True, "The first and the last layer are pruned too")
    keep: tuple[str, ...] = param("Layers left whole", (), "Names of layers left whole, as the model's page lists them")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if model is None:
            return None
        if refusal := refusals.quantized(model) or all_whole(model, self.keep, self.ends):
            return refusal
        if self.score == "activation" and len(model.inputs) > 1:
            return Refusal(wrong=f"The model has {len(model.inputs)} inputs, and calibration rows fill one.", where="score",
                           mend="Use 'magnitude', which needs no rows.", code="several-inputs")
        return None

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        parameters, macs = (model.parameters, model.macs or 1e7) if model else (1e6, 1e7)
        return 0.5 + parameters / 2e6 + (self.rows * macs / 5e9 if self.score == "activation" else 0)

    def toll(self) -> float:
        """Measured after fine-tuning: 9 points left at 80 % on 4,000 rows, 15 at 90 % on 10,000; hardly any at half."""
        stay, of = (0, 1) if self.pattern == "free" else map(int, self.pattern.split(":"))
        return 400 * (self.share if self.pattern == "free" else 1 - stay / of)**7

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.prune.weights_work import prune

        return prune(model, data, self, ctx)

    def label(self) -> str:
        return f"zero {self.share * 100:.0f}\u202f%" if self.pattern == "free" else f"zero {self.pattern}"


def all_whole(model: ModelCard, keep: tuple[str, ...], ends: bool) -> Refusal | None:
    """Why no layer would become sparse: there is none, or each is left whole."""
    holders = [layer.name for layer in model.layers if layer.operator in WEIGHTED]
    if not model.layers or (set(holders) - set(keep) and (ends or len(holders) > 2)):
        return None
    wrong = f"All {len(holders)} layers with weights are left whole." if holders else "The model has no layer whose weights can be zero."
    return Refusal(wrong=wrong, where="keep" if holders else "model", mend="Shorten the list of layers left whole, or quantize instead.",
                   code="nothing-to-prune")
