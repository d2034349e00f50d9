"""What the columns of a table hold, found in one pass with flat memory; which become features, and why the others do not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizers.data.table_read import is_missing, number_of

Type = Literal["number", "category", "text", "id-like", "constant", "empty"]
TRACKED = 10_000        # different values remembered a column
MOST_CATEGORIES = 64
ID_NAMES = {"id", "index", "uuid", "guid", "key", "rowid", "row_id", "unnamed: 0"}


@dataclass
class Column:
    """Counts over all rows seen so far. values: how often each text occurs, until more than TRACKED differ (then `many`)."""

    name: str
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
    odd: tuple[int, str] | None = None      # first row (from 1) with a cell that is no number

    def take(self, cells: Sequence[str]) -> None:
        """Count a stretch of rows; equal cells are looked at once."""
        for cell, times in Counter(cells).items():
            if is_missing(cell):
                self.missing += times
            else:
                self.one(cell.strip(), times, cells)
        if self.stepping:
            self.step(cells)
        self.rows += len(cells)

    def one(self, cell: str, times: int, cells: Sequence[str]) -> None:
        if not self.many:
            self.values[cell] += times
            self.many = len(self.values) > TRACKED
        number = number_of(cell)
        if number is None:
            if self.odd is None:
                self.odd = (self.rows + 1 + next(i for i, other in enumerate(cells) if other.strip() == cell), cell[:40])
            number = number_of(cell, comma=True)
            self.commas += times * (number is not None)
        else:
            self.points += times
        if number is None:
            self.stepping = False
            return
        if not math.isfinite(number):
            self.infinite += times
            return
        self.whole = self.whole and number == int(number)
        self.low, self.high = min(self.low, number), max(self.high, number)

    def step(self, cells: Sequence[str]) -> None:
        """Follow the numbers in their order until one is not the one before plus one."""
        for number in map(number_of, cells):
            if number is None or (self.last is not None and number != self.last + 1):
                self.stepping = False
                return
            self.last = number

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
    def type(self) -> Type:
        if not self.present:
            return "empty"
        if self.distinct == 1 and (not self.missing or not self.texts):
            return "constant"
        if self.texts == 0 or (self.distinct > MOST_CATEGORIES and self.texts <= 0.05 * self.present):
            return "id-like" if self.id_like() else "number"
        if self.distinct <= MOST_CATEGORIES:
            return "category"
        return "id-like" if self.unrepeated() else "text"

    def unrepeated(self) -> bool:
        return self.rows > 20 and (self.many or self.distinct == self.present) and max(self.values.values()) == 1

    def id_like(self) -> bool:
        """Whole numbers that never repeat and count up by one, or that are called an id."""
        return self.whole and self.unrepeated() and (self.stepping or self.name.strip().lower() in ID_NAMES)

    def categories(self) -> tuple[str, ...]:
        """In the order their one-hot features stand."""
        return tuple(sorted(self.values)) + (("(missing)",) if self.missing else ())

    def features(self) -> tuple[str, ...]:
        """Names of the features the column becomes; none when it is left out."""
        if self.type == "number":
            return (self.name,)
        return tuple(f"{self.name}={value[:60]}" for value in self.categories()) if self.type == "category" else ()

    def summary(self) -> dict[str, str | int | float | None]:
        """One line of the card. distinct is None when more than 10,000 values differ."""
        example = next(iter(self.values), None)
        return {"name": self.name, "type": self.type, "missing": self.missing, "distinct": None if self.many else self.distinct,
                "example": example[:80] if example is not None else None,
                "low": self.low if self.type == "number" and math.isfinite(self.low) else None,
                "high": self.high if self.type == "number" and math.isfinite(self.high) else None}
