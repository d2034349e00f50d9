"""Remove whole residual blocks, those the network misses least: fewer layers one after another, which every runtime turns into time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network


class BlockPruning(Technique):
    """A block is a sum x + f(x) whose branch f keeps the shape; removed, x goes on alone and the nodes of f leave the file.

    Each block is tried alone on validation rows, the cheapest goes, and the rest are tried anew. In a transformer, attention and MLP are
    blocks of their own. Accuracy falls until the network is fine-tuned: follow this step by 'fine-tune'. A block that changes the shape
    (with a projection around it) stays: see 'prune-channels' for its width.
    """

    name: ClassVar[str] = "prune-blocks"
    title: ClassVar[str] = "prune blocks"
    family: ClassVar[str] = "pruning"
    paper: ClassVar[str] = "Men et al. 2024, arXiv:2403.03853 (ShortGPT); Elkerdawy et al. 2020, arXiv:2007.05667 (filter or layer?)"

    count: int = param("Blocks to remove", 1, "Blocks to remove; used where the share is 0", low=1, high=200, unit="blocks", search=(1, 2))
    share: float = param(
        "Work to remove", 0.0, "Share of the multiply-accumulates to remove, block by block; 0 removes the count", low=0.0, high=0.9,
        unit="fraction")
    keep: tuple[str, ...] = param("Blocks left whole", (), "Names of sums (Add nodes, or what they make) whose block stays")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if model is None or not model.operators or {"Add", "Sum"} & set(model.operators):
            return None
        return Refusal(wrong="The network has no residual sums, so it has no block that could go.", where="model",
                       mend="Use 'prune-channels', which makes layers narrower.", code="no-blocks")

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """Every block is measured once in each round, on 1,000 rows at 20 billion MACs a second."""
        sums = sum(model.operators.get(name, 0) for name in ("Add", "Sum")) if model else 5
        rounds = self.count if not self.share else max(1.0, self.share * sums)
        return 2.0 + min(sums, 100) * rounds * (0.05 + 1000 * ((model.macs if model else None) or 5_000_000) / 20e9)

    def body(self, body: Body) -> Body:
        """The share of the MACs, or a tenth for each block, and as much of the weights and nodes; the peak stays."""
        left = 1 - (self.share or min(0.5, 0.1 * self.count))
        return body.scaled(left, left)._replace(nodes=body.nodes * left)

    def toll(self) -> float:
        """A guess: one block of a deep network is missed less than as much work taken evenly."""
        return 60 * self.share**2 if self.share else 8.0 * self.count

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.prune.blocks_work import prune

        return prune(model, data, self, ctx)

    def label(self) -> str:
        if self.share:
            return f"prune blocks {self.share * 100:.0f}\u202f%"
        return "prune a block" if self.count == 1 else f"prune {self.count} blocks"
