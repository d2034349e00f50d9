"""What each step of a recipe cost and bought: size falls from left to right, quality on validation runs below it."""

from dataclasses import dataclass
from itertools import pairwise

from optimizers.candidate import Candidate
from optimizers.goal import Limits
from webapp.studio import words
from webapp.studio.axes import Quality, value

CODER = "entropy-code"
PLOT, LINE = 110.0, 84.0    # heights in pixels of the two plots


@dataclass(frozen=True)
class Block:
    """One column of the waterfall. label: what is drawn, then its change. Heights and tops: pixels of a plot PLOT high."""

    title: str
    took: str
    label: str
    size: str               # of the file, KiB
    sent: str               # KiB that would travel then; "" where it was not told
    kind: str               # base, less, more
    x: float                # left edge and width, shares of the plot
    width: float
    top: float
    height: float
    quality: str
    change: str
    quality_y: float | None
    middle: float


@dataclass(frozen=True)
class Waterfall:
    blocks: tuple[Block, ...]
    limit_y: float | None
    limit: str
    start_y: float | None   # the original's quality, for comparison
    lines: tuple[tuple[float, float, float, float], ...]    # x1, y1, x2, y2 between the points of quality
    quality_title: str
    drawn: str              # which bytes the blocks are: "file size" or "download"


def waterfall(c: Candidate, baseline: Candidate | None, quality: Quality, limits: Limits) -> Waterfall | None:
    """Size falls from left to right, quality on validation runs below it; the first column is the original.

    Where the recipe ends in a coded download, that is drawn in place of the file, which such chains leave nearly as it was.
    """
    start = value(baseline, "size_kib") if baseline else None
    head = c.steps[0] if c.steps else None
    trained = head is not None and head.technique == "train" and [s.title for s in baseline.steps] == [head.title] if baseline else False
    steps = c.steps[1:] if head and (trained or head.technique == "baseline") else c.steps     # the original has a column of its own
    if not steps or not start:
        return None
    files = [start] + [step.size_kib for step in steps]
    sent = [value(baseline, "download_kib"), *(step.download_kib for step in steps)]
    coded = steps[-1].technique == CODER and None not in sent
    sizes, limit_kib = ([kib for kib in sent if kib is not None], limits.download_kib) if coded else (files, limits.size_kib)
    start = sizes[0]
    top = max(sizes + ([limit_kib] if limit_kib and limit_kib < 2 * start else [])) * 1.15
    scores = [baseline.validation] + [step.quality for step in steps]
    known = [s for s in scores if s is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = max((high - low) * 0.25, 0.005)
    low, high = low - margin, high + margin

    def height(kib: float) -> float:
        return round(kib / top * PLOT, 2)

    def score_y(score: float | None) -> float | None:
        return None if score is None else round((high - score) / (high - low) * LINE, 2)

    columns = len(sizes)
    blocks = []
    for n, size in enumerate(sizes):
        before = sizes[n - 1] if n else 0.0
        kind = "base" if n == 0 else "less" if size <= before else "more"
        label = words.sig(size) if n == 0 else signed_size(size - before)
        blocks.append(Block(
            title=(head.title if trained and head else "original") if n == 0 else steps[n - 1].title,
            took=(words.duration(head.seconds) if trained and head else "") if n == 0 else words.duration(steps[n - 1].seconds),
            label=label, size=words.sig(files[n]), sent="" if sent[n] is None else words.sig(sent[n]), kind=kind,
            x=(n + 0.2) / columns, width=0.6 / columns, middle=(n + 0.5) / columns,
            top=PLOT - height(max(size, before)), height=max(1.0, height(abs(size - before))),
            quality=quality.text(scores[n]), change=change_text(scores, n, quality), quality_y=score_y(scores[n])))
    lines = tuple((a.middle, a.quality_y, b.middle, b.quality_y) for a, b in pairwise(blocks)
                  if a.quality_y is not None and b.quality_y is not None)
    inside = limit_kib is not None and limit_kib <= top
    return Waterfall(tuple(blocks), PLOT - height(limit_kib) if inside and limit_kib else None, words.sig(limit_kib) if limit_kib else "",
                     score_y(baseline.validation), lines, quality.title, "download" if coded else "file size")


def signed_size(change: float) -> str:
    return words.signed(words.sig(abs(change)), change, plus=True)


def change_text(scores: list[float | None], n: int, quality: Quality) -> str:
    """The first figure whole, then the change of each step in points."""
    now, before = scores[n], scores[n - 1] if n else None
    if now is None:
        return "not measured"
    return quality.text(now) if n == 0 or before is None else words.points((now - before) * 100)
