"""K x K convolutions in cheaper forms, each started from the layer it replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers.compress.factorize.low_rank import nothing_to_split
from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

LEFT = {"separable": 0.25, "bottleneck": 0.45, "grouped": 0.4, "ghost": 0.6, "spatial": 0.4}      # of a network's work, about


class CompactFilters(Technique):
    """Replace every K x K convolution of one group by a form with fewer multiply-accumulates. Each form begins as the best copy of the old
    weights that has a closed solution, and is then fitted, layer by layer, to the old layer's outputs (rows, outs, height, width) on
    features of the network as it is by then. No labels are used, so it works without; where there are some, follow it by 'fine-tune',
    without which the narrower forms lose much: training has one place, one set of settings and one checkpoint there.

    There is no activation inside a form, so it is no stronger than the layer it replaces. Fewer multiply-accumulates are not yet less
    time: depthwise layers and shuffles are bound by memory.
    """

    name: ClassVar[str] = "compact-filters"
    title: ClassVar[str] = "compact filters"
    family: ClassVar[str] = "factorization"
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"More": ("groups", "minimum_gain", "rows", "steps")}
    paper: ClassVar[str] = "Howard et al. 2017, arXiv:1704.04861 (separable); He et al. 2015, arXiv:1512.03385 (bottleneck); " \
                           "Zhang et al. 2017, arXiv:1707.01083 (grouped, shuffled); Han et al. 2020, arXiv:1911.11907 (ghost); " \
                           "Jaderberg et al. 2014, arXiv:1405.3866 (spatial)"

    form: Literal["separable", "bottleneck", "grouped", "ghost", "spatial"] = param(
        "Form of the filters", "separable", "K x K on each channel alone, then 1x1 (separable); 1x1, K x K, 1x1 (bottleneck); K x K in "
        "groups, shuffle, 1x1 in groups (grouped); K x K for some channels, cheap copies for the rest (ghost); K x 1, 1 x K (spatial)",
        search=("separable", "bottleneck", "grouped", "ghost", "spatial"))
    width: float = param(
        "Channels inside", 0.5, "Channels inside a bottleneck or a spatial pair, and those a ghost computes in full", low=0.05, high=0.95,
        unit="fraction", search=(0.25, 0.5))
    groups: int = param(
        "Groups", 4, "Groups of the grouped form; fewer where the channels do not divide", low=2, high=64, unit="groups", search=(2, 4))
    minimum_gain: float = param(
        "Least gain of a layer", 0.3, "Share of its multiply-accumulates and of its weights that a layer must lose, or it is left whole",
        low=0.0, high=0.95, unit="fraction")
    rows: int = param("Rows the forms are fitted on", 300, "Training rows the forms are fitted on", low=16, high=5000, unit="rows")
    steps: int = param(
        "Steps of fitting", 150, "Moves of the weights of each form while it is fitted; 0 leaves it at the closed solution", low=0,
        high=10000, unit="steps")
    keep: tuple[str, ...] = param("Layers left whole", (), "Names of layers left whole, as the model's page lists them")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        return nothing_to_split(model, self.keep, ("Conv",))

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """Each step takes 32 rows forward and backward; the walk takes all rows forward three times."""
        macs = (model.macs if model else None) or 1e7
        return 3.0 + macs / 1e10 * (3 * self.rows + 96 * self.steps) + (0.5 * len(model.layers) if model else 5.0)

    def body(self, body: Body) -> Body:
        left = LEFT[self.form]
        return body.scaled(left, left)._replace(nodes=1.5 * body.nodes)

    def toll(self) -> float:
        """A guess: the forms are fitted layer by layer, which keeps about half of what the network knew."""
        return 40.0

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.factorize.compact_filters_work import compact

        return compact(model, data, self, ctx)

    def label(self) -> str:
        return f"{self.form} filters"
