"""What several techniques refuse: decided from cards, and said in one way wherever it is said."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from optimizers.errors import OptimizerError, Refusal
from optimizers.measure.device_model import speaks

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.device import Device


RECURRENT = ("LSTM", "GRU", "RNN")


def quantized(model: ModelCard) -> Refusal | None:
    """A network whose weights are integers already."""
    if not model.quantized:
        return None
    return Refusal(wrong="The network is already quantized.", where="model", mend="Start from the float network it was made of.",
                   code="already-quantized")


def beyond_torch(model: ModelCard, so: str) -> Refusal | None:
    """A graph that torch cannot hold. so: what follows, "it cannot be trained"."""
    if model.family == "network":
        return None
    if layer := next((layer for layer in model.layers if layer.operator in RECURRENT), None):
        return Refusal(wrong=f"The network has an {layer.operator}, which runs in ONNX Runtime only, so {so}."
                       .replace("an GRU", "a GRU"), where=f"{layer.operator} {layer.name}"[:200], code="graph-only",
                       mend="Use 'half-precision', 'quantize-dynamic', 'quantize-weights' or 'cluster-weights' without epochs.")
    return Refusal(wrong=f"The model runs in ONNX Runtime only, so {so}.", where="model",
                   mend="Quantize it as it is, or export it without control flow and int8.", code="graph-only")


def lacking(model: ModelCard, operators: Collection[str], so: str, code: str) -> Refusal | None:
    """A network without any of these operators. so: what follows, "there is nothing to run in int8"."""
    if not model.operators or any(model.operators.get(name) for name in operators):
        return None
    *others, last = operators
    return Refusal(wrong=f"The network has no {', '.join(others)}{' or ' if others else ''}{last}, so {so}.", where="model",
                   mend="Look at its operators on the model's page.", code=code)


def unknown(names: Iterable[str], wanted: Iterable[str], where: str, kind: str = "layer") -> Refusal | None:
    """A wanted name that is none of the names. where: the field that holds it.  kind: what the names are of.

    >>> print(unknown(["conv1", "conv2"], ["conv2", "conv3"], "low-rank.keep"))
    There is no layer named 'conv3'. [low-rank.keep] Layers: conv1, conv2.
    """
    known = list(dict.fromkeys(names))
    missing = next((name for name in wanted if name not in known), None)
    if missing is None:
        return None
    shown = f"{', '.join(known[:6])}{f' and {len(known) - 6} more' if len(known) > 6 else ''}" if known else "none"
    return Refusal(wrong=f"There is no {kind} named '{missing[:80]}'.", where=where, mend=f"{kind.capitalize()}s: {shown}.",
                   code=f"unknown-{kind}")


def must_know(names: Iterable[str], wanted: Iterable[str], where: str, kind: str = "layer") -> None:
    """Raises OptimizerError for the first wanted name that is none of the names."""
    if refusal := unknown(names, wanted, where, kind):
        raise OptimizerError.of(refusal)


def unknown_layer(model: ModelCard, wanted: Iterable[str], where: str) -> Refusal | None:
    """A wanted layer that the card does not list; nothing where the card lists none."""
    return unknown((layer.name for layer in model.layers), wanted, where) if model.layers else None


def no_rows(dataset: DatasetCard | None, mend: str = "Name a labelled dataset.") -> Refusal | None:
    """Training without a dataset."""
    if dataset is not None:
        return None
    return Refusal(wrong="There is no dataset to train on.", where="dataset", mend=mend, code="no-dataset")


def only_classes(what: str, instead: str) -> Refusal:
    """Something that knows classes alone, where the dataset holds amounts."""
    return Refusal(wrong=f"{what} is about classes, and the dataset's target is an amount.", where="dataset", mend=f"Use '{instead}'.",
                   code="only-classes")


def unanswered(score: str, model: ModelCard | None, dataset: DatasetCard | None) -> Refusal | None:
    """A score that follows the loss, where labels or an output that answers to them are missing."""
    if dataset is None or (dataset.task != "unlabelled" and (model is None or model.task != "other")):
        return None
    return Refusal(wrong=f"The score '{score}' needs labels that the network's output answers to.", where="score", mend="Use 'l2'.",
                   code="no-labels")


def no_integers(device: Device) -> Refusal | None:
    """A device without 8-bit kernels."""
    if speaks(device, "int8"):
        return None
    return Refusal(wrong=f"{device.title} has no 8-bit integer kernels.", mend="Keep the network in float on this device.",
                   code="device-dtype")
