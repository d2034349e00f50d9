"""The same numbers from fewer nodes: what can be computed now is computed now, and what nobody needs goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network


class Simplification(Technique):
    """Fold constants and shape arithmetic, merge equal nodes, Pad into Conv, successive Relus, Clips, Reshapes and Transposes, drop
    identities and dead branches, fold batch norm. Each pass is kept only if ONNX Runtime gives the same outputs on train rows and on noise.

    No weight is lost and no accuracy. ONNX Runtime does most of this itself when it opens a file, so there it buys bytes and a quicker
    start, seldom a quicker run; converters, compilers, C exporters and quantizers do not, and gain. Batch norm that is folded can no
    longer be trained as such: simplify last, or switch its folding off before 'fine-tune'.
    """

    name: ClassVar[str] = "simplify"
    title: ClassVar[str] = "simplified"
    family: ClassVar[str] = "graph"
    paper: ClassVar[str] = "Jia et al. 2019, TASO (equal graphs by rewriting); rules of onnxscript.optimizer and of our own"

    fold_batch_norm: bool = param(
        "Fold batch norm", True, "Make batch norm part of the layer before it; off where the network is still to be trained")

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        return 2.0 + 0.01 * (sum(model.operators.values()) if model else 50)

    def body(self, body: Body) -> Body:
        """Fewer nodes, all else as it was."""
        return body._replace(nodes=0.9 * body.nodes)

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.graph.simplify_work import simplified

        return simplified(model, data, self.fold_batch_norm, ctx)
