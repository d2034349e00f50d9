"""Bias and variance of the candidates that were studied: bars beside each other, and the textbook's table with the user's own numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot

from optimizers.candidate import BiasVariance, Candidate
from optimizers.goal import METRICS, Goal
from webapp.studio import reading, words
from webapp.studio.axes import Quality, value
from webapp.studio.families import FAMILIES, ONE_TREE, Family, family_of, is_tree
from webapp.studio.grids import ticks_between
from webapp.studio.reading import written


@dataclass(frozen=True)
class Bar:
    """One candidate. Places along the axis are shares in [0, 1]; low and high bound the sum, None where no interval was measured."""

    c: Candidate
    family: Family
    bias: str
    variance: str
    total: str
    bias_width: float
    variance_width: float
    low: float | None
    high: float | None
    ranges: tuple[str, str]
    zero_one: tuple[str, str, str] | None
    pick: bool


@dataclass(frozen=True)
class Cell:
    text: str
    unit: str = ""
    more: str = ""          # an interval, or what stands below
    best: bool = False


@dataclass(frozen=True)
class Row:
    label: str
    cells: tuple[Cell, ...]
    measured: bool = False
    lead: bool = False


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    heads: tuple[tuple[Family, Candidate], ...]     # the best member of each family, by expected loss
    rows: tuple[Row, ...]
    told: reading.Reading
    measure: str
    how: str
    zero_one: bool


def chart(candidates: list[Candidate], goal: Goal, recommended: str | None = None) -> Chart | None:
    """None where nothing was studied."""
    studied = [(c, c.study) for c in candidates if c.study]
    if not studied:
        return None
    order = list(FAMILIES)
    studied.sort(key=lambda pair: (order.index(family_of(pair[0]).key), pair[1].loss))
    tree = min((c for c, _ in studied if is_tree(c)), key=loss, default=None)
    heads = tuple((FAMILIES[key], min(mine, key=loss)) for key in order
                  if (mine := [c for c, _ in studied if family_of(c).key == key and c is not tree]))
    heads = ((ONE_TREE, tree), *heads) if tree else heads
    first = studied[0][1]
    top = max(study.bias + study.variance + noise_of(study) for _, study in studied) * 1.02 or 1.0
    return Chart(
        bars=tuple(bar(c, study, top, c.key == recommended) for c, study in studied),
        ticks=tuple((tick / top, f"{tick:g}") for tick in ticks_between(0, top)), heads=heads,
        rows=tuple(table(heads, tree, goal)), told=reading.reading(heads, tree, unstudied(candidates)),
        measure=first.measure, how=first.how,
        zero_one=any(study.zero_one for _, study in studied))


def unstudied(candidates: list[Candidate]) -> tuple[str, ...]:
    """Titles of those that fit an estimator in one step, as the studied ones do, and have no study."""
    return tuple(c.title for c in candidates if not c.study and len(c.recipe.get("steps", [])) == 1 and family_of(c).key != "network")


def loss(c: Candidate) -> float:
    return c.study.loss if c.study else float("inf")


def noise_of(study: BiasVariance) -> float:
    """Half of the sum's interval: those of its parts, as if they moved by themselves."""
    halves = [(high - low) / 2 for low, high in (study.bias_range or (0.0, 0.0), study.variance_range or (0.0, 0.0))]
    return hypot(*halves)


def bar(c: Candidate, study: BiasVariance, top: float, pick: bool) -> Bar:
    whole, half = study.bias + study.variance, noise_of(study)
    return Bar(c, family_of(c), written(study.bias), written(study.variance), written(whole), study.bias / top, study.variance / top,
               max(0.0, whole - half) / top if half else None, (whole + half) / top if half else None,
               (between(study.bias_range), between(study.variance_range)),
               tuple(words.pct(part) for part in study.zero_one) if study.zero_one else None,     # type: ignore[arg-type]
               pick)


def between(ends: tuple[float, float] | None) -> str:
    return f"[{written(ends[0])}, {written(ends[1])}]" if ends else ""


def signed(number: float) -> str:
    return ("+" if number > 0 else "") + written(number)


