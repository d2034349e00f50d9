"""What a model looks at: bars of importance, and small pictures of what it answers along the columns that matter most."""

from dataclasses import dataclass
from itertools import groupby

from optimizers.candidate import Candidate, Dependence
from webapp.studio import plots, words
from webapp.studio.grids import ticks_between

MOST = 15           # columns drawn; the table has all that were kept
DOTS = 8            # categories drawn
MARKS = ("circle", "square", "triangle")


@dataclass(frozen=True)
class Bar:
    """Places along the axis are shares in [0, 1]. certain: the interval does not hold zero."""

    column: str
    text: str
    interval: str
    start: float
    width: float
    low: float
    high: float
    certain: bool


@dataclass(frozen=True)
class Curve:
    """One answer along one column. line: of a number, in 100 by 100; text: every value for the table."""

    answer: str
    line: str
    dots: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Picture:
    """One column. x: None for categories, whose names stand under `categories` with a mark for each answer."""

    column: str
    x: plots.Axis | None
    curves: tuple[Curve, ...]
    categories: tuple[tuple[str, tuple[tuple[float, str], ...]], ...]      # name, (place as a share, value as text) by answer
    more: int


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    rest: tuple[Bar, ...]           # not drawn, in the table
    ticks: tuple[tuple[float, str], ...]
    zero: float
    pictures: tuple[Picture, ...]
    answers: tuple[str, ...]
    y: plots.Axis | None
    how: str


def chart(c: Candidate) -> Chart | None:
    if not c.importance:
        return None
    low, high = min(0.0, *(row.low for row in c.importance)), max(1e-6, *(row.high for row in c.importance))
    room = (high - low) * 0.03
    low, high = (low - room if low < 0 else 0.0), high + room

    def place(points: float) -> float:
        return round((points - low) / (high - low), 4)

    bars = tuple(Bar(row.column, words.fixed(row.loss, 2), words.interval(row.low, row.high, 2), place(min(0.0, row.loss)),
                     round(abs(row.loss) / (high - low), 4), place(row.low), place(row.high), row.low > 0) for row in c.importance)
    y = answers_axis(c.dependence) if c.dependence else None
    pictures = tuple(picture(list(rows), y) for _, rows in groupby(c.dependence, key=lambda row: row.column)) if y else ()
    return Chart(bars[:MOST], bars[MOST:], tuple((place(tick), f"{tick:g}".replace("-", words.MINUS)) for tick in ticks_between(low, high)),
                 place(0), pictures, tuple(dict.fromkeys(row.answer for row in c.dependence)), y,
                 next((note for note in c.notes if note.startswith("What matters:")), ""))


def answers_axis(rows: tuple[Dependence, ...]) -> plots.Axis:
    """One for all pictures; probabilities stay in [0, 1]."""
    axis = plots.axis_over(value for row in rows for value in row.mean)
    return plots.axis_over((max(0.0, axis.low), min(1.0, axis.high)), 0) if rows[0].answer else axis


def picture(rows: list[Dependence], y: plots.Axis) -> Picture:
    """rows: the answers along one column, over the same values."""
    first = rows[0]
    numbers = [float(at) for at in first.at if not isinstance(at, str)]
    x = plots.axis_over(numbers, 0) if len(numbers) == len(first.at) and numbers else None
    curves = tuple(Curve(row.answer, plots.line(zip(numbers, row.mean), x, y) if x else "", plots.dots(zip(numbers, row.mean), x, y)
                         if x else "", tuple((written(at), words.sig(mean)) for at, mean in zip(row.at, row.mean, strict=True)))
                   for row in rows)
    named = () if x else tuple((str(at), tuple((y.place(row.mean[place]) / 100, words.sig(row.mean[place])) for row in rows))
                               for place, at in enumerate(first.at))
    return Picture(first.column, x, curves, named[:DOTS], max(0, len(named) - DOTS))


def written(at: float | str) -> str:
    return at if isinstance(at, str) else words.sig(at)
