"""Remove whole heads of attention, those least needed, with their columns in the query, key, value and output layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

NEEDED = {"Softmax", "MatMul"}


class HeadPruning(Technique):
    """Heads of softmax(q k^T) v between linear layers go as wholes; the width of a head, the tokens and the residual stream stay.

    Queries, keys and values from three layers or from one fused layer, split or indexed, are followed through their Reshapes. An attention
    of another form (fewer key heads than query heads, rotary positions, a runtime's own fused operator) is left whole and named. Accuracy
    falls until the network is fine-tuned: follow this step by 'fine-tune'. The MLP beside the heads is cut by 'prune-channels'.
    """

    name: ClassVar[str] = "prune-heads"
    title: ClassVar[str] = "prune heads"
    family: ClassVar[str] = "pruning"
    paper: ClassVar[str] = "Michel et al. 2019, arXiv:1905.10650"

    share: float = param(
        "Heads to remove", 0.5, "Share of all heads to remove; every attention keeps one", low=0.0, high=0.95, unit="fraction",
        search=(0.25, 0.5))
    score: Literal["taylor", "l2"] = param(
        "What a head is worth", "l2", "What a head is worth: what the loss feels without it, to first order (needs labels), or the size "
        "of its rows in the output layer", search=("l2", "taylor"))
    scope: Literal["layer", "network"] = param(
        "Where heads compete", "network", "Rank heads inside each attention, or across all (scores of each scaled to 1)")
    keep: tuple[str, ...] = param(
        "Attentions left whole", (), "Names of attentions left whole: their Softmax, as the candidate's notes list it")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if self.score == "taylor" and (refusal := refusals.unanswered(self.score, model, dataset)):
            return refusal
        if model is not None and (refusal := refusals.beyond_torch(model, "heads cannot be followed through it")):
            return refusal
        if model is None or not model.operators or set(model.operators) >= NEEDED:
            return None
        return Refusal(wrong="The network has no attention (no Softmax between products), so it has no heads.", where="model",
                       mend="Use 'prune-channels' or 'prune-blocks'.", code="no-heads")

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        return 3.0 + (3 * 512 * ((model.macs if model else None) or 5_000_000) / 20e9 if self.score == "taylor" else 0.0)

    def body(self, body: Body) -> Body:
        """Attention holds about a third of a transformer's weights and work."""
        left = 1 - self.share / 3
        return body.scaled(left, left)

    def toll(self) -> float:
        """A guess: most heads are missed little (Michel et al.), half of all of them much."""
        return 40 * self.share

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.prune.heads_work import prune

        return prune(model, data, self, ctx)

    def label(self) -> str:
        return f"prune heads {self.share * 100:.0f}\u202f%"
