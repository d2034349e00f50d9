"""Small words for the pages: bytes, ages, and the error of a field."""

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()
NARROW = "\u202f"


@register.filter
def size(count: float | None) -> str:
    """Bytes with three significant digits: "312 KiB", "3.8 MiB".

    >>> size(319488), size(900), size(None)
    ('312\\u202fKiB', '900\\u202fB', '')
    """
    if count is None:
        return ""
    if count < 1024:
        return f"{count:.0f}{NARROW}B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1000 or unit == "GiB":
            break
    return f"{count:.{2 if count < 10 else 1 if count < 100 else 0}f}{NARROW}{unit}"


@register.filter
def kib_size(kib: float | None) -> str:
    return "" if kib is None else size(kib * 1024)


@register.filter
def amount(value: float | None) -> str:
    """A figure of a data sheet: whole where it is whole, commas for thousands, at most four digits behind the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


@register.filter
def whole(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


@register.filter
def when(at: datetime | None) -> str:
    """"just now", "12 min ago", "5 h ago", "yesterday", "3 Nov": short, for the last column of a table."""
    if at is None:
        return ""
    seconds = (timezone.now() - at).total_seconds()
    days = (timezone.localdate() - timezone.localdate(at)).days
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f}{NARROW}min ago"
    if days == 0:
        return f"{seconds // 3600:.0f}{NARROW}h ago"
    if days == 1:
        return "yesterday"
    return f"{at.day} {at:%b}" if days < 300 else f"{at.day} {at:%b %Y}"


@register.filter
def until(at: datetime | None) -> str:
    """Days to come: "today", "in 1 day", "in 4 days"."""
    if at is None:
        return ""
    days = (timezone.localdate(at) - timezone.localdate()).days
    return "today" if days <= 0 else f"in {days}{NARROW}day" + ("s" if days > 1 else "")


@register.filter
def of(table: dict, key: str):
    """table[key], or None: {{ errors|of:"model" }}."""
    return table.get(key) if table else None


@register.filter
def first_words(text: str, count: int) -> str:
    """The first `count` characters of a hash."""
    return text[:count] if text else ""


@register.filter
def signed(value: float | None) -> str:
    """Points with a sign and one digit; a true minus.

    >>> signed(-0.42), signed(0.3), signed(0.01)
    ('−0.4', '+0.3', '0.0')
    """
    if value is None:
        return ""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")
