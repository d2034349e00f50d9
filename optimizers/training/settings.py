"""What training and fine-tuning can be told: one set of fields, so that forms, recipes and docs know them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import Technique, param

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard


class Fitting(Technique):
    """The settings of the training loop. Fields that an optimizer does not know are left unread by it, as their help says."""

    family: ClassVar[str] = "training"
    needs: ClassVar[tuple[str, ...]] = ("labels", "data")
    folds: ClassVar[dict[str, tuple[str, ...]]] = {"Training": (
        "batch", "optimizer", "schedule", "warmup", "weight_decay", "momentum", "nesterov", "beta1", "beta2", "smoothing", "rate_decay",
        "epsilon", "label_smoothing", "patience", "clip", "freeze_batch_norm", "shift", "flip")}

    epochs: int = param("Epochs", 12, "Passes over the train split", low=1, high=1000, unit="epochs", search=(6, 12, 24))
    batch: int = param("Batch size", 64, "Rows in one step", low=2, high=8192, unit="rows", search=(32, 64, 128))
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw", "adagrad"] = param(
        "Optimizer", "adamw", "How gradients become steps", search=("adamw", "sgd"))
    rate: float = param(
        "Learning rate", 0.004, "Learning rate at the top of the schedule; a pure number", low=1e-7, high=10, search=(0.001, 0.004, 0.01))
    schedule: Literal["cosine", "step", "constant"] = param(
        "Learning rate over time", "cosine", "Cosine to zero; step divides by 10 at half and three quarters; or constant")
    warmup: float = param("Warm-up", 0.5, "Epochs of rising rate at the start", low=0, high=50, unit="epochs")
    weight_decay: float = param(
        "Weight decay", 0.0005, "Pull of the weights towards zero (decoupled in AdamW, added to the gradient elsewhere); a pure number",
        low=0, high=1)
    momentum: float = param("Momentum", 0.9, "Momentum of SGD and RMSprop", low=0, high=0.999, unit="fraction")
    nesterov: bool = param("Nesterov momentum", True, "Nesterov's form of momentum, for SGD")
    beta1: float = param(
        "First beta of Adam", 0.9, "Memory of the mean of gradients, for Adam and AdamW", low=0, high=0.9999, unit="fraction")
    beta2: float = param(
        "Second beta of Adam", 0.999, "Memory of the mean of squares, for Adam and AdamW", low=0, high=0.99999, unit="fraction")
    smoothing: float = param(
        "Smoothing of RMSprop", 0.99, "Memory of the mean of squares, for RMSprop", low=0, high=0.9999, unit="fraction")
    rate_decay: float = param("Rate decay of Adagrad", 0.0, "Fall of the rate with each step, for Adagrad; a pure number", low=0, high=1)
    epsilon: float = param("Epsilon", 1e-8, "Added to denominators, for all but SGD; a pure number", low=1e-12, high=1)
    label_smoothing: float = param("Label smoothing", 0.0, "Share of each label spread over all classes", low=0, high=0.5, unit="fraction")
    patience: int = param(
        "Epochs without progress", 6, "Epochs without a better validation before stopping; 0 never stops early", low=0, high=1000,
        unit="epochs")
    clip: float = param("Gradient clipping", 0.0, "Largest norm of the gradient; 0 leaves it free; a pure number", low=0, high=1000)
    freeze_batch_norm: bool = param("Freeze batch norm", False, "Keep the statistics and scales of batch norm as they are")
    shift: int = param(
        "Random shift of pictures", 0, "Pictures move by up to this many pixels while training", low=0, high=32, unit="px", search=(0, 2))
    flip: bool = param("Mirror pictures", False, "Half of the pictures are mirrored left to right while training")

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """Forward and backward cost three times the forward's MACs, at about 20 billion a second (measured on one core: 14 to 29), and
        20 us a row besides."""
        rows = dataset.splits.get("train", dataset.rows) if dataset else 10_000
        macs = (model.macs if model else None) or 5_000_000
        return 2 + self.epochs * rows * (3 * macs / 20e9 + 2e-5)


def mismatch(model: ModelCard | None, dataset: DatasetCard | None) -> Refusal | None:
    """Why a network cannot learn from a dataset as both stand: family, labels, task, number of classes."""
    if dataset is not None and dataset.task == "unlabelled":
        return Refusal(wrong="The dataset has no labels.", where="dataset",
                       mend="Add labels (a folder or column per class), or drop this step.",
                       code="no-labels")
    if model is None:
        return None
    if refusal := refusals.beyond_torch(model, "it cannot be trained"):
        return refusal
    if len(model.outputs) > 1:
        return Refusal(wrong=f"The model has {len(model.outputs)} outputs; training here knows one.", where="model",
                       mend="Export it with its one main output.", code="several-outputs")
    if model.task == "other":
        return Refusal(wrong="The model's output is neither class scores nor one number, so it cannot learn from labels.", where="model",
                       mend="Quantize it, or export it with one output of shape (batch, classes) or (batch, 1).", code="outputs")
    if model.operators and not model.parameters:
        return Refusal(wrong="The model has no weights that could learn.", where="model", mend="Train a new network with 'train'.",
                       code="no-weights")
    if dataset is not None and dataset.task == "regression" and (model.classes or 1) > 1:
        return Refusal(wrong=f"The model answers with scores of {model.classes} classes, and the dataset holds amounts.", where="dataset",
                       mend="Choose the dataset the model was made for, or train a new network with 'train'.", code="classes-differ")
    if dataset is None or dataset.task != "classification" or model.classes is None:
        return None
    if model.classes != len(dataset.classes):
        return Refusal(wrong=f"The model knows {model.classes} classes and the dataset has {len(dataset.classes)}.", where="dataset",
                       mend="Choose the dataset the model was made for, or train a new network with 'train'.", code="classes-differ")
    return None
