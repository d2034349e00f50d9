"""The chosen techniques of a draft: a list of forms that can grow, shrink and be put in another order."""

import inspect
from typing import Any

from django.http import QueryDict

from optimizers.catalogue import TECHNIQUES
from optimizers.chains import CHAINS
from optimizers.errors import OptimizerError
from optimizers.recipe import Recipe, build
from optimizers.technique import Technique
from webapp.forms import Choices, TechniqueForm, form_for

MOST = 20       # steps in one recipe


def forms_of(data: QueryDict) -> list[TechniqueForm]:
    """One bound form per step, in order. A field that was not sent (a step just added) starts at its default."""
    found = []
    for key in data.getlist("step")[:MOST]:
        technique = TECHNIQUES.get(data.get(f"technique-{key}", ""))
        if technique is None or not is_key(key):
            continue
        kind = form_for(technique)
        fresh = f"sent-{key}" not in data
        form = kind(defaults(kind, key) if fresh else data, prefix=key)
        form.key, form.about = key, first_words(technique)
        found.append(form)
    return found


def first_words(technique: type[Technique]) -> str:
    """The first paragraph of its docstring on one line: what it does, in whole sentences."""
    return " ".join((inspect.getdoc(technique) or "").split("\n\n")[0].split())


def is_key(key: str) -> bool:
    """Whether it is a step's number, as our own form writes it.

    >>> is_key("12"), is_key("²"), is_key("1" * 5000)
    (True, False, False)
    """
    return key.isascii() and key.isdigit() and len(key) < 6


def defaults(kind: type[TechniqueForm], key: str) -> dict[str, Any]:
    """What an untouched form of this technique would send."""
    return {f"{key}-{name}": field.initial for name, field in kind.base_fields.items()
            if field.initial is not None and field.initial is not False}


def keeps(technique: str) -> str | None:
    """The parameter in which a technique takes the layers it is to leave alone; None where it takes none."""
    known = TECHNIQUES[technique].model_fields if technique in TECHNIQUES else {}
    return next((name for name in ("keep_float", "keep") if name in known), None)


def recipe_of(steps: list[TechniqueForm], seed: int) -> Recipe:
    """Raises OptimizerError naming the first step and field that is wrong."""
    if not steps:
        raise OptimizerError("No technique is chosen.", "", "Add a step, or let the server plan.", "no-steps")
    built = []
    for number, form in enumerate(steps, 1):
        if not form.is_valid():
            field, problems = next(iter(form.errors.items()))
            raise OptimizerError(str(problems[0]), f"step {number}, {form.technique.name}.{field}", "", "bad-parameter")
        built.append(build(form.technique, form.params(), f"step {number}"))
    return Recipe(tuple(built), seed)


def edited(data: QueryDict, do: str) -> QueryDict:
    """The form after one of its buttons: add, minutes-28, or remove-2, up-2, down-2 (the number is the step's key)."""
    data = data.copy()
    keys = [key for key in data.getlist("step") if is_key(key)]
    verb, _, key = do.partition("-")
    if verb == "minutes" and key.isdigit():
        data["minutes"] = key
    elif verb == "add":
        for key, values in added(data.get("new_technique", ""), max(map(int, keys), default=-1) + 1):
            if len(keys) < MOST:
                keys.append(key)
                for name, value in values.items():
                    data.setlist(name, value if isinstance(value, list) else [value])
    elif key in keys:
        place = keys.index(key)
        keys.pop(place)
        if verb in ("up", "down"):
            keys.insert(max(0, place + (-1 if verb == "up" else 1)), key)
    data.setlist("step", keys)
    return data


def added(wish: str, first: int) -> list[tuple[str, dict[str, Any]]]:
    """The steps that one choice adds, each with its key and form data: a technique, or every step of a chain ("chain half")."""
    if wish in TECHNIQUES:
        return [(str(first), {f"technique-{first}": wish})]
    chain = CHAINS.get(wish.removeprefix("chain "))
    shown = as_data(chain.recipe().dump(), first) if chain else {"step": []}
    return [(key, {name: value for name, value in shown.items() if name.split("-")[0] == key or name.endswith(f"-{key}")})
            for key in shown["step"]]


def fields_of(technique: str) -> dict[str, Any]:
    return form_for(TECHNIQUES[technique]).base_fields if technique in TECHNIQUES else {}


def as_data(recipe: dict[str, Any], first: int = 0) -> dict[str, Any]:
    """Form data that shows a stored recipe dump as chosen techniques, numbered from `first`."""
    data: dict[str, Any] = {"step": []}
    for number, step in enumerate(recipe.get("steps", []), first):
        key = str(number)
        data["step"].append(key)
        data |= {f"technique-{key}": step["technique"], f"sent-{key}": "1"}
        ticked = {name for name, field in fields_of(step["technique"]).items() if isinstance(field, Choices)}
        for name, value in (step.get("params") or {}).items():
            if isinstance(value, (list, tuple)):
                value = list(value) if name in ticked else ", ".join(map(str, value))
            if value is not None and value is not False:
                data[f"{key}-{name}"] = "on" if value is True else value if isinstance(value, list) else str(value)
    return data
