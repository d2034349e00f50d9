"""The sentence that leads, and the three columns below it: does it fit, what did I lose, what must be said."""

from dataclasses import dataclass

from optimizers.candidate import Candidate
from optimizers.device import Device
from optimizers.goal import LIMITS, Goal
from optimizers.search import gate
from optimizers.search import verdict as planner
from webapp.studio import words
from webapp.studio.axes import quality_of, value
from webapp.studio.front import broke


@dataclass(frozen=True)
class BudgetBar:
    """One line of the budget. share and line: lengths along the bar in [0, 1]; the bar is a little longer than the limit."""

    label: str
    text: str
    unit: str
    allowed: str
    origin: str
    how: str
    share: float
    line: float
    over: bool


@dataclass(frozen=True)
class Strip:
    """A change with its interval along a line: every place is a share in [0, 1]."""

    low: float
    mid: float
    high: float
    zero: float
    floor: float | None


def best(candidates: list[Candidate]) -> Candidate | None:
    """The smallest that fits; of equals, the smaller download, then the better on validation. None when nothing fits."""
    fitting = [c for c in candidates if c.fits and not c.baseline] or [c for c in candidates if c.fits]
    return min(fitting, key=lambda c: (value(c, "size_kib") or float("inf"), value(c, "download_kib") or 0.0, -(c.validation or 0)),
               default=None)


def closest(candidates: list[Candidate]) -> Candidate | None:
    """Of those that break the budget, the one that breaks fewest lines, and those by least."""
    breaking = [c for c in candidates if c.broke]
    return min(breaking, key=lambda c: (len(c.broke), max(abs(b.by) / (abs(b.allowed) or 1) for b in c.broke)), default=None)


def sentence(candidates: list[Candidate], chosen: Candidate | None, floor: float | None) -> str:
    """The planner's own words, for a job that was stopped before it said them."""
    return planner.sentence(candidates, chosen, next((c for c in candidates if c.baseline), None), floor)


def budget_bars(chosen: Candidate, goal: Goal) -> list[BudgetBar]:
    """One bar for each limit that was set. The limit stands at 80 % of the bar, or further left when the value runs past it."""
    bars = []
    for name, (key, unit, label) in LIMITS.items():
        allowed, m = getattr(goal.limits, name), chosen.measurements.get(key)
        if allowed is None:
            continue
        if m is None:
            bars.append(BudgetBar(label, "not measured", "", f"{allowed:,.4g}{words.THIN}{unit}", "", "", 0, 0.8, False))
            continue
        full = max(allowed / 0.8, m.value * 1.05)
        bars.append(BudgetBar(label, words.sig(m.value), unit, f"{allowed:,.4g}{words.THIN}{unit}", m.origin, m.how,
                              m.value / full, allowed / full, m.value > allowed))
    return bars


def strip(c: Candidate, floor: float | None, reach: float) -> Strip | None:
    """The paired change along [-reach, reach / 3] points. floor: the largest allowed drop, in points, as a negative number."""
    if c.change is None:
        return None
    left, width = -reach, reach * 4 / 3

    def place(points: float) -> float:
        return round(min(1.0, max(0.0, (points - left) / width)), 4)

    return Strip(place(c.change.low), place(c.change.value), place(c.change.high), place(0), None if floor is None else place(floor))


def reach_of(candidates: list[Candidate], floor: float | None) -> float:
    """How many points the strips must reach to the left: all of the floor, most of the intervals, at most four floors."""
    lows = [-c.change.low for c in candidates if c.change] + [3 * c.change.high for c in candidates if c.change]
    wish = max([1.0, *lows])
    return min(wish, 4 * abs(floor)) * 1.1 if floor else wish * 1.1


def drop_floor(goal: Goal, baseline: Candidate | None) -> float | None:
    """The floor as a change against the baseline, in points (a negative number), or None without one."""
    return gate.drop(goal, quality_of(baseline, goal.metric) if baseline else None)


def loss_sentence(c: Candidate) -> str:
    """The verdict on a change in words that claim no more than the interval does."""
    if c.change is None:
        return ""
    if c.change.verdict == "not distinguishable":
        return "Not distinguishable."
    if round(c.change.value, 1) == 0:
        return f"{c.change.verdict.capitalize()} for certain, by less than a tenth of a point."
    size = "A little" if abs(c.change.value) < 1 else "Clearly" if abs(c.change.value) >= 3 else ""
    return f"{size} {c.change.verdict}, for certain.".strip().capitalize()


def row_verdict(c: Candidate, floor: float | None) -> str:
    """One cell of the table: what it broke, or how its quality stands."""
    if c.baseline:
        return "the original" + ("" if c.fits else f"; {broke(c)}" if c.broke else "")
    if not c.fits:
        return broke(c) if c.broke else "breaks the floor"
    if c.floor_held_on_test is False:
        return "floor not held on test"
    if c.change is None:
        return ""
    if c.change.verdict == "worse" and floor is not None:
        return "worse, inside your floor" if c.change.low >= floor else "worse, floor not certain"
    return c.change.verdict


def warnings(c: Candidate) -> list[str]:
    """What a reader must know before taking it: a floor that only held on validation, and a model slower than the original."""
    said = []
    if c.fits and c.floor_held_on_test is False:
        said.append("The floor held on validation, where choices are made, but not on the test split.")
    return said + [note for note in c.notes if note.startswith("Slower than the original")]    # only where the device runs what runs here


def chip_line(device: Device | None) -> str:
    """"The chip itself has 2,048 KiB flash and 1,024 KiB RAM." """
    if device is None:
        return ""
    flash = f"{words.sig(device.flash_kib.value)}{words.THIN}KiB flash and " if device.flash_kib else ""
    ram, unit = words.kib(device.ram_kib.value) if not device.flash_kib else (words.sig(device.ram_kib.value), "KiB")
    return f"{device.title} has {flash}{ram}{words.THIN}{unit} RAM."
