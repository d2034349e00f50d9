"""Forms grown from a technique's JSON Schema: a fiftieth technique adds no form and no template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms

from optimizers.technique import Technique


def form_for(technique: type[Technique]) -> type[forms.Form]:
    """A form class with one field per parameter: label, unit, help, bounds, choices and default come from the schema."""
    schema = technique.parameters()
    fields = {name: field_for(name, resolved(spec, schema)) for name, spec in schema.get("properties", {}).items()}
    return type(f"{technique.__name__}Form", (TechniqueForm,), fields | {"technique": technique})


class TechniqueForm(forms.Form):
    """The shared part: what was typed, as the parameters `optimizers.recipe.build` takes."""

    technique: type[Technique]

    def plain(self) -> list[forms.BoundField]:
        """The fields that everybody sees."""
        folded = {name for names in self.technique.folds.values() for name in names}
        return [field for field in self if field.name not in folded]

    def folded(self) -> list[Fold]:
        """The others, under the headings the technique gives them."""
        return [Fold(heading, tuple(self[name] for name in names)) for heading, names in self.technique.folds.items()]

    def params(self) -> dict[str, Any]:
        """Parameters that were given; an empty box leaves the technique's own default (or None where it is allowed)."""
        fields: dict[str, Any] = self.fields
        return {name: fields[name].to_param(value) for name, value in self.cleaned_data.items() if value not in (None, "", [])}


@dataclass(frozen=True)
class Fold:
    """Fields behind one heading."""

    heading: str
    fields: tuple[forms.BoundField, ...]

    @property
    def changed(self) -> int:
        """How many differ from the technique's defaults, so that a closed fold hides nothing that was set."""
        return sum(field.field.has_changed(field.initial, field.data) for field in self.fields)

    @property
    def wrong(self) -> bool:
        return any(field.errors for field in self.fields)


class Parameter:
    """Mixed into form fields: the unit to print, and how the cleaned value becomes a parameter."""

    unit = ""
    bounds = ""

    def to_param(self, value: Any) -> Any:
        return value


class Number(Parameter, forms.FloatField):
    pass


class Whole(Parameter, forms.IntegerField):
    pass


class Switch(Parameter, forms.BooleanField):
    pass


class Words(Parameter, forms.CharField):
    pass


class Choice(Parameter, forms.TypedChoiceField):
    pass


class Choices(Parameter, forms.TypedMultipleChoiceField):
    """A list of names out of a few: a box for each."""

    widget = forms.CheckboxSelectMultiple


class Names(Parameter, forms.CharField):
    """A list of names, one per comma."""

    def to_param(self, value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]


def resolved(spec: dict, schema: dict) -> dict:
    """The spec with its one $ref followed and `X or null` turned into X with optional=True."""
    if "$ref" in spec:
        spec = schema.get("$defs", {}).get(spec["$ref"].rsplit("/", 1)[-1], {}) | {k: v for k, v in spec.items() if k != "$ref"}
    if "items" in spec:
        spec = {**spec, "items": resolved(spec["items"], schema)}
    if "anyOf" in spec:
        real = [option for option in spec["anyOf"] if option.get("type") != "null"]
        spec = {**spec, **resolved(real[0], schema), "optional": len(real) < len(spec["anyOf"])}
    return spec


def field_for(name: str, spec: dict) -> forms.Field:
    """A form field for one resolved property of a JSON Schema."""
    common: dict[str, Any] = {
        "label": spec.get("title", name), "help_text": spec.get("description", ""),
        "initial": spec.get("default"), "required": False}
    field = built(spec, common)
    field.unit = spec.get("unit", "")
    field.bounds = bounds(spec)
    return field


def built(spec: dict, common: dict) -> Any:
    if "enum" in spec or "const" in spec:
        values = spec.get("enum") or [spec["const"]]
        of = {str(value): value for value in values}
        choices = [(text, text.replace("_", " ")) for text in of]
        if spec.get("optional"):
            choices.insert(0, ("", "none"))
        return Choice(choices=choices, coerce=lambda text: of.get(text, text), empty_value=None, **common)
    low, high = spec.get("minimum", spec.get("exclusiveMinimum")), spec.get("maximum", spec.get("exclusiveMaximum"))
    match spec.get("type"):
        case "integer":
            return Whole(min_value=low, max_value=high, **common)
        case "number":
            return Number(min_value=low, max_value=high, widget=forms.NumberInput(attrs={"step": "any"}), **common)
        case "boolean":
            return Switch(**common)
        case "array" if "enum" in spec.get("items", {}):
            return Choices(choices=[(name, name.replace("-", " ")) for name in spec["items"]["enum"]],
                           **common | {"initial": list(spec.get("default") or ())})
        case "array":
            return Names(**common | {"initial": ", ".join(map(str, spec.get("default") or ()))})
        case _:
            return Words(max_length=spec.get("maxLength", 200), **common)


def bounds(spec: dict) -> str:
    """"0 to 0.95", "at least 1", or nothing."""
    low, high = spec.get("minimum", spec.get("exclusiveMinimum")), spec.get("maximum", spec.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "" if high is None else f"at most {high:g}"
