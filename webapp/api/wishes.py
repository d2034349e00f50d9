"""A request for a fit, with its ids and names looked up inside the team; plans and jobs begin here alike."""

from typing import Any, NamedTuple
from uuid import UUID

from jobs.models import Asset
from jobs.submit import ready_card
from optimizers import recipe_text
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.goal import Goal
from optimizers.models.preprocessing import said
from optimizers.recipe import Recipe
from optimizers.search.match import metrics
from webapp.api.problems import missing
from webapp.api.schemas import Wish
from webapp.devices import lookup
from webapp.teams import gate
from webapp.teams.models import Team


class Asked(NamedTuple):
    model: Asset | None
    dataset: Asset | None
    model_card: ModelCard | None
    dataset_card: DatasetCard | None
    device: Device
    goal: Goal
    recipe: Recipe | None
    preprocessing: dict[str, Any] | None


def resolve(team: Team, wish: Wish) -> Asked:
    """Raises Fault 404 for an id the team does not have, OptimizerError for an unknown device, a bad recipe, an asset not ready."""
    model, dataset = asset(team, "model", wish.model), asset(team, "dataset", wish.dataset)
    device = wish.device.model_copy(update={"here": False}) if isinstance(wish.device, Device) else lookup.find(team, wish.device)
    model_card, dataset_card = card(team, model, ModelCard), card(team, dataset, DatasetCard)
    return Asked(model, dataset, model_card, dataset_card, device, goal(wish, model_card, dataset_card), recipe(wish.recipe),
                 preprocessing(wish))


def goal(wish: Wish, model: ModelCard | None, dataset: DatasetCard | None) -> Goal:
    """As it was said; a metric that was not said is the first that suits the two."""
    if "metric" in wish.goal.model_fields_set:
        return wish.goal
    return wish.goal.model_copy(update={"metric": metrics(model, dataset)[0]})


def asset(team: Team, kind: str, id: UUID | None) -> Asset | None:
    if id is None:
        return None
    found = gate.assets(team, kind).filter(pk=id).first()
    if found is None:
        raise missing(kind, f"body.{kind}")
    return found


def card(team: Team, found: Asset | None, shape: type[Any]) -> Any:
    return ready_card(team, found, found.kind, shape) if found else None


def recipe(given: dict[str, Any] | str | None) -> Recipe | None:
    if given is None:
        return None
    return Recipe.parse(given) if isinstance(given, str) else Recipe.load(given)


def preprocessing(wish: Wish) -> dict[str, Any] | None:
    """What was said beside the recipe, else inside it: a candidate's recipe.yaml carries its own."""
    if wish.preprocessing is not None:
        return wish.preprocessing.model_dump(mode="json", exclude_unset=True)
    table = recipe_text.read(wish.recipe) if isinstance(wish.recipe, str) else wish.recipe
    return said(table["preprocessing"]) if table and table.get("preprocessing") else None
