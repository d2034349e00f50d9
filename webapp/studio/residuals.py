"""Amounts: what was answered against what was true, and what was left over."""

from dataclasses import dataclass
from statistics import fmean, median

from optimizers.candidate import Candidate
from webapp.studio import plots, words

WORST = 10


@dataclass(frozen=True)
class Chart:
    """Two drawings of the same rows. answered: truths along, answers up, on one scale; left: answers along, answer minus truth up."""

    rows: int
    both: plots.Axis
    answered: str
    answers: plots.Axis
    lefts: plots.Axis
    left: str
    facts: tuple[tuple[str, str], ...]
    worst: tuple[tuple[str, str, str], ...]     # truth, answer, difference


def chart(c: Candidate) -> Chart | None:
    if len(c.residuals) < 2:
        return None
    both = plots.axis_over(value for pair in c.residuals for value in pair)
    answers = plots.axis_over(answer for _, answer in c.residuals)
    left = [answer - truth for truth, answer in c.residuals]
    reach = max(map(abs, left)) * 1.05 or 1.0
    lefts = plots.Axis(-reach, reach, (words.sig(-reach), "0", words.sig(reach)))
    far = sorted(c.residuals, key=lambda pair: -abs(pair[1] - pair[0]))[:WORST]
    return Chart(
        rows=len(left), both=both, answered=plots.dots(c.residuals, both, both), answers=answers, lefts=lefts,
        left=plots.dots(((answer, answer - truth) for truth, answer in c.residuals), answers, lefts), facts=facts(left),
        worst=tuple((words.sig(truth), words.sig(answer), words.sig(answer - truth)) for truth, answer in far))


def facts(left: list[float]) -> tuple[tuple[str, str], ...]:
    sizes = sorted(map(abs, left))
    return (("mean, answer minus truth", words.sig(fmean(left))), ("half of the rows are off by less than", words.sig(median(sizes))),
            ("nine of ten by less than", words.sig(sizes[int(0.9 * (len(sizes) - 1))])), ("the farthest by", words.sig(sizes[-1])))
