"""Costly activation functions replaced by cheap ones of nearly the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

CURVED = {"Sigmoid", "Erf", "Tanh", "Gelu", "Mish", "Swish", "Elu", "Exp", "Softplus"}      # operators such a function is written with


class ActivationSwap(Technique):
    """SiLU, GELU, Mish, sigmoid and ELU are found by what they compute, whole or spelled out in Erf, Tanh or Sigmoid nodes, and replaced.

    What it buys depends on the runtime. ONNX Runtime here (49 x 384 values between two products): Mish 352 us, as HardSwish 63; ELU 96, as
    ReLU 55; GELU 67, as ReLU 55, but 63 as HardSwish and 105 as the tanh form before opset 20; SiLU 60, as HardSwish 63. Microcontroller
    and int8 kernels have no exponential: there HardSwish, HardSigmoid and ReLU are what runs at all. No weight is lost. The loss told in
    the notes is before any training: follow this step by 'fine-tune'. A sigmoid that is the network's answer stays.
    """

    name: ClassVar[str] = "swap-activations"
    title: ClassVar[str] = "swap activations"
    family: ClassVar[str] = "graph"
    paper: ClassVar[str] = "Howard et al. 2019, arXiv:1905.02244 (hard-swish); Hendrycks & Gimpel 2016, arXiv:1606.08415 (GELU's forms)"

    silu: Literal["hard-swish", "relu", "keep"] = param(
        "SiLU becomes", "hard-swish", "What x sigmoid(x) becomes", search=("hard-swish", "relu"))
    gelu: Literal["hard-swish", "tanh", "sigmoid", "relu", "keep"] = param(
        "GELU becomes", "hard-swish", "What GELU becomes: its tanh or sigmoid (1.702) approximation, or what runs in whole numbers",
        search=("hard-swish", "relu"))
    mish: Literal["hard-swish", "relu", "keep"] = param("Mish becomes", "hard-swish", "What x tanh(softplus(x)) becomes")
    sigmoid: Literal["hard-sigmoid", "keep"] = param(
        "Sigmoid becomes", "hard-sigmoid", "What a sigmoid inside the network becomes: a gate, mostly")
    elu: Literal["relu", "keep"] = param("ELU becomes", "relu", "What ELU becomes")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if model is None or not model.operators or CURVED & set(model.operators):
            return None
        return Refusal(wrong="The network has no SiLU, GELU, Mish, sigmoid or ELU.", where="model",
                       mend="Leave this step out: its activations are cheap already.", code="nothing-to-swap")

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        return 3.0 + 4 * 1000 * ((model.macs if model else None) or 5_000_000) / 20e9

    def body(self, body: Body) -> Body:
        """Fewer nodes where a function was spelled out; products stay."""
        return body._replace(nodes=0.95 * body.nodes)

    def toll(self) -> float:
        """A guess: the curves are close, and not the same."""
        return 0.5

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.graph.swap_activations_work import swapped

        return swapped(model, data, self, ctx)
