"""One line of a child, as far as it is believed."""

import json
import math
from typing import Any

from pydantic import ValidationError

from optimizers.events import EVENT, Base


def parse(line: bytes) -> Base | None:
    """The event, or None for anything that is not one.

    NUL has no place in Postgres text; a line that holds one, even escaped, is not believed.

    >>> parse(b'{"type": "log", "text": "hello"}').text
    'hello'
    >>> parse(b'{"type": "log", "text": "a\\\\u0000b"}'), parse(b'{"type": "shell"}'), parse(b'[' * 9999)
    (None, None, None)
    """
    if b"\\u0000" in line or b"\0" in line:
        return None
    try:
        event = EVENT.validate_json(line)
        return event if storable(event) else None
    except (ValidationError, RecursionError):
        return None


def storable(event: Base) -> bool:
    """Whether it makes JSON that Postgres takes: no NaN in a free-form part, no half of a surrogate pair."""
    try:
        json.dumps(event.model_dump(mode="json"), allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def event_row(event: Base) -> dict[str, Any]:
    """What is kept of a log line or a curve point."""
    return event.model_dump(mode="json", exclude={"type", "seq"})


def finite(value: float | None) -> float | None:
    """
    >>> finite(2.5), finite(float("nan")), finite(None)
    (2.5, None, None)
    """
    return value if value is not None and math.isfinite(value) else None
