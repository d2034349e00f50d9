"""A card as rows of a page: sorted, scaled for the bars, and never longer than a page can hold."""

import json
from typing import Any

from jobs.models import Asset
from optimizers.cards import DatasetCard, ModelCard
from optimizers.data.options import DatasetOptions
from webapp.folding import fold
from webapp.library import present_table

LAYERS, OPERATORS, CLASSES, ROWS = 200, 60, 60, 8
TASKS = ("classification", "regression", "unlabelled")


def details(asset: Asset) -> dict[str, Any]:
    """The context of the asset pane; `card` is None while inspecting and when refused."""
    if asset.state != Asset.State.READY or not asset.card:
        return {"card": None}
    if asset.kind == Asset.Kind.MODEL:
        return model(ModelCard.model_validate(asset.card))
    return dataset(DatasetCard.model_validate(asset.card), DatasetOptions.of(asset.options))


def model(card: ModelCard) -> dict[str, Any]:
    most_parameters = max((layer.parameters for layer in card.layers), default=0) or 1
    most_macs = max((layer.macs for layer in card.layers), default=0) or 1
    layers = [{"layer": layer, "parameters": 100 * layer.parameters / most_parameters, "macs": 100 * layer.macs / most_macs,
               "input": "×".join(map(str, layer.input_shape)), "output": "×".join(map(str, layer.output_shape))}
              for layer in card.layers[:LAYERS]]
    first, rest = fold(layers, lambda row: row["layer"].macs or row["layer"].parameters)
    operators = sorted(card.operators.items(), key=lambda pair: -pair[1])[:OPERATORS]
    tensors = [("in", tensor, shape(tensor.shape)) for tensor in card.inputs] + [("out", t, shape(t.shape)) for t in card.outputs]
    return {"card": card, "layers": first, "layers_rest": rest, "layers_left": len(card.layers) - len(layers), "operators": operators,
            "tensors": tensors} | estimator(card) | found(card)


def told_apart(card: ModelCard) -> int | None:
    """How many classes: one score tells two apart."""
    return 2 if card.classes == 1 and card.task == "classification" else None if card.task == "regression" else card.classes


def estimator(card: ModelCard) -> dict[str, Any]:
    """What only trees have: how many are how deep; and how many classes and features there are, by name or by width."""
    most = max(card.depths, default=0) or 1
    depths = [{"depth": depth, "trees": trees, "share": 100 * trees / most} for depth, trees in enumerate(card.depths) if trees]
    return {"depths": depths, "deepest": len(card.depths) - 1, "class_count": len(card.class_names) or told_apart(card),
            "features": card.inputs[0].shape[-1] if card.inputs and card.inputs[0].shape else None}


def dataset(card: DatasetCard, options: DatasetOptions) -> dict[str, Any]:
    most = max(card.class_counts, default=0) or 1
    classes = [{"name": name, "count": count, "share": 100 * count / most}
               for name, count in zip(card.classes, card.class_counts, strict=False)][:CLASSES]
    splits = [{"name": name, "rows": rows, "share": 100 * rows / (sum(card.splits.values()) or 1)} for name, rows in in_order(card)]
    start = 0.0
    for split in splits:
        split["start"] = start
        start += split["share"]
    return {"card": card, "classes": classes, "classes_left": len(card.classes) - len(classes), "splits": splits,
            "pictures": pictures(card), "rows": rows_of(card), "columns": present_table.rows(card, options),
            "columns_left": len(card.columns) - present_table.COLUMNS, "gaps": present_table.gaps(card), "options": options,
            "kinds": present_table.KINDS, "tasks": TASKS} | found(card)


def in_order(card: DatasetCard) -> list[tuple[str, int]]:
    """The splits as people read them; JSON in the database forgets the order."""
    names = [*(name for name in ("train", "validation", "test") if name in card.splits)]
    return [(name, card.splits[name]) for name in [*names, *(set(card.splits) - set(names))]]


def pictures(card: DatasetCard) -> list[tuple[str, str]]:
    """(data URL, label) of the sample pictures. Only PNG data is let through: a card is a stranger's word."""
    labels = [*card.preview_labels, *[""] * len(card.preview)]
    return [(one, label) for one, label in zip(card.preview, labels, strict=False) if one.startswith("data:image/png;base64,")]


def rows_of(card: DatasetCard) -> list[list[str]]:
    """The first rows of a table, as cells; the preview holds each row as JSON text, a list or an object."""
    found = []
    for text in card.preview[:ROWS]:
        if text.startswith("data:"):
            continue
        try:
            row = json.loads(text)
        except ValueError:
            continue
        cells = list(row.values()) if isinstance(row, dict) else row if isinstance(row, list) else [row]
        found.append(["" if value is None else str(value)[:80] for value in cells])
    return found


def found(card: ModelCard | DatasetCard) -> dict[str, Any]:
    """Problems, the gravest first; those that are only for information are notes."""
    order = {"error": 0, "warn": 1, "info": 2}
    problems = sorted(card.problems, key=lambda problem: order[problem.severity])
    return {"problems": problems, "notes": [problem for problem in problems if problem.severity == "info"]}


def shape(extents: tuple[int | None, ...]) -> str:
    """[batch, 1, 28, 28]: a free axis is called batch when it is the first, else free."""
    return "[" + ", ".join(str(n) if n is not None else "batch" if i == 0 else "free" for i, n in enumerate(extents)) + "]"
