"""One bit for the weights and activations of hidden layers, learned by training. See the papers below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.cards import WEIGHTED
from optimizers.errors import Refusal
from optimizers.measure.device_model import speaks
from optimizers.technique import State, param
from optimizers.training.settings import Fitting, mismatch

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

KINDS = ("Conv", "Gemm")            # that can become binary


class Binarization(Fitting):
    """Hidden Conv and Gemm layers get weights of +1 and -1 with one scale a channel, stored in one bit each, and see inputs of +1 and -1.

    The first and the last layer, depthwise convolutions and the layers in `keep` stay float. A batch norm follows each binary layer while
    training (one is put in where there is none), and a real-valued shortcut goes around it where the shapes allow. What it does not give:
    speed in ONNX Runtime, which rebuilds the weights when it opens the file and multiplies in fp32; one-bit arithmetic needs
    `export/c/xnor.c` or the like. Several points of accuracy are usually lost, and it trains as long as a network does from scratch.
    """

    name: ClassVar[str] = "binarize"
    title: ClassVar[str] = "1 bit"
    family: ClassVar[str] = "quantization"
    folds: ClassVar[dict[str, tuple[str, ...]]] = Fitting.folds | {"More": ("shortcuts", "learned", "rest")}
    gives: ClassVar[State] = "binarized"
    paper: ClassVar[str] = "Rastegari et al. 2016, arXiv:1603.05279 (XNOR-Net: scales); Liu et al. 2018, arXiv:1808.00278 (Bi-Real Net: " \
                           "gradient, shortcuts); Liu et al. 2020, arXiv:2003.03488 (ReActNet: learned thresholds and slopes)"

    epochs: int = param("Epochs", 20, "Passes over the train split", low=1, high=1000, unit="epochs", search=(10, 20, 40))
    rate: float = param(
        "Learning rate", 0.004, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10, search=(0.002, 0.004, 0.008))
    weight_decay: float = param(
        "Weight decay", 0.0, "Pull of the weights towards zero; it makes signs flip more often; a pure number", low=0, high=1)
    patience: int = param(
        "Epochs without progress", 0, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")
    activations: bool = param("Inputs in one bit too", True, "Inputs of these layers in one bit too; without it only their weights are")
    shortcuts: bool = param("Shortcuts around layers", True, "Carry a layer's real-valued input around it where the shapes allow")
    learned: bool = param("Learn thresholds and slopes", True, "Learn each channel's threshold, and its slope below zero in place of ReLU")
    stages: Literal["one", "two"] = param(
        "Stages of training", "two", "Two: activations lose their bits first, weights in the second half of the epochs",
        search=("one", "two"))
    rest: Literal["int8", "fp16", "fp32"] = param(
        "Type of the other tensors", "fp16", "What is not binary is stored in; int8: weights with a scale a channel, the others in fp16")
    keep: tuple[str, ...] = param("Layers left in float", (), "Names of layers left in float, as the model's page lists them")

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        if refusal := refusals.no_rows(dataset) or mismatch(model, dataset):
            return refusal
        if not speaks(device, "fp32"):
            return Refusal(wrong=f"{device.title} has no fp32 arithmetic, which the first and the last layer need.",
                           mend="Use 'quantize-static'.", code="device-dtype")
        layers = {layer.name: layer.operator for layer in model.layers} if model is not None else {}
        if layers and (refusal := refusals.unknown(layers, self.keep, "keep")):
            return refusal
        hidden = [name for name, kind in layers.items() if kind in WEIGHTED][1:-1]
        if layers and not any(layers[name] in KINDS and name not in self.keep for name in hidden):
            return Refusal(wrong="The model has no Conv or Gemm between its first and its last layer, and only those become binary.",
                           where="model", mend="Use 'quantize-static'.", code="nothing-to-binarize")
        return None

    def body(self, body: Body) -> Body:
        """About one weight in fifty stays float, and every channel has four numbers in fp16 beside its bits."""
        return body._replace(dtype="bit", bits=1.7)

    def toll(self) -> float:
        """Measured: 4.7 points left after 2,340 steps on 15,000 rows."""
        return 100.0 if self.activations else 30.0

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        from optimizers.compress.binarize.work import binarize

        return binarize(model, data, self, ctx)

    def label(self) -> str:
        return self.title if self.activations else "1-bit weights"
