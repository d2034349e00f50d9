"""What a study of bias and variance says, in sentences written by rule from its numbers."""

from dataclasses import dataclass
from math import hypot

from optimizers.candidate import BiasVariance, Candidate
from webapp.studio import words
from webapp.studio.axes import value
from webapp.studio.families import FAMILIES, Family

Heads = tuple[tuple[Family, Candidate], ...]
HALF = (0.44, 0.56)         # a ratio that is called a half


@dataclass(frozen=True)
class Reading:
    """lead: the verdict.  sentences: one for each family, and what must be known of them."""

    lead: str
    sentences: tuple[str, ...]


def reading(heads: Heads, tree: Candidate | None, missing: tuple[str, ...] = ()) -> Reading:
    """heads: the best member of each family.  tree: what they are held against, where one tree was studied.  missing: titles of
    estimators that there was no time to study.
    """
    said = []
    if tree and tree.study:
        before = tree.study
        larger = "more from bias" if before.bias > before.variance else "more from variance"
        said.append(f"One tree errs by {written(before.loss)} on your data, {larger}: {written(before.bias)} of bias and "
                    f"{written(before.variance)} of variance.")
        said += [against(family, c, tree) for family, c in heads if c is not tree and c.study]
    said += [by_count(heads)] if by_count(heads) else []
    if missing:
        said.append(f"Too little time was left to study {listed(list(missing))}; give the job more minutes.")
    return Reading(lead(heads), (*said, *caveats(heads)))


def lead(heads: Heads) -> str:
    """Which family to take: the fastest of those that cannot be told from the best."""
    ranked = sorted(((called(family, c), c, c.study) for family, c in heads if c.study), key=lambda row: row[2].loss)
    if len(ranked) == 1:
        return f"Only {ranked[0][0]} was studied."
    (first, _, best), (second, _, other) = ranked[:2]
    alike = [row for row in ranked if row[2] is best or not apart(best, row[2])]
    if len(alike) == 1:
        return f"{capital(first)} errs least on your data by {best.measure}: {written(best.loss)}, and {second} {written(other.loss)}."
    timed = [value(c, "latency_ms") or 0.0 for _, c, _ in alike]
    taken = timed.index(min(timed)) if all(timed) else 0
    if not taken:
        return f"Take {first}: it errs least, though not measurably less than {listed([name for name, _, _ in alike[1:]])}."
    times = timed[0] / timed[taken]
    slower = f", and {words.sig(times, 2)} times slower" if times >= 1.5 else ""
    return f"Take {alike[taken][0]}. {capital(first)} is not measurably better{slower}."


def by_count(heads: Heads) -> str:
    """Where the share of wrong answers names another winner than the loss does, and why that can be."""
    counted = [(called(family, c), c.study.zero_one[0], c.study.loss) for family, c in heads if c.study and c.study.zero_one]
    if len(counted) < 2:
        return ""
    fewest, least = min(counted, key=lambda row: row[1]), min(counted, key=lambda row: row[2])
    if fewest[1] == least[1]:
        return ""
    return (f"Counted in wrong answers {fewest[0]} is ahead of {least[0]}: {words.pct(fewest[1])}{words.THIN}% of them against "
            f"{words.pct(least[1])}{words.THIN}%. The loss above also asks how honest the probabilities are.")


def called(family: Family, c: Candidate) -> str:
    """A family as a sentence names it; of single models the one that is meant."""
    return f"the {c.title}" if family is FAMILIES["single"] else family.many


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def against(family: Family, c: Candidate, tree: Candidate) -> str:
    """What one family did to the bias and the variance of one tree."""
    assert c.study and tree.study
    bias, variance = (moved(name, getattr(tree.study, name), getattr(c.study, name), noise(tree.study, c.study, name))
                      for name in ("bias", "variance"))
    named = capital(called(family, c)) if family.key == "single" else f"{family.title} ({c.title})"
    return f"{named} {bias} and {variance}."


def moved(name: str, before: float, after: float, noise: float | None) -> str:
    """
    >>> moved("bias", 0.21, 0.10, 0.02), moved("variance", 0.18, 0.04, None)
    ('halved the bias (0.210 to 0.100)', 'cut the variance from 0.180 to 0.040')
    >>> moved("bias", 0.21, 0.20, 0.02)
    'left the bias as it was (0.210 and 0.200, within the noise of resampling)'
    """
    if noise is not None and abs(after - before) <= noise:
        return f"left the {name} as it was ({written(before)} and {written(after)}, within the noise of resampling)"
    if before > 0 and HALF[0] <= after / before <= HALF[1]:
        return f"halved the {name} ({written(before)} to {written(after)})"
    verb = "cut" if after < before else "raised" if after > before else "left"
    return f"{verb} the {name} from {written(before)} to {written(after)}" if verb != "left" else f"left the {name} at {written(before)}"


def noise(one: BiasVariance, other: BiasVariance, name: str) -> float | None:
    """How far two of these may lie apart by chance of the resampling; None where that was not measured."""
    ranges = [getattr(study, f"{name}_range") for study in (one, other)]
    return hypot(*((high - low) / 2 for low, high in ranges)) if all(ranges) else None


def apart(one: BiasVariance, other: BiasVariance) -> bool:
    """Whether their losses differ by more than chance of the resampling makes of it."""
    parts = [noise(one, other, name) for name in ("bias", "variance")]
    return None in parts or abs(one.loss - other.loss) > hypot(*(part or 0.0 for part in parts))


def caveats(heads: Heads) -> list[str]:
    least = min((c.study.bias for _, c in heads if c.study), default=0.0)
    said = [f"What the columns do not tell, and labels that are wrong, count as bias here: of the {written(least)} that is left at best, "
            "no one can say from this alone how much another model would remove."]
    rows = next((c.study.rows for _, c in heads if c.study), 0)
    said.append(f"The noise that is counted is that of resampling train. All answered the same {rows:,} test rows, and other rows would "
                "move them together.")
    if not all(c.study.bias_range and c.study.variance_range for _, c in heads if c.study):
        said.append("How far chance of the resampling reaches was not measured, so small differences may be nothing.")
    return said


def listed(names: list[str]) -> str:
    """
    >>> listed(["bagging"]), listed(["one model", "bagging", "stacking"])
    ('bagging', 'one model, bagging and stacking')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def written(number: float) -> str:
    """Three decimals where they say something, else digits: squared errors come in any size.

    >>> written(0.1234), written(-0.01), written(1234.6), written(0.0042)
    ('0.123', '−0.010', '1,235', '0.0042')
    """
    return words.fixed(number, 3) if 0.01 <= abs(number) < 10 else words.sig(number, 2 if abs(number) < 0.01 else 3)
