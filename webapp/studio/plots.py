"""Small drawings without a script: places in a square of 100 by 100, y upwards, as the points of an SVG stretched over its box."""

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.studio import words

Points = Iterable[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A straight scale. ticks: texts from the low end to the high one, evenly spread."""

    low: float
    high: float
    ticks: tuple[str, ...]

    def place(self, value: float) -> float:
        """0 to 100, what lies outside moved to the edge."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


SHARE = Axis(0, 1, ("0", "0.5", "1"))


def axis_over(values: Iterable[float], margin: float = 0.05) -> Axis:
    """From a little below the least to a little above the greatest.

    >>> axis_over([1.0, 3.0], 0).ticks
    ('1.00', '2.00', '3.00')
    """
    known = list(values)
    low, high = min(known), max(known)
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    low, high = (low - room, high + room) if margin or low == high else (low, high)
    return Axis(low, high, tuple(words.sig(value) for value in (low, (low + high) / 2, high)))


def line(points: Points, x: Axis = SHARE, y: Axis = SHARE) -> str:
    """The points attribute of a polyline.

    >>> line([(0, 0), (0.5, 1)])
    '0,100 50,0'
    """
    return " ".join(f"{short(x.place(a))},{short(100 - y.place(b))}" for a, b in points)


def dots(points: Points, x: Axis = SHARE, y: Axis = SHARE) -> str:
    """A path of strokes without length: round ends make dots of them that no stretching bends.

    >>> dots([(0, 0), (0.5, 1)])
    'M0 100h0M50 0h0'
    """
    return "".join(f"M{short(x.place(a))} {short(100 - y.place(b))}h0" for a, b in points)


def bars(spans: Iterable[tuple[float, float, float]], x: Axis = SHARE, y: Axis = SHARE) -> str:
    """A path of upright strokes (at, low, high).

    >>> bars([(0.5, 0, 1)])
    'M50 100V0'
    """
    return "".join(f"M{short(x.place(a))} {short(100 - y.place(low))}V{short(100 - y.place(high))}" for a, low, high in spans)


def short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
