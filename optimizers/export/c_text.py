"""Arrays of numbers as C99 text, the same text for the same numbers."""

from __future__ import annotations

import textwrap

import numpy as np

UNSIGNED = (("uint8_t", 1 << 8), ("uint16_t", 1 << 16), ("uint32_t", 1 << 32))


def array(name: str, kind: str, values: np.ndarray) -> str:
    """A constant table; two axes become an array of arrays. float32 keep every bit. An empty one has a zero, as C knows none of length 0.

    >>> array("bias", "int8_t", np.array([3, -1]))
    'static const int8_t bias[2] = {3, -1};\\n'
    """
    values = np.asarray(values) if np.size(values) else np.zeros((1, *np.shape(values)[1:]), np.asarray(values).dtype)
    rows = [", ".join(map(literal, row.tolist() if row.dtype.kind in "iu" else row)) for row in np.atleast_2d(values)]
    body = ", ".join(f"{{{row}}}" for row in rows) if values.ndim == 2 else rows[0]
    axes = "".join(f"[{extent}]" for extent in values.shape)
    line = f"static const {kind} {name}{axes} = {{{body}}};"
    return "\n".join(wrapped(line)) + "\n"


def wrapped(line: str) -> list[str]:
    """Lines of at most 140, cut at spaces."""
    return textwrap.wrap(line, 140, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) if len(line) > 140 else [line]


def literal(value: np.generic | int) -> str:
    """One number. -2147483648 is no literal of C, and a whole float needs its point.

    >>> literal(np.float32(0.1)), literal(np.int32(-2**31)), literal(np.uint32(2**32 - 1)), literal(np.float32(3))
    ('0.1f', '(-2147483647 - 1)', '4294967295u', '3.0f')
    """
    if isinstance(value, np.floating):
        text = str(np.float32(value))
        return f"{text}f" if np.isfinite(value) else "__builtin_inff()" if value > 0 else "-__builtin_inff()"
    number = int(value)
    if number == -2**31:
        return "(-2147483647 - 1)"
    return f"{number}u" if number >= 2**31 else str(number)


def unsigned(most: int) -> str:
    """The narrowest type that holds 0 to most.

    >>> unsigned(255), unsigned(256)
    ('uint8_t', 'uint16_t')
    """
    return next(name for name, beyond in UNSIGNED if most < beyond)
