"""Grids and rows that explain a candidate: sensitivity by layer, recall by class, change of the confusion matrix."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from optimizers.candidate import Candidate, ClassRow
from optimizers.catalogue import TECHNIQUES
from optimizers.search.chance import treatment_of
from webapp.folding import fold
from webapp.studio import words

QUANTIZED = {name for name, technique in TECHNIQUES.items() if technique.gives == "quantized"}
WIDEST = 20         # classes in a confusion grid; more are too small to read


@dataclass(frozen=True)
class Cell:
    text: str
    tone: str = ""              # a CSS class: loss-1 ... loss-5, gain-1 ... gain-5, none
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """A row has its name and its cells. worst: the row that lost most and may be left out of the next run, if there is one.

    done: rows that the candidate left as they were, so there is nothing to leave out.  rest: rows behind a fold.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    note: str = ""
    worst: str = ""
    done: frozenset[str] = frozenset()
    rest: tuple[tuple[str, tuple[Cell, ...]], ...] = ()

    @property
    def tall(self) -> bool:
        """Heads stand upright: many columns, and names too long for a cell."""
        return len(self.columns) > 6 and max(map(len, self.columns)) > 4

    @property
    def wide(self) -> bool:
        return len(self.columns) > 12

    @property
    def unchanged(self) -> bool:
        return not any(cell.text.strip("·") for _, cells in self.rows for cell in cells)


@dataclass(frozen=True)
class ClassStrip:
    """One class: places along the axis are shares in [0, 1]."""

    name: str
    n: int
    before: str
    after: str
    change: float
    low: float
    mid: float
    high: float
    verdict: str


