"""Whether a network and a dataset belong together, told from their cards alone."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

from optimizers.cards import DatasetCard, ModelCard
from optimizers.errors import OptimizerError, Refusal
from optimizers.goal import FIDELITY, METRICS, Goal
from optimizers.models.entries import of_card, single
from optimizers.search import match_columns

BY_LABELS = {"classification": ("top1", "macro_f1"), "regression": ("r2",), "unlabelled": (), "other": ()}


def metrics(model: ModelCard | None, dataset: DatasetCard | None) -> tuple[str, ...]:
    """The metrics that make sense for these two, the one to begin with first. Without a model there is no original to be faithful to."""
    task = dataset.task if dataset else model.task if model else "classification"
    labelled = BY_LABELS[task] if model is None or model.task != "other" else ()
    if model is None:
        return labelled or BY_LABELS["classification"]
    alike = FIDELITY if model.task == "classification" else FIDELITY[::-1]
    return (*labelled, *(name for name in alike if name != "agreement" or has_scores(model)))


def has_scores(model: ModelCard) -> bool:
    """Whether an arg-max of some output means something."""
    return bool(model.scores) or (model.task == "classification" and (model.classes or 0) > 1)


def refuse(model: ModelCard | None, dataset: DatasetCard | None, goal: Goal, preprocessing: dict[str, Any] | None = None) -> Refusal | None:
    """The first reason these three cannot be one job; None when they can. preprocessing: what was said of it."""
    if model is None and dataset is None:
        return Refusal(wrong="There is neither a model nor a dataset.", mend="Name a dataset, and a model unless one is to be trained.",
                       code="nothing-to-fit")
    if dataset is None:
        return Refusal(wrong="There is no dataset to measure quality on.", where="dataset",
                       mend="Name a labelled dataset of the kind the network was made for.", code="no-dataset")
    if dataset.task == "unlabelled" and (model is None or goal.metric not in FIDELITY):
        return Refusal(wrong="The dataset has no labels, so no accuracy can be measured and nothing can be trained on it.", where="dataset",
                       mend=f"{'Name a model and' if model is None else 'For this model,'} measure its fidelity to the original (metric "
                            "agreement or cosine); or upload it with one folder for each class, a y array, or a target column.",
                       code="unlabelled")
    if empty := [name for name, count in dataset.splits.items() if count == 0]:
        return Refusal(wrong=f"The dataset's {empty[0]} split is empty.", where="dataset",
                       mend="Upload more rows, or leave the splitting to us.", code="empty-split")
    if refusal := metric(model, dataset, goal):
        return refusal
    try:
        return network(fed(model, preprocessing), dataset, goal.metric) if model else None
    except OptimizerError as error:
        return error.refusal


def fed(model: ModelCard, preprocessing: dict[str, Any] | None = None) -> ModelCard:
    """The card with the inputs that are given a constant or carried state left out, those of rows first. Raises OptimizerError."""
    found = of_card(model, preprocessing)
    left = [tensor for tensor in model.inputs if tensor.name in (found.rows, *found.unfed)]
    return model.model_copy(update={"inputs": tuple(sorted(left, key=lambda tensor: tensor.name != found.rows))})


def fits(model: ModelCard, dataset: DatasetCard) -> bool:
    """Whether a job with these two would not be refused, judged by the metric that suits them best."""
    return refuse(model, dataset, Goal(metric=metrics(model, dataset)[0])) is None  # type: ignore[arg-type]


def metric(model: ModelCard | None, dataset: DatasetCard, goal: Goal) -> Refusal | None:
    """A measure of classes needs classes, R² needs numbers, and fidelity needs an original."""
    known = BY_LABELS[dataset.task]
    if goal.metric in known:
        return None
    if goal.metric in FIDELITY:
        return fidelity(model, goal, known)
    return Refusal(wrong=f"{METRICS[goal.metric][0].upper()}{METRICS[goal.metric][1:]} does not measure {dataset.task}.",
                   where="goal.metric", mend=f"Use {' or '.join(known)}.", code="metric-task")


def fidelity(model: ModelCard | None, goal: Goal, known: tuple[str, ...]) -> Refusal | None:
    if model is None:
        return Refusal(wrong="There is no original to be faithful to.", where="goal.metric",
                       mend=f"Name a model, or use {' or '.join(known)}.", code="no-original")
    if goal.metric == "agreement" and not has_scores(model):
        shapes = "; ".join(f"{tensor.name} {shape(tensor.shape)}" for tensor in model.outputs)
        return Refusal(wrong="No output looks like class scores, so there is no arg-max to agree on.", where=shapes[:200],
                       mend="Use cosine.", code="no-scores")
    return None


def network(model: ModelCard, dataset: DatasetCard, metric: str) -> Refusal | None:
    """One input that the rows can be shaped into; and where labels judge, one output as wide as there are classes."""
    if len(model.inputs) != 1:
        told = next((tensor.name for tensor in model.inputs if single(tensor)), None)
        given, *rest = (f"{tensor.name} {tensor.dtype} {shape(tensor.shape)}" for tensor in model.inputs) if model.inputs else ("none",)
        return Refusal(wrong=f"The network has {len(model.inputs)} inputs, and a row of this dataset fills one ({given}).",
                       where=f"nothing to feed: {'; '.join(rest)}"[:200], code="inputs",
                       mend=f"Say what '{told}' is, such as constants {told}=16000 in the preprocessing." if told else
                       "Say in the preprocessing which are constants (sr=16000) and which output is carried back to which input "
                       "(state=next_state), or export it with one input.")
    if metric in FIDELITY:
        return rows(model, dataset)
    if model.task == "other" or not model.outputs:
        shapes = "; ".join(f"{tensor.name} {shape(tensor.shape)}" for tensor in model.outputs)
        return Refusal(wrong="The network's outputs are neither class scores nor one number, so labels say nothing about them.",
                       where=shapes[:200], mend="Measure its fidelity to the original (metric cosine or agreement), or export it with one "
                       "output of shape (batch, classes) or (batch, 1).", code="outputs")
    return classes(model, dataset) or rows(model, dataset)


def classes(model: ModelCard, dataset: DatasetCard) -> Refusal | None:
    """As many as the dataset has, and by the same names where the model knows names."""
    if dataset.task == "classification" and model.classes is not None and model.classes != len(dataset.classes):
        if model.classes == 1 and len(dataset.classes) == 2:
            return match_columns.classes(model, dataset)        # one score: the second class when it is positive
        return Refusal(wrong=f"The network tells {model.classes} classes apart, and the dataset has {len(dataset.classes)}.",
                       where=f"{model.outputs[0].name} {shape(model.outputs[0].shape)}",
                       mend="Choose the dataset it was trained on, or measure its fidelity to the original (metric agreement).",
                       code="classes-differ")
    if dataset.task == "regression" and model.classes not in (None, 1):
        return Refusal(wrong=f"The network gives {model.classes} values, and the dataset's target is one number.",
                       where=f"{model.outputs[0].name} {shape(model.outputs[0].shape)}",
                       mend="Choose a dataset with classes, or a network with one output.", code="classes-differ")
    return match_columns.classes(model, dataset)


def rows(model: ModelCard, dataset: DatasetCard) -> Refusal | None:
    """Pictures can be resized, made grey or coloured, transposed and flattened; a table's row must have the right length."""
    if model.family == "estimator" and dataset.kind == "table" and dataset.row_shape:
        return match_columns.columns(model, dataset)
    wanted, given = model.inputs[0].shape[1:], dataset.row_shape
    if given and adapts(model.inputs[0].shape, given) and not adapts(wanted, given):
        return Refusal(wrong=f"The network's input of {shape(model.inputs[0].shape)} has no batch axis.", where=model.inputs[0].name,
                       mend="Export it with a first axis for the batch, such as torch.onnx.export(model, x[None], dynamic_shapes=...).",
                       code="no-batch-axis")
    if not given or adapts(wanted, given):
        return None
    return Refusal(wrong=f"The network takes rows of {shape(wanted)}, and the dataset has rows of {shape(given)}.",
                   where=f"{model.inputs[0].name} {shape(model.inputs[0].shape)}",
                   mend="Choose the dataset it was trained on, or leave the model out and train one.", code="rows-differ")


