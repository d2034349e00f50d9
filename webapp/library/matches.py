"""Which datasets match a model, and which models a dataset: decided from the two cards alone."""

from jobs.models import Asset
from optimizers.cards import DatasetCard, ModelCard
from optimizers.search.match import fits

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
    """True where a job with these two would not be refused: the same rule that submit and the dry run follow. Labels that say nothing
    about the model's outputs do not recommend a dataset, though one may choose it."""
    return fits(model, data) and (data.task == "unlabelled" or model.task != "other")
