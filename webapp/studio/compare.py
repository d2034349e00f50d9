"""Two to four candidates side by side: one line for each figure, the best of each line said in words."""

from collections.abc import Iterable
from dataclasses import dataclass

from optimizers.candidate import Candidate
from optimizers.measurement import Measurement
from webapp.studio.present import LABELS, recipe_words

MOST = 4
MORE_IS_BETTER = ("top1", "macro_f1", "r2", "agreement", "cosine", "sqnr_db", "auc", "speedup", "speedup_b64", "speedup_b1000", "rows_s",
                  "rows_b1000_s")


@dataclass(frozen=True)
class Line:
    """best: for each candidate whether nobody beats it here; all False when they are alike or only one is known."""

    label: str
    cells: tuple[Measurement | None, ...]
    best: tuple[bool, ...]

    @property
    def pairs(self) -> list[tuple[Measurement | None, bool]]:
        return list(zip(self.cells, self.best, strict=True))


@dataclass(frozen=True)
class Comparison:
    candidates: tuple[Candidate, ...]
    recipes: tuple[tuple[tuple[str, str], ...], ...]
    lines: tuple[Line, ...]


def comparison(candidates: list[Candidate], asked: Iterable[str]) -> Comparison | None:
    """Those whose keys were asked for ("a,b" or several), in the order asked; None for fewer than two."""
    by_key = {c.key: c for c in candidates}
    keys = dict.fromkeys(key for part in asked for key in part.split(","))
    chosen = [by_key[key] for key in keys if key in by_key][:MOST]
    if len(chosen) < 2:
        return None
    names = [name for name in LABELS if any(name in c.measurements for c in chosen)]
    return Comparison(tuple(chosen), tuple(recipe_words(c) for c in chosen), tuple(line(name, chosen) for name in names))


def line(name: str, chosen: list[Candidate]) -> Line:
    cells = tuple(c.measurements.get(name) for c in chosen)
    values = [m.value for m in cells if m is not None]
    top = (max if name in MORE_IS_BETTER else min)(values)
    told = len(values) > 1 and min(values) != max(values)
    return Line(LABELS[name], cells, tuple(told and m is not None and m.value == top for m in cells))
