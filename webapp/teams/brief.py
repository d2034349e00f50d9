"""Remember a cheap answer for a few seconds in this process; no server is asked, so none can be away."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

_kept: dict[str, tuple[float, Any]] = {}
_lock = Lock()
MOST = 1000


def remembered(key: str, seconds: float, make: Callable[[], Any]) -> Any:
    """The value under key while it is younger than `seconds`, else a new one from make()."""
    now = time.monotonic()
    found = _kept.get(key)
    if found and found[0] > now:
        return found[1]
    value = make()
    with _lock:
        if len(_kept) >= MOST:
            _kept.clear()
        _kept[key] = now + seconds, value
    return value


def forget(key: str = "") -> None:
    """Drop what is kept under keys that begin like this; a test uses it between cases."""
    with _lock:
        for name in [name for name in _kept if name.startswith(key)]:
            del _kept[name]
