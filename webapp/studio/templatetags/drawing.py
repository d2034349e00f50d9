"""Filters of the job pages alone: places in a drawing, values for sorting, words for files."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template

from optimizers.candidate import ClassRow
from optimizers.measurement import Measurement
from webapp.studio import words
from webapp.studio.axes import Quality

register = template.Library()
ROLES = {"model": "the network itself", "bundle": "all files in one", "recipe": "replays this candidate without the server",
         "report": "every number, with origin and interval", "readme": "how to prepare rows and run it",
         "transfer": "the network coded for its way", "decoder": "turns model.esp back into model.onnx",
         "source": "what model.so is made of, asked and tested with"}
ICONS = {"model": "model", "bundle": "bundle", "recipe": "recipe", "report": "report"}


@register.filter
def add_px(y: float, pixels: int) -> str:
    return f"{y + pixels:.4g}"


@register.filter
def plain(value: float | None) -> str:
    """A number for a script to sort by; empty when it is not known."""
    return "" if value in (None, "") else f"{value:.8g}"


@register.filter
def quality(m: Measurement | None, of: Quality) -> str:
    """A quality without its unit, written as its metric is."""
    return of.text(m.value if m else None)


@register.filter
def class_points(row: ClassRow) -> str:
    return words.points((row.after - row.before) * 100)


@register.filter
def took_until(start: datetime | None, end: datetime | None) -> str:
    return words.duration((end - start).total_seconds()) if start and end else ""


@register.filter
def role_words(role: str) -> str:
    return ROLES.get(role, "")


@register.filter
def role_icon(role: str) -> str:
    return ICONS.get(role, "file")


@register.filter
def at(items: Sequence[Any], place: int) -> Any:
    return items[place]