def adapts(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    """Whether a raw row of shape `given` can be made into `wanted` (both without the batch axis).

    >>> adapts((3, 32, 32), (1, 28, 28)), adapts((28, 28, 1), (1, 28, 28)), adapts((784,), (1, 28, 28)), adapts((13,), (14,))
    (True, True, True, False)
    """
    if len(given) == len(wanted) and all(extent in (None, have) for extent, have in zip(wanted, given, strict=True)):
        return True
    if len(given) == 3 and given[0] == 1 and len(wanted) == 2:          # one channel that the network does not count
        return all(extent in (None, have) for extent, have in zip(wanted, given[1:], strict=True))
    if len(given) != 3:
        return False
    channels = {given[0], 1, 3} if given[0] in (1, 3) else {given[0]}
    if len(wanted) == 3:
        return any(place is None or place in channels for place in (wanted[0], wanted[2]))
    return len(wanted) == 1 and (wanted[0] in (None, prod(given)) or any(isqrt(wanted[0] // c) ** 2 * c == wanted[0] for c in channels))


def shape(extents: tuple[int | None, ...]) -> str:
    """
    >>> shape((None, 3, 32, 32))
    'any x 3 x 32 x 32'
    """
    return " x ".join("any" if extent is None else str(extent) for extent in extents) or "one number"
