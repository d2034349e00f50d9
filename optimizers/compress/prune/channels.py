"""Remove whole channels of least worth, so that the network has fewer multiply-accumulates, weights and activations on any runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import Technique, param
from optimizers.training.fine_tune import FineTuning
from optimizers.training.settings import mismatch

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network


class ChannelPruning(Technique):
    """Take away output channels, and with them the inputs of what follows; residual and depthwise partners lose the same ones.

    The width of a transformer's MLP is such a channel; whole heads of attention are cut by 'prune-heads', whole blocks by 'prune-blocks'.
    Accuracy falls sharply until the network is fine-tuned: follow this step by 'fine-tune'. Fewer MACs are not yet less time:
    runtimes work in blocks of 8, so widths are kept at multiples of 8 unless told otherwise. Training between rounds makes the cut
    gentler and slower; the rounds otherwise only score anew.
    """

    name: ClassVar[str] = "prune-channels"
    title: ClassVar[str] = "prune channels"
    family: ClassVar[str] = "pruning"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("scope", "round_to", "iterations", "tune_epochs")}
    paper: ClassVar[str] = "Li et al. 2016, arXiv:1608.08710 (l1); Liu et al. 2017, arXiv:1708.06519 (batch norm); " \
                           "Molchanov et al. 2019, arXiv:1906.10771 (Taylor); LeCun et al. 1989, Optimal Brain Damage (hessian); " \
                           "Molchanov et al. 2016, arXiv:1611.06440 (training between rounds); " \
                           "Fang et al. 2023, arXiv:2301.12900 (dependency graph)"

    share: float = param(
        "Work to remove", 0.5, "Share of the multiply-accumulates to remove", low=0.0, high=0.95, unit="fraction", search=(0.3, 0.5, 0.7))
    score: Literal["l1", "l2", "batch-norm", "taylor", "hessian"] = param(
        "What a channel is worth", "l2", "What a channel is worth: size of its weights, of its batch norm scale, or what the loss feels "
        "without it, to first order (taylor) or second (hessian); the last two need labels", search=("l2", "taylor"))
    scope: Literal["layer", "network"] = param(
        "Where channels compete", "layer", "Rank channels inside each layer (an equal share of each), or across all of them")
    round_to: int = param(
        "Widths are multiples of", 8, "Widths stay multiples of this; narrow layers use a half, a quarter ... of it", low=1, high=64,
        unit="channels")
    iterations: int = param("Rounds of pruning", 1, "Remove in this many rounds, scoring anew before each", low=1, high=20, unit="rounds")
    tune_epochs: int = param(
        "Epochs between rounds", 0, "Passes over the train split after each round but the last; 0 trains only where a step says so", low=0,
        high=100, unit="epochs")
    keep: tuple[str, ...] = param("Layers left whole", (), "Names of layers left whole, as the model's page lists them")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if model is None:
            return mismatch(model, dataset) if self.between() else None
        if refusal := refusals.beyond_torch(model, "channels cannot be removed from it"):
            return refusal
        if (model.operators or model.layers) and len(model.layers) < 2:
            return Refusal(wrong=f"The model has {'one' if model.layers else 'no'} layer with weights, and the last is never pruned.",
                           where="model", mend="Quantize it instead.", code="nothing-to-prune")
        if self.score in ("taylor", "hessian") and (
                refusal := refusals.unanswered(self.score, model, dataset) or mismatch(model, dataset)):
            return refusal
        return mismatch(model, dataset) if self.between() else None

    def between(self) -> int:
        """How many trainings lie between the rounds."""
        return self.iterations - 1 if self.tune_epochs else 0

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        tuning = self.between() * FineTuning(epochs=max(1, self.tune_epochs)).seconds(model, dataset)
        return 3.0 + 0.5 * self.iterations * (len(model.layers) / 10 if model else 1) + tuning

    def body(self, body: Body) -> Body:
        """Taking away a share s of the MACs leaves about 1 - s of the weights, and its root of the activations."""
        left = 1 - self.share
        return body.scaled(left, left, left**0.5)

    def toll(self) -> float:
        """Measured: 0.1 points left of half of the work and 0.5 of three quarters after 5,600 steps on 60,000 rows."""
        return 60 * self.share**2

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.prune.channels_work import prune

        return prune(model, data, self, ctx)

    def label(self) -> str:
        return f"prune {self.share * 100:.0f}\u202f%"
