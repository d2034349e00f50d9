"""Inspect the same bytes with other options: what a person corrects on the page, by REST or by the client."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.http import QueryDict

from jobs.models import Asset, Job
from jobs.submit import submit_inspection
from optimizers.cards import DatasetCard
from optimizers.data.options import DatasetOptions
from optimizers.errors import OptimizerError
from webapp.library.uploads import checked_options
from webapp.teams.models import User

SINGLE = ("target", "task", "split", "split_by", "validation")
FIELDS = set(DatasetOptions.model_fields)


def inspect_again(asset: Asset, changes: Mapping[str, Any], by: User | None) -> Asset:
    """A new asset of the same bytes; it takes the old one's place unless a job uses that. changes: DatasetOptions fields over what was
    said before, None to take one back; no changes at all: take back everything.

    Raises OptimizerError: an option that cannot be, a column that is not there, an asset that is still being inspected.
    """
    if asset.state == Asset.State.INSPECTING:
        raise OptimizerError(f"'{asset.name}' is being inspected.", "dataset", "Wait a moment and ask again.", "not-ready")
    before = {name: value for name, value in asset.options.items() if name in FIELDS} if changes else {}
    said = DatasetOptions.of(before | dict(changes)).said()
    refuse_unknown(said, asset)
    others = {name: value for name, value in asset.options.items() if name not in FIELDS}
    checked_options(said)
    with transaction.atomic():
        fresh = Asset.objects.create(team=asset.team, kind=asset.kind, name=asset.name, filename=asset.filename, blob=asset.blob,
                                     options=others | said, created_by=by)
        submit_inspection(fresh)
        if not Job.objects.filter(Q(model=asset) | Q(dataset=asset)).exists():
            asset.delete()
    return fresh


def refuse_unknown(said: Mapping[str, Any], asset: Asset) -> None:
    """A column that the card does not list; nothing where there is no card."""
    if not asset.card:
        return
    names = {column.name for column in DatasetCard.model_validate(asset.card).columns}
    wanted = [(field, said[field]) for field in ("target", "split_by") if said.get(field)]
    wanted += [(field, name) for field in ("types", "drop") for name in said.get(field, ())]
    for field, name in wanted:
        if name not in names:
            raise OptimizerError(f"{asset.name} has no column of that name: '{name[:60]}'.", f"options.{field}",
                                 "Choose one from the list.", "no-such-column")


def corrections(form: QueryDict, asset: Asset) -> dict[str, Any]:
    """What a form says. A form with `columns` speaks for the columns it shows: type-0, drop-0 ... in the order of the card."""
    found: dict[str, Any] = {name: form[name] or None for name in SINGLE if name in form}
    if "strip_labels" in form:
        found["strip_labels"] = form["strip_labels"] == "1"
    count = str(form.get("columns", ""))
    shown = int(count) if count.isascii() and count.isdigit() else 0
    if shown and asset.card:
        before = DatasetOptions.of(asset.options)
        names = [column.name for column in DatasetCard.model_validate(asset.card).columns]
        listed, unseen = list(enumerate(names[:shown])), set(names[shown:])
        found["types"] = {name: kind for name, kind in before.types.items() if name in unseen} | {
            name: kind for i, name in listed if (kind := form.get(f"type-{i}"))}
        found["drop"] = [name for name in before.drop if name in unseen] + [name for i, name in listed if form.get(f"drop-{i}")]
    return found