@dataclass(frozen=True)
class ClassChart:
    rows: tuple[ClassStrip, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    note: str = ""


def tone(value: float, most: float) -> str:
    """A step of the colour scale: losses are positive.

    >>> tone(2.9, 6.8), tone(-1, 6.8), tone(0.04, 6.8)
    ('loss-3', 'gain-1', '')
    """
    if abs(value) < 0.05 or not most:
        return ""
    level = min(5, 1 + int(abs(value) / most * 5 - 1e-9))
    return f"{'loss' if value > 0 else 'gain'}-{level}"


def sensitivity(c: Candidate, picked: Candidate | None = None) -> Grid | None:
    """Rows: layers; columns: treatments. Points of the metric lost on validation when only this layer is changed.

    picked: whose layers may be excluded, where the rows are of another: of the original, which was looked at for all.
    """
    if not c.sensitivity:
        return None
    treatments = tuple(dict.fromkeys(s.treatment for s in c.sensitivity))
    layers = tuple(dict.fromkeys(s.layer for s in c.sensitivity))
    by_place = {(s.layer, s.treatment): s for s in c.sensitivity}
    most = max(abs(s.loss) for s in c.sensitivity)
    rows = []
    for layer in layers:
        cells = []
        for treatment in treatments:
            s = by_place.get((layer, treatment))
            if s is None:
                cells.append(Cell("", "none", "does not apply"))
            else:
                kept = " kept" if s.kept_float else ""
                cells.append(Cell(words.fixed(s.loss), tone(s.loss, most) + kept, s.why or f"{s.operator}, {treatment}"))
        rows.append((layer, tuple(cells)))
    picked = picked or c
    untouched = frozenset(layer for layer in layers if left_alone(picked, layer) or by_choice(c, layer))
    worst = worst_layer(c, picked)
    dearest = {layer: max(s.loss for s in c.sensitivity if s.layer == layer) for layer in layers} | {worst: float("inf")}
    first, rest = fold(rows, lambda row: dearest[row[0]])
    return Grid(treatments, first, kept_note(c), worst, untouched, rest)


def by_choice(c: Candidate, layer: str) -> bool:
    """Whether a technique measured this layer and kept it in float."""
    return any(s.kept_float for s in c.sensitivity if s.layer == layer)


def left_alone(c: Candidate, layer: str) -> bool:
    """Whether a layer has the weights it had, in shape and in type: then no step did anything to it but train."""
    return layer in c.in_float and layer in c.whole


def untouched_by(c: Candidate, treatment: str) -> tuple[str, ...]:
    """Layers to which this was not done: fewer bits show in the type of the weights, cuts and factors in their shape.

    Looks at activations and blocks name no layers with weights, and find themselves in neither.
    """
    return c.in_float if "bit" in treatment or treatment == "int8" else c.whole


def worst_layer(c: Candidate, picked: Candidate) -> str:
    """The layer that lost most by what was done to the picked candidate, and is not kept whole yet."""
    if c is picked and any(step.get("technique") == "mixed-precision" for step in picked.recipe.get("steps", [])):
        return ""           # its rows say what bits it did not take
    done = {treatment for step in picked.recipe.get("steps", []) if (treatment := treatment_of(step))}
    kept = {s.layer for s in c.sensitivity if s.kept_float}
    lost = [s for s in c.sensitivity if s.layer not in kept and s.loss > 0 and (c is picked or s.treatment in done)
            and s.layer not in untouched_by(picked, s.treatment)]
    return max(lost, key=lambda s: s.loss).layer if lost else ""


def kept_note(c: Candidate) -> str:
    if c.baseline:
        return "Each layer alone, weights only, nothing trained: a recipe does better, and what is dark here is what to be careful with."
    integers = any(step.get("technique") in QUANTIZED for step in c.recipe.get("steps", []))
    kept = list(dict.fromkeys([*(s.layer for s in c.sensitivity if s.kept_float), *(c.in_float if integers else ())]))
    if not kept:
        return "No layer was left in float." if integers else ""
    return f"Left in float on purpose: {', '.join(kept[:6])}{f' and {len(kept) - 6} more' if len(kept) > 6 else ''}."


def confusion_change(c: Candidate, baseline: Candidate | None) -> Grid | None:
    """Candidate minus baseline, rows counted by true class. On the diagonal fewer is worse; off it more is worse."""
    if not c.confusion or baseline is None or not baseline.confusion or c.baseline or len(c.confusion) != len(baseline.confusion):
        return None
    change = [[a - b for a, b in zip(after, before, strict=True)] for after, before in zip(c.confusion, baseline.confusion, strict=True)]
    names = c.class_names or tuple(str(n) for n in range(len(change)))
    shown = busiest(change) if len(change) > WIDEST else list(range(len(change)))
    most = max((abs(change[i][j]) for i in shown for j in shown), default=0)
    rows = []
    for i in shown:
        cells = [Cell(words.signed(str(abs(v)), v, plus=True) if (v := change[i][j]) else "·",
                      tone(-v if i == j else v, most) + (" is-diagonal" if i == j else ""),
                      f"{names[i]} called {names[j]}: {baseline.confusion[i][j]} before, {c.confusion[i][j]} after") for j in shown]
        rows.append((names[i], tuple(cells)))
    note = f"The {WIDEST} classes that changed most, of {len(change)}." if len(change) > WIDEST else ""
    return Grid(tuple(names[j] for j in shown), tuple(rows), note)


def busiest(change: list[list[int]]) -> list[int]:
    moved = {i: sum(map(abs, change[i])) + sum(abs(row[i]) for row in change) for i in range(len(change))}
    return sorted(sorted(moved, key=lambda i: -moved[i])[:WIDEST])


def class_chart(c: Candidate) -> ClassChart | None:
    """Recall of each class before and after, best change first; the axis holds every interval and zero."""
    if not c.classes:
        return None
    rows = sorted(c.classes, key=lambda r: r.before - r.after)
    note = ""
    if len(rows) > 24:
        rows, note = rows[-24:], f"The 24 classes that lost most, of {len(rows)}."
    low, high = min(0.0, *(r.low for r in rows)), max(0.0, *(r.high for r in rows))
    margin = (high - low) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def place(points: float) -> float:
        return round((points - low) / (high - low), 4)

    ticks = tuple((place(t), words.signed(f"{abs(t):g}", t, plus=True)) for t in ticks_between(low, high))
    return ClassChart(tuple(class_strip(r, place) for r in rows), ticks, place(0), note)


def class_strip(row: ClassRow, place: Callable[[float], float]) -> ClassStrip:
    change = (row.after - row.before) * 100
    verdict = "worse" if row.high < 0 else "better" if row.low > 0 else ""
    return ClassStrip(row.name, row.n, words.pct(row.before), words.pct(row.after), change, place(row.low), place(change), place(row.high),
                      verdict)


def ticks_between(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers in [low, high].

    >>> ticks_between(-3.2, 1.1)
    [-3.0, -2.0, -1.0, 0.0, 1.0]
    """
    wish = (high - low) / about
    size = 10.0 ** math.floor(math.log10(wish))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= wish * 0.999)
    return [round(n * step, 10) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix as it is. totals: (rows, recall, precision, F1) of each class, in % but for the rows."""

    grid: Grid
    totals: tuple[tuple[str, tuple[str, str, str, str]], ...]
    worst: str                  # the class with the lowest F1


def matrix(c: Candidate) -> Matrix | None:
    """Rows: true class, columns: predicted. Of many classes the grid shows those that are confused most, the totals all."""
    counts = c.confusion
    if not any(map(any, counts)):
        return None
    names = c.class_names or tuple(str(n) for n in range(len(counts)))
    wrong = [[0 if i == j else count for j, count in enumerate(row)] for i, row in enumerate(counts)]
    shown = busiest(wrong) if len(counts) > WIDEST else list(range(len(counts)))
    most = max((wrong[i][j] for i in shown for j in shown), default=0)
    rows = tuple((names[i], tuple(Cell(f"{counts[i][j]:,}" if counts[i][j] else "·", (tone(wrong[i][j], most) + (
        " is-diagonal" if i == j else "")).strip(), f"{names[i]} called {names[j]}: {counts[i][j]:,} of {sum(counts[i]):,}")
        for j in shown)) for i in shown)
    note = f"The {WIDEST} classes that are confused most, of {len(counts)}." if len(counts) > WIDEST else ""
    figures = [of_class(counts, i) for i in range(len(counts))]
    _, lowest = min((f1, i) for i, (_, _, _, f1) in enumerate(figures) if f1 is not None)
    return Matrix(Grid(tuple(names[j] for j in shown), rows, note),
                  tuple((name, (f"{n:,}", words.pct(recall), words.pct(precision), words.pct(f1)))
                        for name, (n, recall, precision, f1) in zip(names, figures, strict=False)), names[lowest])


def of_class(counts: tuple[tuple[int, ...], ...], i: int) -> tuple[int, float | None, float | None, float | None]:
    """(rows, recall, precision, F1); None where it would divide by nothing.

    >>> of_class(((8, 2), (4, 6)), 0)
    (10, 0.8, 0.6666666666666666, 0.7272727272727273)
    """
    hits, rows, called = counts[i][i], sum(counts[i]), sum(row[i] for row in counts)
    return rows, hits / rows if rows else None, hits / called if called else None, 2 * hits / (rows + called) if rows + called else None
