"""What the new-job page holds so far: read leniently from the form, with each mistake kept beside its field."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from django.http import QueryDict

from jobs.models import Asset
from optimizers import recipe_text
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.errors import OptimizerError, Refusal
from optimizers.goal import LIMITS, Budget, Goal, Limits
from optimizers.models.preprocessing import said
from optimizers.recipe import Recipe
from optimizers.search.match import metrics
from webapp.studio import feeding
from webapp.studio.steps import forms_of, recipe_of
from webapp.teams import gate
from webapp.teams.models import Team


class Draft:
    """One reading of the form. `errors`: field name -> Refusal. A draft without errors can be planned and started."""

    def __init__(self, team: Team, data: QueryDict, devices: dict[str, Device]) -> None:
        self.team, self.data = team, data
        self.errors: dict[str, Refusal] = {}
        self.model = self.asset("model", Asset.Kind.MODEL)
        self.dataset = self.asset("dataset", Asset.Kind.DATASET)
        self.model_card = ModelCard.model_validate(self.model.card) if self.model else None
        self.dataset_card = DatasetCard.model_validate(self.dataset.card) if self.dataset else None
        self.device = devices.get(data.get("device", ""))
        if self.device is None:
            self.wrong("device", "No device is chosen.", "Choose the board or machine the model must run on.", "no-device")
        self.goal = self.read_goal()
        self.budget = Budget(minutes=self.number("minutes", 0.1, 24 * 60, "minutes"),
                             candidates=None if not data.get("candidates") else int(self.number("candidates", 1, 200, "candidates") or 1),
                             sensitivity=data.get("sensitivity") == "on", study=self.studies and data.get("study") == "on")
        self.seed = int(self.number("seed", 0, 2**31 - 1, "seed") or 0)
        self.how = data.get("how") if data.get("how") in ("plan", "choose", "paste") else "plan"
        self.steps = forms_of(data)
        self.recipe = self.read_recipe()
        self.preprocessing = self.read_preprocessing()

    # reading

    def asset(self, field: str, kind: str) -> Asset | None:
        """The chosen asset, of this team and ready, or None; another team's id reads like one that never was."""
        if not (raw := self.data.get(field, "")):
            return None
        try:
            found = gate.assets(self.team, kind).filter(id=UUID(raw)).select_related("blob").first()
        except ValueError:
            found = None
        if found is None:
            self.wrong(field, f"There is no such {field} in this team.", "Choose one from the list.", f"no-{field}")
        elif found.state != Asset.State.READY:
            self.wrong(field, f"{found.name} is {found.state}.", "Wait until its inspection is done, or choose another.", "not-ready")
            return None
        return found

    def number(self, field: str, low: float, high: float, unit: str) -> float | None:
        """The number in a box; outside its bounds it is an error and None."""
        raw = self.data.get(field, "").replace(",", ".").replace("−", "-").strip()
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        self.wrong(field, f"{raw[:20]!r} is not between {low:g} and {high:g} {unit}." if raw else f"A number of {unit} is missing.",
                   f"Type a number from {low:g} to {high:g}.", "number")
        return None

    def read_goal(self) -> Goal:
        limits = {name: self.number(name, 0.001, 1e12, unit) for name, (_, unit, _label) in LIMITS.items() if self.data.get(f"on_{name}")}
        allowed = self.metrics()
        metric = self.data.get("metric")
        if metric not in allowed or metric == self.data.get("proposed"):    # what the page proposed for another pair is nobody's wish
            metric = allowed[0]
        floor = drop = None
        if self.data.get("hold") == "floor":
            floor = self.number("floor", -100, 100, "%")
            floor = None if floor is None else floor / 100
        else:
            drop = self.number("drop", 0, 100, "points")
            drop = None if drop is None else drop / 100
        return Goal(metric=metric, floor=floor, max_drop=drop, limits=Limits(**limits))

    def metrics(self) -> tuple[str, ...]:
        return metrics(self.model_card, self.dataset_card)

    @property
    def studies(self) -> bool:
        """Whether families of estimators can be compared: on labelled rows of numbers, without a model."""
        card = self.dataset_card
        return self.model is None and card is not None and len(card.row_shape) == 1 and card.task != "unlabelled"

    def read_recipe(self) -> Recipe | None:
        """The recipe of "choose" and "paste"; None for "plan for me", and where it has a mistake."""
        try:
            if self.how == "choose":
                return recipe_of(self.steps, self.seed)
            if self.how == "paste":
                return Recipe.parse(self.data.get("recipe", "") or "steps:")
        except OptimizerError as error:
            self.errors["recipe"] = error.refusal
        return None

    def read_preprocessing(self) -> dict[str, Any] | None:
        """What the boxes say, else what a pasted recipe says; None where the job is to find it."""
        try:
            if found := feeding.read(self.data):
                return found
            pasted = recipe_text.read(self.data.get("recipe", "")) if self.how == "paste" and self.recipe else None
            return said(pasted["preprocessing"]) if pasted and pasted.get("preprocessing") else None
        except OptimizerError as error:
            self.errors["preprocessing"] = error.refusal
        return None

    def wrong(self, field: str, wrong: str, mend: str, code: str) -> None:
        self.errors.setdefault(field, Refusal(wrong=wrong, mend=mend, code=code))

    # using

    @property
    def empty(self) -> bool:
        """Nothing to work on yet: neither a model nor a dataset is chosen, and neither was a mistake."""
        return self.model is None and self.dataset is None and not {"model", "dataset"} & self.errors.keys()

    def order(self) -> dict[str, Any]:
        """The arguments of jobs.submit.submit_fit, beside team and user."""
        return {"model": self.model, "dataset": self.dataset, "device": self.device, "goal": self.goal, "budget": self.budget,
                "recipe": self.recipe, "preprocessing": self.preprocessing if self.model else None,
                "seed": self.recipe.seed if self.how == "paste" and self.recipe else self.seed}
