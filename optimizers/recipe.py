"""An ordered list of techniques with seed and versions: checked whole before any work, a file that anyone can replay."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from optimizers import __version__, recipe_text
from optimizers.errors import OptimizerError, Refusal
from optimizers.technique import State, Technique

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.device import Device


MOST_STEPS = 50
LEFT: dict[State, str] = {      # what a step of each state leaves to the next
    "float": "a network in float",
    "quantized": "integers, with no float weights left to train, prune or quantize",
    "half": "16-bit floats, which nothing here trains, prunes or quantizes further",
    "binarized": "hidden layers of one bit, with nothing left in them to train, prune or quantize",
    "estimator": "trees, lines or neighbours, which have no layers",
}


class Recipe:
    """Steps in order. Two recipes with equal dumps are the same recipe.

    start: "model" begins from the uploaded (or exported) network; "scratch" needs a training step first.
    """

    def __init__(self, steps: tuple[Technique, ...], seed: int = 0) -> None:
        self.steps = tuple(steps)
        self.seed = seed

    def title(self) -> str:
        """"prune 50 % + fine-tune + int8"; "baseline" when there is no step."""
        return " + ".join(step.label() for step in self.steps) or "baseline"

    def dump(self) -> dict[str, Any]:
        return {"espalier": __version__, "seed": self.seed, "steps": [step.dump() for step in self.steps]}

    def gives(self) -> State:
        """The state of the network at the end."""
        state: State = "float"
        for step in self.steps:
            state = step.after(state)
        return state

    def to_yaml(self, **facts: Any) -> str:
        """The recipe file; `facts` (model and dataset hashes, versions, device) are kept beside the steps for the reader."""
        return recipe_text.write(self.dump() | facts)

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read YAML or JSON; raises OptimizerError naming the step and field that is wrong."""
        return cls.load(recipe_text.read(text))

    @classmethod
    def load(cls, table: Any) -> Recipe:
        from optimizers.catalogue import TECHNIQUES

        if not isinstance(table, dict) or not isinstance(table.get("steps"), list):
            raise OptimizerError("A recipe is a mapping with a list named steps.", "steps",
                                 "See docs/recipes.md for one that works.", "recipe-shape")
        if len(table["steps"]) > MOST_STEPS:
            raise OptimizerError(f"A recipe has at most {MOST_STEPS} steps, this one has {len(table['steps'])}.", "steps",
                                 "Split it into several jobs.", "recipe-too-long")
        steps = []
        for number, row in enumerate(table["steps"], 1):
            name = row.get("technique") if isinstance(row, dict) else None
            if not isinstance(name, str) or name not in TECHNIQUES:
                near = difflib.get_close_matches(str(name)[:60], TECHNIQUES, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(TECHNIQUES)}."
                raise OptimizerError(f"Unknown technique '{str(name)[:60]}'.", f"step {number}", hint, "unknown-technique")
            steps.append(build(TECHNIQUES[name], row.get("params") or {}, f"step {number}"))
        seed = table.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise OptimizerError(f"The seed is {str(seed)[:40]!r}.", "seed", "Use a whole number from 0 to 2147483647.", "seed")
        return cls(tuple(steps), seed)

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device | None) -> Refusal | None:
        """The first reason this cannot work: order first, then each step against the cards and the device."""
        state = begun(model)
        for number, step in enumerate(self.steps, 1):
            where = f"step {number}, {step.name}"
            if number == 1 and (refusal := unsuited(step, state, where)):
                return refusal
            if number > 1 and state not in step.takes:
                takes, before = " or ".join(step.takes), self.steps[number - 2].title
                return Refusal(wrong=f"'{step.title}' takes a {takes} network, and '{before}' before it leaves {LEFT[state]}.", where=where,
                               mend=f"Put '{step.title}' before '{self.steps[number - 2].title}', or drop one of them.",
                               code="recipe-order")
            if step.last and number < len(self.steps):
                return Refusal(wrong=f"'{step.title}' is about the file that leaves, and step {number + 1} would change that file.",
                               where=where, mend=f"Put '{step.title}' at the end.", code="recipe-order")
            if model is None and number == 1 and not step.begins():
                return Refusal(wrong="There is no model to start from.", where=where,
                               mend="Name a model, or begin the recipe with 'train'.", code="no-model")
            if "labels" in step.needs and dataset is not None and dataset.task == "unlabelled":
                return Refusal(wrong=f"'{step.title}' needs labels, and the dataset has none.", where=where,
                               mend="Drop this step, or choose a dataset with labels.", code="no-labels")
            if device is not None and (refusal := step.refuse(model, dataset, device)):
                field = f"{step.name}.{refusal.where}" if refusal.where in type(step).model_fields else ""
                return refusal.model_copy(update={"where": field or refusal.where or where})
            state = step.after(state)
        return None


def begun(model: ModelCard | None) -> State:
    """The state a recipe begins with."""
    if model is None:
        return "float"
    return "estimator" if model.family == "estimator" else "quantized" if model.quantized else "float"


def unsuited(step: Technique, state: State, where: str) -> Refusal | None:
    """Why a first step cannot work on what was uploaded; None when it can, or when it begins with a model of its own."""
    if state in step.takes or step.begins():
        return None
    takes = " or ".join("an estimator" if state == "estimator" else f"a {state} network" for state in step.takes)
    if state == "estimator":
        return Refusal(wrong=f"'{step.title}' takes {takes}, and this is an estimator: trees, lines or neighbours, which have no layers.",
                       where=where, mend="Use a technique for ensembles, or leave the model out and train a network.", code="no-network")
    wrong = "this one is already quantized" if state == "quantized" else "this is a network of layers"
    return Refusal(wrong=f"'{step.title}' takes {takes}, and {wrong}.", where=where,
                   mend="Start from the float network it was made of." if state == "quantized" else "Use a technique for networks.",
                   code="already-quantized" if state == "quantized" else "no-estimator")


def build(technique: type[Technique], params: dict[str, Any], where: str = "") -> Technique:
    """A technique from untrusted parameters; raises OptimizerError with the first thing that is wrong.

    >>> from optimizers.compress.prune.channels import ChannelPruning
    >>> build(ChannelPruning, {"share": 1.4})
    Traceback (most recent call last):
        ...
    optimizers.errors.OptimizerError: Input should be less than or equal to 0.95; got 1.4. [prune-channels.share] The default is 0.5.
    """
    try:
        return technique(**params)
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            raise OptimizerError("Parameters are a mapping of names to values.", where or technique.name, "", "params") from None
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        place = f"{technique.name}.{field[:60]}"
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field[:60], technique.model_fields, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(technique.model_fields)}."
            raise OptimizerError(f"Unknown parameter '{field[:60]}'.", place, hint, "unknown-parameter") from None
        known = technique.model_fields.get(field.split(".")[0])
        mend = f"The default is {known.default!r}." if known else ""
        raise OptimizerError(f"{first['msg']}; got {str(first['input'])[:60]}.", place, mend, "bad-parameter") from None
