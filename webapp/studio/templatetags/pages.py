"""Small words for the pages: ages, days to come, figures of a data sheet."""

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()
NARROW = "\u202f"


@register.filter
def amount(value: float | None) -> str:
    """A figure of a data sheet: whole where it is whole, commas for thousands, at most four digits behind the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


@register.filter
def memory(kib: float | None) -> str:
    """Flash or RAM of a board, as data sheets say it: "264 KiB", "2 MiB", "5.5 MiB".

    >>> memory(2048), memory(264), memory(5632)
    ('2\u202fMiB', '264\u202fKiB', '5.5\u202fMiB')
    """
    if kib is None:
        return ""
    for unit in ("KiB", "MiB", "GiB"):
        if kib < 1024 or unit == "GiB":
            return f"{kib:.4g}{NARROW}{unit}"
        kib /= 1024
    return ""


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
def first_words(text: str, count: int) -> str:
    """The first `count` characters of a hash."""
    return text[:count] if text else ""
