"""Cursor pagination: newest first, and nothing is skipped or shown twice while rows are added."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from webapp.api.problems import Fault

MOST = 200


def page(rows: QuerySet, cursor: str | None, limit: int) -> tuple[list[Any], str | None]:
    """`limit` rows after the cursor, and the cursor of the next page; None at the end. Rows need created_at and a UUID id."""
    rows = rows.order_by("-created_at", "-id")
    if cursor:
        at, pk = read(cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=pk))
    found = list(rows[:limit + 1])
    more = len(found) > limit
    return found[:limit], write(found[limit - 1]) if more else None


def write(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.id}".encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[datetime, UUID]:
    """Raises 422 for anything that is not a cursor of ours."""
    try:
        at, pk = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode().split("|")
        when = datetime.fromisoformat(at)
        if when.tzinfo is None:
            raise ValueError
        return when, UUID(pk)
    except (ValueError, binascii.Error):
        raise Fault(422, "This is not a cursor.", where="cursor", hint="Take `next` of the page before, or none for the first.") from None
