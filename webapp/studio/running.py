"""What a running or waiting job says about itself: one sentence, the best so far, what just came in."""

from optimizers.candidate import Candidate
from webapp.studio import front, verdict, words
from webapp.studio.axes import Quality, quality_of

COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def count_word(n: int) -> str:
    return COUNTS[n] if n < len(COUNTS) else f"{n:,}"


def sentence(state: str, eta_seconds: float | None, candidates: list[Candidate], ahead: int, workers: int, stopping: bool) -> str:
    """The line that leads.

    >>> sentence("queued", None, [], 0, 0, False)
    'Waiting: no worker answers.'
    >>> sentence("queued", None, [], 2, 1, False)
    'Waiting for a worker; two jobs are ahead.'
    """
    if state == "queued":
        if not workers:
            return "Waiting: no worker answers."
        if not ahead:
            return "Waiting for a worker; next in line."
        return f"Waiting for a worker; {count_word(ahead).lower()} job{' is' if ahead == 1 else 's are'} ahead."
    if stopping:
        return "Stopping. What was found is kept."
    time = f"{words.about(eta_seconds, long=True)} left.".capitalize() if eta_seconds is not None else "At work."
    return f"{time} {so_far(candidates)}".strip()


def so_far(candidates: list[Candidate]) -> str:
    changed = [c for c in candidates if not c.baseline]
    if not changed:
        return "The original is measured." if candidates else ""
    fitting = sum(c.fits for c in changed)
    if not fitting:
        return f"None of {len(changed)} fits yet." if len(changed) > 1 else "The first does not fit."
    return f"{count_word(fitting)} candidate{'s' if fitting > 1 else ''} fit{'' if fitting > 1 else 's'} already."


def arrival(c: Candidate, metric: str) -> str:
    """Two lines on a candidate that was just measured."""
    quality = Quality(metric)
    found = quality_of(c, metric)
    head = f"Breaks {front.broke(c)}. " if c.broke else ""
    text = f"{quality.label[0].upper()}{quality.label[1:]} {quality.text(found)}{words.THIN + quality.unit if quality.unit else ''}"
    if c.change is None:
        return f"{head}{text}."
    if c.change.verdict == "not distinguishable":
        return f"{head}{text} is not distinguishable from the original."
    return f"{head}{text}, {words.points(c.change.value)} {words.interval(c.change.low, c.change.high)} points."


def best_so_far(candidates: list[Candidate]) -> Candidate | None:
    """What "Take it now" takes: the smallest that fits, never the original."""
    found = verdict.best(candidates)
    return None if found is None or found.baseline else found
