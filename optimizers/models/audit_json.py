"""JSON of a stranger: measured before it is parsed, so that neither depth nor numbers nor repeated names surprise the parser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from optimizers.errors import OptimizerError

TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)       # a string, whole or cut off, or a bracket; never goes back
STEP = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}


@dataclass(frozen=True)
class Bounds:
    """depth: brackets inside brackets.  size: bytes.  brackets: objects and lists.  values: commas."""

    depth: int = 32
    size: int = 128 << 20
    brackets: int = 2_000_000
    values: int = 20_000_000


def read_json(raw: bytes, where: str, mend: str, bounds: Bounds | None = None) -> Any:
    """The value that the bytes are.  Raises OptimizerError for what is over the bounds, no JSON, or names a key twice."""
    def bad(wrong: str, code: str = "bad-json") -> NoReturn:
        raise OptimizerError(wrong, where, mend, code)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            bad(f"An object names '{next(name for name in names if names.count(name) > 1)[:60]}' twice.", "duplicate-key")
        return found

    bounds = bounds or Bounds()
    if len(raw) > bounds.size:
        bad(f"The text has {len(raw):,} bytes; at most {bounds.size:,} are read.", "too-large")
    if raw.count(b"[") + raw.count(b"{") > bounds.brackets or raw.count(b",") > bounds.values:
        bad(f"The text holds more than {bounds.brackets:,} objects and lists, or {bounds.values:,} values.", "too-many-values")
    if depth(raw) > bounds.depth:
        bad(f"The text is nested more than {bounds.depth} deep.", "too-deep")
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as fault:
        raise OptimizerError(f"The text is no whole JSON: {str(fault)[:80]}.", where, mend, "bad-json") from fault


def depth(raw: bytes) -> int:
    """The deepest nesting, found by scanning.

    >>> depth(b'{"a": [1, "[[["]}')
    2
    """
    deep = deepest = 0
    for match in TOKEN.finditer(raw):
        step = STEP.get(raw[match.start()], 0)
        if step:
            deep += step
            deepest = max(deepest, deep)
    return deepest
