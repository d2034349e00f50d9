"""Layers split into products of thinner ones, of the rank that their outputs need."""

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

WEIGHTED = ("Conv", "Gemm", "MatMul")


class LowRank(Technique):
    """Each matrix product and 1x1 convolution as two, each K x K convolution as a short chain, where that has fewer multiply-accumulates
    and fewer weights than the layer; others stay whole, and the page says which. Layers that read the same value (query, key and value
    of attention) share their first factor. Batch norms stay where they are, behind the last factor.

    outputs (outs, positions) of a layer are what is kept: the last factor spans their first principal components over training rows,
    and is then fitted by least squares on what the already thinner network feeds it. Without rows (`by` weights) it is the plain SVD.
    It does not give time for certain: two small products can take longer than one large; and it is not pruning, the widths between
    layers stay. Labels are not used; follow it by 'fine-tune' where there are some.
    """

    name: ClassVar[str] = "low-rank"
    title: ClassVar[str] = "low rank"
    family: ClassVar[str] = "factorization"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("by", "rows", "round_to", "sweeps")}
    paper: ClassVar[str] = "Zhang et al. 2015, arXiv:1505.06798 (outputs); Kim et al. 2015, arXiv:1511.06530 (Tucker); " \
                           "Lebedev et al. 2014, arXiv:1412.6553 (CP); Jaderberg et al. 2014, arXiv:1405.3866 (spatial)"

    rank: Literal["budget", "energy", "sensitivity"] = param(
        "How ranks are chosen", "budget", "How ranks are found: a share of the whole network's work to remove, spent where least is lost; "
        "the same, with each layer's loss measured on validation; or the energy that each layer keeps", search=("budget", "sensitivity"))
    share: float = param(
        "Work to remove", 0.5, "Share of the network's multiply-accumulates to remove, by budget or sensitivity", low=0.0, high=0.95,
        unit="fraction", search=(0.3, 0.5, 0.7))
    energy: float = param(
        "Energy each layer keeps", 0.98, "Share of the squared size of its outputs (or weights) that each layer keeps, by energy", low=0.1,
        high=1.0, unit="fraction")
    convolutions: Literal["cp", "tucker", "spatial", "whole"] = param(
        "Form of split convolutions", "cp", "K x K convolutions: 1x1, K x 1, 1 x K, 1x1, the middle two depthwise (cp); 1x1, K x K, 1x1 "
        "(tucker); K x 1, 1 x K (spatial); or left whole", search=("cp", "tucker", "spatial"))
    by: Literal["outputs", "weights"] = param(
        "What the factors follow", "outputs", "What the factors stay close to: the layer's outputs on training rows, or its weights, "
        "which needs no rows")
    rows: int = param("Rows to follow outputs on", 1000, "Training rows the outputs are looked at on", low=16, high=20000, unit="rows")
    round_to: int = param(
        "Ranks are multiples of", 4, "Ranks are multiples of this; small layers use a half, a quarter ... of it", low=1, high=64,
        unit="ranks")
    sweeps: int = param("Rounds of least squares", 30, "Rounds of alternating least squares, for cp", low=1, high=1000, unit="rounds")
    keep: tuple[str, ...] = param("Layers left whole", (), "Names of layers left whole, as the model's page lists them")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        return nothing_to_split(model, self.keep)

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """Three forward passes over the rows, a fit of each layer, and for sensitivity a pass over validation for each; each sweep of CP
        goes over the convolutions' weights eight times for each of their ranks."""
        macs, layers = (model.macs if model else None) or 1e7, max(1, len(model.layers)) if model else 10
        passes = 3 * self.rows + (1000 * layers if self.rank == "sensitivity" else 0)
        filters = [layer.parameters for layer in model.layers if layer.operator == "Conv"] if model else [20_000] * 5
        sweeping = sum(8 * (self.sweeps + 50) * weights**1.5 / 2 for weights in filters) / 2e9 if self.convolutions == "cp" else 0.0
        return 3.0 + passes * macs / 1e10 + 0.3 * layers + sweeping

    def body(self, body: Body) -> Body:
        """The weights fall as the work does; what lies between layers is as wide as before. By energy, about a third goes."""
        left = 1 - (0.35 if self.rank == "energy" else self.share)
        return body.scaled(left, left)._replace(nodes=1.3 * body.nodes)

    def toll(self) -> float:
        """Measured: 1.1 points for half of the work; other shares by its square, energies are a guess."""
        return 1.0 if self.rank == "energy" else 4 * self.share**2

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.factorize.low_rank_work import factorize

        return factorize(model, data, self, ctx)

    def label(self) -> str:
        return f"low rank {self.energy * 100:.3g}\u202f% energy" if self.rank == "energy" else f"low rank {self.share * 100:.0f}\u202f%"


def nothing_to_split(model: ModelCard | None, keep: tuple[str, ...], operators: tuple[str, ...] = WEIGHTED) -> Refusal | None:
    """Why no layer of a model can be replaced by smaller ones, decided from its card: the family, the operators, the layers kept."""
    if model is None:
        return None
    return (refusals.beyond_torch(model, "its layers cannot be replaced")
            or refusals.lacking(model, operators, "there is nothing to replace", "nothing-to-split")
            or refusals.unknown_layer(model, keep, "keep"))
