"""Bars of signal to noise: each output of a candidate against the original's, and each layer where it has a partner."""

from dataclasses import dataclass

from optimizers.candidate import Candidate, Fidelity
from webapp.folding import fold
from webapp.studio import words

LEAST_SCALE = 60.0  # dB the axis reaches at least


@dataclass(frozen=True)
class Bar:
    """share, low, high: places along the axis in [0, 1]; low and high None where there is no interval."""

    name: str
    operator: str
    text: str
    interval: str
    cosine: str
    share: float
    low: float | None
    high: float | None
    worst: bool = False


@dataclass(frozen=True)
class Chart:
    outputs: tuple[Bar, ...]
    layers: tuple[Bar, ...]
    rest: tuple[Bar, ...]   # layers behind a fold
    ticks: tuple[tuple[float, str], ...]
    rows: int               # of test, behind the outputs
    layer_rows: int         # of validation, behind the layers


def chart(c: Candidate) -> Chart | None:
    """None where fidelity was not what was measured, and for the original itself."""
    if not c.fidelity:
        return None
    outputs, layers = ([row for row in c.fidelity if row.place == place] for place in ("output", "layer"))
    top = max([LEAST_SCALE, *(row.high or row.sqnr_db or 0.0 for row in c.fidelity)]) * 1.04
    worst = min(layers, key=decibel, default=None)
    ticks = tuple((tick / top, str(tick)) for tick in range(0, int(top) + 1, 20))
    first, rest = (tuple(bar(row, top, row is worst) for row in some) for some in fold(layers, lambda row: -decibel(row)))
    return Chart(tuple(bar(row, top) for row in outputs), first, rest, ticks, max((row.n for row in outputs), default=0),
                 max((row.n for row in layers), default=0))


def decibel(row: Fidelity) -> float:
    """No error at all is quieter than any."""
    return float("inf") if row.sqnr_db is None else row.sqnr_db


def bar(row: Fidelity, top: float, worst: bool = False) -> Bar:
    def place(value: float | None) -> float | None:
        return None if value is None else round(min(1.0, max(0.0, value / top)), 4)

    exact = row.sqnr_db is None
    interval = "" if row.low is None or row.high is None else f"[{words.fixed(row.low)}, {words.fixed(row.high)}]"
    cosine = "" if row.cosine is None else words.fixed(row.cosine, 5)
    return Bar(row.name, row.operator, "no error" if exact else words.fixed(row.sqnr_db), interval, cosine,
               1.0 if exact else place(row.sqnr_db) or 0.0, place(row.low), place(row.high), worst and not exact)
