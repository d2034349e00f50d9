"""Template filters for figures: the number, a narrow no-break space, and the unit one shade lighter."""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from optimizers.measurement import Measurement
from webapp.studio import words

register = template.Library()


def with_unit(text: str, unit: str) -> SafeString:
    """
    >>> with_unit("38.2", "KiB")
    '38.2<span class="unit">\u202fKiB</span>'
    """
    return format_html('{}<span class="unit">{}{}</span>', text, words.THIN, unit) if unit and text != "–" else format_html("{}", text)


@register.filter
def sig(value: float | None) -> str:
    return words.sig(value)


@register.filter
def fixed(value: float | None, places: int = 1) -> str:
    return words.fixed(value, places)


@register.filter
def kib(value: float | None) -> SafeString:
    """A size given in KiB."""
    return with_unit(*words.kib(value))


@register.filter
def size(count: float | None) -> SafeString:
    """A size given in bytes; below 1 KiB it stays in bytes."""
    if count is not None and count < 1024:
        return with_unit(f"{count:.0f}", "bytes" if count != 1 else "byte")
    return with_unit(*words.kib(None if count is None else count / 1024))


@register.filter
def ms(value: float | None) -> SafeString:
    return with_unit(words.sig(value), "ms")


@register.filter
def pct(fraction: float | None) -> SafeString:
    """A fraction in [0, 1] as percent."""
    return with_unit(words.pct(fraction), "%")


@register.filter
def points(value: float | None) -> str:
    """A change in points, signed; the word "points" stands in the header or beside it."""
    return words.points(value)


@register.filter
def span(change: dict[str, Any]) -> str:
    """The interval of a change (or its dump): "[−0.7, −0.1]"."""
    low, high = (change["low"], change["high"]) if isinstance(change, dict) else (change.low, change.high)
    return words.interval(low, high)


@register.filter
def duration(seconds: float | None) -> str:
    return words.duration(seconds)


@register.filter
def about(seconds: float | None) -> str:
    return words.about(seconds)


@register.filter
def between(low: float | None, high: float | None) -> str:
    return words.between(low, high)


@register.filter
def si(value: float | None) -> SafeString:
    """Large counts: 13.1 M."""
    return with_unit(*words.si(value))


@register.filter
def measure(m: Measurement | dict[str, Any] | None) -> SafeString | str:
    """A Measurement or its dump with its unit, and ± half its interval where it has one."""
    if not m:
        return "–"
    if isinstance(m, Measurement):
        m = m.model_dump()
    text, unit = words.in_unit(m["value"], m["unit"])
    low, high = m.get("low"), m.get("high")
    if low is None or high is None or unit in ("M", "k", "G"):
        return with_unit(text, unit)
    half = (high - low) / 2 * (100 if m["unit"] == "fraction" else 1) / (1024 if unit == "MiB" else 1)
    places = min(4, len(text.partition(".")[2]))
    about = words.fixed(half, places) if round(half, places) or not half else words.sig(half, 1)
    return format_html('{}<span class="unit"> ± {}{}{}</span>', text, about, words.THIN, unit)


@register.filter
def origin_word(origin: str) -> str:
    return words.ORIGINS.get(origin, origin)


@register.filter
def svg_percent(share: float | None) -> str:
    """A share as the length of an SVG bar, at most the whole: no inline style is needed.

    >>> svg_percent(0.583), svg_percent(7)
    ('58.3%', '100%')
    """
    return f"{min(1.0, max(0.0, share or 0.0)) * 100:.4g}%"


@register.filter
def plural(count: int, noun: str) -> str:
    """`3|plural:"candidate"` is "3 candidates"; "candidate,candidates" names the plural."""
    one, _, many = noun.partition(",")
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@register.filter
def initials(name: Any) -> str:
    """
    >>> initials("Alice Moreau"), initials("bob")
    ('AM', 'BO')
    """
    parts = str(name).split()
    return (parts[0][0] + parts[-1][0] if len(parts) > 1 else str(name)[:2]).upper()


@register.filter
def item(table: dict[str, Any], key: str) -> Any:
    """table[key], or None."""
    return table.get(key) if isinstance(table, dict) else None
