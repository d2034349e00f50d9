"""What follows from the histogram of a class's scores: ROC, precision and recall, calibration, and what each threshold does."""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from optimizers.candidate import Candidate, Scores
from webapp.studio import plots, words

SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9)     # thresholds of the table
GROUPS = 10                             # of the calibration curve
FEW = 5                                 # rows below which a group says nothing


@dataclass(frozen=True)
class Choice:
    """What a threshold does: a row is called the class where its score is at least this."""

    threshold: float
    hits: int
    false_alarms: int
    missed: int
    passed: int

    @property
    def precision(self) -> str:
        return share(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> str:
        return share(self.hits, self.hits + self.missed)

    @property
    def false_rate(self) -> str:
        return share(self.false_alarms, self.false_alarms + self.passed)

    @property
    def f1(self) -> str:
        return share(2 * self.hits, 2 * self.hits + self.false_alarms + self.missed)


@dataclass(frozen=True)
class Group:
    """One tenth of the scale of scores. said: their middle, weighted; came: the share of rows that are of the class, with its interval."""

    said: float
    came: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Chart:
    """One class of one candidate. names: of all classes there are scores for; of, others: test rows that are of it and that are not."""

    name: str
    names: tuple[str, ...]
    only: bool              # two classes: a score of one tells of both
    of: int
    others: int
    area: str
    roc: str
    precision_recall: str
    base_line: str          # the precision of calling every row the class
    calibration: str
    spread: str
    dots: str
    groups: tuple[Group, ...]
    choices: tuple[Choice, ...]
    half: Choice
    data: dict[str, Any]
    axis: plots.Axis = plots.SHARE


def chart(c: Candidate, asked: str | None = None) -> Chart | None:
    """asked: the class to look at; else the one with fewest rows, which is where a threshold matters."""
    known = [row for row in c.scores if sum(row.of_it) and sum(row.of_others)]
    if not known:
        return None
    row = next((one for one in known if one.name == asked), None) or min(known, key=lambda one: sum(one.of_it))
    of, others = sum(row.of_it), sum(row.of_others)
    points = [choice(row, place) for place in range(len(row.of_it), -1, -1)]
    roc = [(point.false_alarms / others, point.hits / of) for point in points]
    ranked = [(point.hits / of, point.hits / (point.hits + point.false_alarms)) for point in points if point.hits + point.false_alarms]
    groups = calibration(row)
    return Chart(
        name=row.name, names=tuple(one.name for one in known), only=len(c.scores) == 1, of=of, others=others,
        area=words.fixed(area(roc), 3), roc=plots.line(distinct(roc)), precision_recall=plots.line(distinct(ranked)),
        base_line=plots.line([(0, of / (of + others)), (1, of / (of + others))]), calibration=plots.line((g.said, g.came) for g in groups),
        spread=plots.bars((g.said, g.low, g.high) for g in groups), dots=plots.dots((g.said, g.came) for g in groups), groups=groups,
        choices=tuple(choice(row, round(at * len(row.of_it))) for at in SHOWN), half=choice(row, len(row.of_it) // 2),
        data={"name": row.name, "of": row.of_it, "others": row.of_others})


def choice(row: Scores, place: int) -> Choice:
    """The threshold at the lower edge of bin `place`."""
    hits, alarms = sum(row.of_it[place:]), sum(row.of_others[place:])
    return Choice(place / len(row.of_it), hits, alarms, sum(row.of_it) - hits, sum(row.of_others) - alarms)


def area(roc: list[tuple[float, float]]) -> float:
    """Under a curve of (false alarms, hits) as shares, by trapezoids.

    >>> area([(0, 0), (0, 1), (1, 1)]), area([(0, 0), (1, 1)])
    (1.0, 0.5)
    """
    return float(sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(roc)))


def distinct(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without points that repeat the one before."""
    return [point for place, point in enumerate(points) if not place or point != points[place - 1]]


def calibration(row: Scores) -> tuple[Group, ...]:
    """Tenths of the scale with at least FEW rows; the interval of a share by Wilson 1927, doi:10.2307/2276774."""
    bins, found = len(row.of_it), []
    edges = [0, *accumulate([bins // GROUPS] * (GROUPS - 1)), bins]
    for start, end in pairwise(edges):
        of = sum(row.of_it[start:end])
        n = of + sum(row.of_others[start:end])
        if n >= FEW:
            said = sum((place + 0.5) / bins * (row.of_it[place] + row.of_others[place]) for place in range(start, end)) / n
            found.append(Group(said, of / n, *wilson(of, n), n))
    return tuple(found)


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share.

    >>> [round(end, 3) for end in wilson(0, 10)]
    [0.0, 0.278]
    """
    middle, half = (hits + z * z / 2) / (n + z * z), z / (n + z * z) * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def share(part: int, whole: int) -> str:
    return words.pct(part / whole) if whole else "–"