def table(heads: tuple[tuple[Family, Candidate], ...], tree: Candidate | None, goal: Goal) -> list[Row]:
    members = [c for _, c in heads]
    rows = [Row("How it learns", tuple(Cell(family.learns) for family, _ in heads)),
            Row("Meant to lower", tuple(Cell(family.meant) for family, _ in heads))]
    if tree and tree.study:
        rows.append(Row("Did, on your data", tuple(did(c, tree) for c in members), measured=True, lead=True))
    rows += [Row("Its best member", tuple(Cell(c.title) for c in members)),
             Row("Trained", tuple(Cell(family.trained) for family, _ in heads)),
             Row("Bias", tuple(part(c, "bias") for c in members), measured=True),
             Row("Variance", tuple(part(c, "variance") for c in members), measured=True)]
    if any(c.study and c.study.zero_one for c in members):
        rows.append(Row("Wrong answers: bias, net variance", tuple(wrong(c) for c in members), measured=True))
    quality = Quality(goal.metric)
    rows.append(figures(METRICS[goal.metric].capitalize(), members, goal.metric, lambda v: (quality.text(v), quality.unit), highest=True,
                        interval=lambda m: f"[{quality.text(m.low)}, {quality.text(m.high)}]"))
    if any(c.change for c in members):
        rows.append(Row("Against the first that was measured", tuple(change(c) for c in members), measured=True))
    rows += [training(members),
             figures("Rows a second, one by one", members, "latency_ms", lambda v: words.si(1000 / v)),
             figures("Rows a second, 1,000 at once", members, "latency_b1000_ms", lambda v: words.si(1e6 / v)),
             figures("Size", members, "size_kib", words.kib)]
    if any("trees" in c.measurements for c in members):
        rows.append(Row("Trees: count, nodes, levels", tuple(trees(c) for c in members), measured=True))
    rows += [Row("Can it be read?", tuple(Cell(family.readable) for family, _ in heads)),
             Row("Overfits when", tuple(Cell(family.overfits) for family, _ in heads))]
    return [row for row in rows if any(cell.text not in ("", "–") for cell in row.cells)]


def did(c: Candidate, tree: Candidate) -> Cell:
    if c is tree or not c.study or not tree.study:
        return Cell("what the others are held against" if c is tree else "–")
    return Cell(f"bias {signed(c.study.bias - tree.study.bias)}, variance {signed(c.study.variance - tree.study.variance)}")


def part(c: Candidate, name: str) -> Cell:
    return Cell(written(getattr(c.study, name)), more=between(getattr(c.study, f"{name}_range"))) if c.study else Cell("–")


def wrong(c: Candidate) -> Cell:
    if not c.study or not c.study.zero_one:
        return Cell("–")
    whole, bias, net = (words.pct(part) for part in c.study.zero_one)
    return Cell(whole, "%", f"{bias} and {net}")


def change(c: Candidate) -> Cell:
    return Cell(words.points(c.change.value), "points", words.interval(c.change.low, c.change.high)) if c.change else Cell("–")


def figures(label: str, members: list[Candidate], key: str, text: Callable[[float], tuple[str, str]], highest: bool = False,
            interval: Callable | None = None) -> Row:
    """One measurement of each member; the best one stands out."""
    values = [value(c, key) for c in members]
    known = [v for v in values if v is not None]
    best = (max if highest else min)(known, default=None)
    cells = []
    for c, v in zip(members, values, strict=True):
        m = c.measurements.get(key)
        more = interval(m) if interval and m and m.low is not None and m.high is not None else ""
        cells.append(Cell("–") if v is None else Cell(*text(v), more=more, best=v == best and len(known) > 1))
    return Row(label, tuple(cells), measured=True)


def training(members: list[Candidate]) -> Row:
    """Of one fit to a resampling: in the job itself a vote or a stack takes over members that were fitted before it, and looks quick."""
    spent = [c.study.seconds if c.study else None for c in members]
    least = min((v for v in spent if v is not None), default=None)
    told = lambda v: (words.duration(v), "") if v >= 1 else (words.sig(v, 2), "s")
    cells = tuple(Cell("–") if v is None else Cell(*told(v), best=v == least) for v in spent)
    return Row("Training time, from nothing", cells, measured=True)


def trees(c: Candidate) -> Cell:
    counts = [c.measurements.get(key) for key in ("trees", "tree_nodes", "tree_depth")]
    return Cell(" / ".join(f"{m.value:,.0f}" if m else "–" for m in counts) if counts[0] else "–")
