"""Which datasets match a model, and which models a dataset: decided from the two cards alone."""

from math import prod

from jobs.models import Asset
from optimizers.cards import DatasetCard, ModelCard

LOOK_AT = 200       # newest assets of the other kind that are looked at


def matches_of(asset: Asset, most: int = 5) -> list[Asset]:
    """Ready assets of the other kind in the same team that this one goes with, newest first."""
    if not asset.card:
        return []
    other = Asset.Kind.DATASET if asset.kind == Asset.Kind.MODEL else Asset.Kind.MODEL
    found = []
    rows = Asset.objects.filter(team_id=asset.team_id, kind=other, state=Asset.State.READY).order_by("-created_at")
    for row in rows.only("id", "name", "kind", "card", "team_id")[:LOOK_AT]:
        model, data = (asset, row) if asset.kind == Asset.Kind.MODEL else (row, asset)
        if fit(ModelCard.model_validate(model.card), DatasetCard.model_validate(data.card)):
            found.append(row)
            if len(found) == most:
                break
    return found


def fit(model: ModelCard, data: DatasetCard) -> bool:
    """True where the model's first input can take the dataset's rows and it answers with as many classes."""
    if data.task == "unlabelled" or not model.inputs:
        return False
    if data.task == "classification" and model.classes != len(data.classes):
        return False
    if data.task == "regression" and model.task == "classification":
        return False
    return shapes_fit(tuple(model.inputs[0].shape[1:]), data.row_shape)


def shapes_fit(wanted: tuple[int | None, ...], row: tuple[int, ...]) -> bool:
    """Pictures may be resized and their axes swapped, so only the channels must agree; features must agree in number.

    >>> shapes_fit((3, 32, 32), (3, 100, 100)), shapes_fit((28, 28, 1), (1, 28, 28)), shapes_fit((30,), (13,))
    (True, True, False)
    """
    if len(wanted) == 3 and len(row) == 3:
        channels = {wanted[0], wanted[-1]}
        return None in channels or row[0] in channels or (row[0], 1) == (3, 1) and 1 in channels or row[0] == 1 and 3 in channels
    if None in wanted:
        return len(wanted) == len(row)
    return prod(wanted) == prod(row) if row else False
