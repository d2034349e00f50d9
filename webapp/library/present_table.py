"""The columns of a table as rows of a page: small drawings of what they hold, and what a person said of them."""

from dataclasses import dataclass

from optimizers.cards import ColumnCard, DatasetCard
from optimizers.data.options import DatasetOptions

COLUMNS = 200
WIDE, HIGH = 96, 24             # units of a drawing
KINDS = {"number": "number", "category": "category", "date": "date", "text": "text, left out"}
WHY = {"dropped": "left out by you", "split": "decides the split", "target": "target"}


@dataclass(frozen=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    share: float = 1.0          # 0 to 1, of what it stands for


@dataclass(frozen=True)
class Row:
    """place: in the card.  choice: the type a person said, "" for none.  words: what the drawing shows, for those who cannot see it."""

    place: int
    card: ColumnCard
    bars: list[Rect]
    words: str
    why: str
    choice: str
    dropped: bool
    missing_share: float
    alone: float | None


@dataclass(frozen=True)
class Gap:
    name: str
    cells: list[Rect]
    share: float


def rows(card: DatasetCard, options: DatasetOptions) -> list[Row]:
    return [Row(place, column, bars(column), words(column), WHY.get(column.out, column.out and f"left out: {column.type}"),
                options.types.get(column.name, ""), column.name in options.drop, 100 * column.missing / (card.rows or 1),
                None if column.alone is None else 100 * column.alone)
            for place, column in enumerate(card.columns[:COLUMNS])]


def bars(column: ColumnCard) -> list[Rect]:
    """A histogram, or the most frequent values. The tallest bar has the full height, and none that counts is invisible."""
    counts = column.bins or tuple(times for _, times in column.top)
    most = max(counts, default=0)
    if not most or (column.top and most == 1):          # texts that never repeat have no distribution to draw
        return []
    step = WIDE / len(column.bins or range(5))
    gap = 1 if column.bins else 4
    heights = [max(1.5, HIGH * count / most) if count else 0.0 for count in counts]
    return [Rect(round(i * step, 2), round(HIGH - height, 2), round(step - gap, 2), round(height, 2), count / most)
            for i, (height, count) in enumerate(zip(heights, counts, strict=True))]


def words(column: ColumnCard) -> str:
    """
    >>> words(ColumnCard(name="a", type="number", low=1.0, high=2500000.0, mean=3.14159))
    '1 to 2.5e+06, mean 3.142'
    >>> words(ColumnCard(name="a", type="category", distinct=3, top=(("red", 40), ("blue", 20))))
    'red, blue and 1 more'
    """
    if column.low is not None and column.high is not None:
        low, high = (f"{end:.4g}" if isinstance(end, float) else str(end) for end in (column.low, column.high))
        return f"{low} to {high}" + (f", mean {column.mean:.4g}" if column.mean is not None else "")
    shown = ", ".join(value[:24] for value, _ in column.top[:3])
    more = (column.distinct or 0) - min(3, len(column.top))
    return shown + (f" and {more:,} more" if shown and more > 0 else "")


def gaps(card: DatasetCard) -> list[Gap]:
    """The missing-value map: columns that have gaps, the most first, over equal stretches of rows."""
    holey = sorted((column for column in card.columns if column.gaps), key=lambda column: -column.missing)[:40]
    return [Gap(column.name, [Rect(i * WIDE / len(column.gaps), 0, WIDE / len(column.gaps) - 0.5, 10, share / 100)
                              for i, share in enumerate(column.gaps)], 100 * column.missing / (card.rows or 1)) for column in holey]
