"""What the columns of a table hold, found in one pass with flat memory; which become features, and why the others do not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from optimizers.data.options import Kind
from optimizers.data.table_dates import PARTS, dates_in
from optimizers.data.table_rows import is_missing, number_of

Type = Literal["number", "category", "date", "text", "id-like", "constant", "empty"]
TRACKED = 10_000            # different values remembered a column
TRACKED_IN_ALL = 2_000_000
MOST_CATEGORIES = 64        # of a column that nobody called a category
MOST_SAID = 1_000           # of one that somebody did
ID_NAMES = {"id", "index", "uuid", "guid", "key", "rowid", "row_id", "unnamed: 0", "__index_level_0__"}
BEYOND = 2.0**63


@dataclass
class Dates:
    """Cells that are dates of one form. low, high: days since 1970."""

    cells: int = 0
    low: float = math.inf
    high: float = -math.inf


@dataclass
class Column:
    """Counts over all rows; what depends on single values is counted once `tracked` values differ, or by `close` at the end.

    said: the type a person gave; told: the one that the file gives.  values: how often each text occurs, until more than `tracked`
    differ (then `many`).
    """

    name: str
    said: Kind | None = None
    told: Kind | None = None
    tracked: int = TRACKED
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    points: int = 0             # cells that are numbers with a decimal point
    commas: int = 0             # cells that are numbers when a decimal comma is allowed
    whole: bool = True
    stepping: bool = True       # each number is the one before plus one
    last: float | None = None
    low: float = math.inf
    high: float = -math.inf
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    gaps: set[str] = field(default_factory=set)         # how missing is spelt here
    dates: dict[str, Dates] = field(default_factory=dict)
    odd: tuple[int, str] | None = None      # first row (from 1) with a cell that is no number
    huge: tuple[int, str] | None = None     # first row with a whole number beyond 64 bits

    def take(self, cells: Sequence[str]) -> None:
        """Count a stretch of rows; equal cells are looked at once."""
        if self.stepping:
            self.step(cells)
        if self.many:
            self.count_more(cells)
        else:
            before = len(self.values)
            self.values.update(cells)
            self.meet(list(islice(self.values, before, None)), cells)
            if len(self.values) > self.tracked + len(self.gaps):
                self.close()
                self.many = True
        self.rows += len(cells)

    def close(self) -> None:
        """Count what the remembered values are, at the end of the table or when they become too many. Only once."""
        if not self.many:
            self.count(self.values.items())
            for gap in self.gaps:
                self.values.pop(gap, None)

    def meet(self, fresh: Sequence[str], cells: Sequence[str]) -> None:
        """Remember the row of the first cell of its kind."""
        for cell in fresh:
            if is_missing(cell):
                self.gaps.add(cell)
                continue
            number = number_of(cell)
            if number is None and self.odd is None:
                self.odd = (self.rows + 1 + cells.index(cell), cell[:40])
            elif number is not None and self.huge is None and BEYOND <= abs(number) < math.inf and cell.lstrip("+-").isdigit():
                self.huge = (self.rows + 1 + cells.index(cell), cell[:40])

    def count_more(self, cells: Sequence[str]) -> None:
        """Numbers without a detour over their texts; of others each different text once."""
        held = [cell for cell in cells if cell not in self.gaps] if self.gaps else cells
        numbers = plain_numbers(held)
        if numbers is None or self.said == "date":
            fresh = Counter(cells)
            if self.odd is None or self.huge is None:
                self.meet(list(fresh), cells)
            self.count(fresh.items())
            return
        finite = numbers[np.isfinite(numbers)]
        gone = int(np.isnan(numbers).sum())
        self.missing += len(cells) - len(held) + gone
        self.gaps |= {cell for cell in held if is_missing(cell)} if gone else set()
        self.infinite += len(numbers) - gone - len(finite)
        self.points += len(numbers) - gone
        if len(finite):
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.whole = self.whole and bool((finite == np.trunc(finite)).all())
            if self.huge is None and max(-self.low, self.high) >= BEYOND:
                self.meet(list(dict.fromkeys(cells)), cells)

    def count(self, found: Iterable[tuple[str, int]]) -> None:
        for cell, times in found:
            if is_missing(cell):
                self.missing += times
                self.gaps.add(cell)
                continue
            number = number_of(cell)
            if number is None:
                number = number_of(cell, comma=True)
                self.commas += times * (number is not None)
            else:
                self.points += times
            if number is None or self.said == "date":
                self.date(cell, times)
            if number is not None:
                self.span(number, times)

    def date(self, cell: str, times: int) -> None:
        for form, days in dates_in(cell, compact=self.said == "date").items():
            kept = self.dates.setdefault(form, Dates())
            kept.cells, kept.low, kept.high = kept.cells + times, min(kept.low, days), max(kept.high, days)

    def span(self, number: float, times: int) -> None:
        if not math.isfinite(number):
            self.infinite += times
            return
        self.whole = self.whole and number == int(number)
        self.low, self.high = min(self.low, number), max(self.high, number)

    def step(self, cells: Sequence[str]) -> None:
        """Follow the numbers in their order until one is not the one before plus one."""
        numbers = plain_numbers(cells)
        if numbers is None or not len(numbers):
            self.stepping = False
            return
        before = numbers[0] - 1 if self.last is None else self.last
        self.stepping = bool((np.diff(numbers, prepend=before) == 1).all())
        self.last = float(numbers[-1])

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def comma(self) -> bool:
        """Written with decimal commas: every cell is a number that way, and not every one without."""
        return self.points < self.present == self.points + self.commas

    @property
    def texts(self) -> int:
        """Cells that are neither missing nor numbers."""
        return self.present - self.points - (self.commas if self.comma else 0)

    @property
    def form(self) -> str | None:
        """The form in which most of the cells are dates; the earlier of equals, which puts the day before the month."""
        return max(self.dates, key=lambda form: self.dates[form].cells) if self.dates else None

    @property
    def dated(self) -> int:
        return self.dates[self.form].cells if self.form else 0

    @property
    def type(self) -> Type:
        if not self.present:
            return "empty"
        return self.said or self.guessed

    @property
    def guessed(self) -> Type:
        if not self.present:
            return "empty"
        if self.distinct == 1 and not self.many and (not self.missing or not self.texts):
            return "constant"
        if self.told == "category" and not self.many and self.distinct <= MOST_SAID:
            return "category"
        if self.dated >= 0.95 * self.present and not self.comma:
            return "date"
        if self.texts == 0 or ((self.many or self.distinct > MOST_CATEGORIES) and self.texts <= 0.05 * self.present):
            return "id-like" if self.id_like() else "number"
        if self.distinct <= MOST_CATEGORIES and not self.many:
            return "category"
        return "id-like" if self.unrepeated() else "text"

    def unrepeated(self) -> bool:
        return self.rows > 20 and (self.many or self.distinct == self.present) and max(self.values.values()) == 1

    def id_like(self) -> bool:
        """Whole numbers that never repeat and count up by one, or that are called an id."""
        return self.whole and self.unrepeated() and (self.stepping or self.name.lower() in ID_NAMES)

    def categories(self) -> tuple[str, ...]:
        """In the order their one-hot features stand."""
        return tuple(sorted(self.values)) + (("(missing)",) if self.missing else ())

    def features(self) -> tuple[str, ...]:
        """Names of the features the column becomes; none when it is left out."""
        if self.type == "number":
            return (self.name,)
        if self.type == "date":
            return tuple(f"{self.name}:{part}" for part in PARTS)
        return tuple(f"{self.name}={value[:60]}" for value in self.categories()) if self.type == "category" else ()


def plain_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """float64, NaN for "nan"; None when one of the cells is no number."""
    try:
        return None if "_" in "".join(cells) else np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def columns_of(names: Sequence[str], said: Mapping[str, Kind], told: Mapping[str, Kind]) -> list[Column]:
    tracked = min(TRACKED, TRACKED_IN_ALL // len(names))
    return [Column(name, said.get(name), told.get(name), tracked) for name in names]
