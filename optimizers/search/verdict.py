"""Choosing one candidate by validation, and the sentence that leads the page."""

from __future__ import annotations

from collections.abc import Sequence

from optimizers.candidate import Candidate
from optimizers.search.evidence import demand, few
from optimizers.search.pareto import dominates, front

CHANCE = "The network answers little better than chance"      # how the yardstick's note on such a baseline begins


def recommend(candidates: Sequence[Candidate], likely: set[str], rows: int, drop: float | None = None) -> tuple[Candidate | None, str]:
    """The one to take, and why. likely: keys that keep the floor in as many resamplings of validation as its rows demand.

    The smallest file, of equal ones the smallest download, among those that fit and are likely to keep the floor on new rows; without
    one, the best on validation among those that fit; else none.
    drop: where nothing was uploaded, the best that was found takes the original's place: only files whose validation quality is no more
    than this fraction below it are looked at.
    """
    fitting = [row for row in candidates if row.fits]
    if drop is not None and fitting:
        least = max(row.validation or 0 for row in fitting) - drop
        fitting = [row for row in fitting if (row.validation or 0) >= least - 1e-9]
    sure = [row for row in fitting if row.key in likely]
    if sure:
        best = unbeaten(min(sure, key=lambda row: (size(row), download(row), -(row.validation or 0))), sure)
        return best, f"the smallest file that keeps the floor in at least {demand(rows).words} resamplings of validation"
    if fitting:
        best = unbeaten(max(fitting, key=lambda row: (row.validation or 0, -size(row))), fitting)
        return best, f"the best on validation of those that fit; none keeps the floor in {demand(rows).words} resamplings"
    return None, ""


def frontier(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Keys nobody beats on validation quality, size, download and latency at once; of equal files the first."""
    seen: set[tuple[str, float]] = set()
    rows = []
    for row in candidates:
        content = next((file.sha256 for file in row.files if file.role == "model"), row.key), download(row)
        if content not in seen:
            seen.add(content)
            rows.append(row)
    return tuple(row.key for row in front(rows, costs))


def unbeaten(row: Candidate, among: Sequence[Candidate]) -> Candidate:
    """The row, or who beats it; nobody is recommended beside a file that is better in every way."""
    others = beaten(among)
    while row.key in others:
        row = others[row.key]
    return row


def beaten(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Key -> the smallest candidate that is no worse on validation, size, download and latency, and better on one of them."""
    rows = sorted(candidates, key=size)
    found = {row.key: next((other for other in rows if dominates(costs(other), costs(row))), None) for row in rows}
    return {key: other for key, other in found.items() if other is not None}


def costs(row: Candidate) -> tuple[float, float, float, float]:
    """Rounded so that noise in time does not keep a beaten candidate: milliseconds to two digits."""
    took = row.measurements.get("device_latency_ms") or row.measurements.get("latency_ms")
    return -(row.validation or 0.0), size(row), download(row), float(f"{took.value:.2g}") if took else 0.0


def size(row: Candidate) -> float:
    return row.measurements["size_kib"].value


def download(row: Candidate) -> float:
    """Of what travels; that of the file for results from before it was told."""
    return row.measurements["download_kib" if "download_kib" in row.measurements else "size_kib"].value


def sentence(candidates: Sequence[Candidate], chosen: Candidate | None, baseline: Candidate | None, floor: float | None = None,
             rows: int | None = None) -> str:
    """Two or three short sentences: does it fit, what was gained, what was lost, and on how little that rests.

    floor: the largest loss allowed on test, in points, as a negative number.  rows: of validation.
    """
    if chosen is None:
        return nothing_fits(candidates)
    if any(note.startswith(CHANCE) for row in (baseline, chosen) if row for note in row.notes):
        return "It fits, but answers little better than chance: it learned too little, or its input is not what it was made for."
    if chosen.baseline and chosen.recipe.get("steps"):
        return f"It fits as it was trained here, with {quality(chosen)}."
    if baseline is None or chosen.baseline:
        tried = [row for row in candidates if not row.baseline]
        if any(row.broke for row in tried) and not any(row.fits for row in tried):
            return f"It fits as it is. Nothing that was tried does: the {closest_breaks(tried)}."
        if any(row.fits and size(row) < size(chosen) for row in tried):       # `recommend` would have taken it
            return f"It fits as it is. What fits and is smaller may not keep the floor on new rows.{few(rows)}"
        return "It fits as it is." if len(candidates) > 1 or baseline is not None else "It fits."
    slower = next((note for note in chosen.notes if note.startswith("Slower than the original")), None)
    gained = smaller(baseline, chosen)
    lost = loss(chosen)
    if chosen.floor_held_on_test is False:
        missed = "It fits, but its floor did not hold on the test split."
        if chosen.change and floor is not None and chosen.change.high < floor:
            missed = (f"It fits the budget, not the floor: even the upper end of the test interval, {signed(chosen.change.high)} points, "
                      f"is below the {signed(floor)} allowed.")
        return f"{missed} {gained}, {lost}.{few(rows)}"
    if slower:
        return f"It fits, but is {slower[0].lower()}{slower[1:]} {gained}, {lost}.{few(rows)}"
    return f"It fits. {gained}, {lost}.{few(rows)}"


def signed(points: float) -> str:
    """
    >>> signed(-1.24), signed(0.5)
    ('−1.2', '+0.5')
    """
    return f"{points:+.1f}".replace("-", "\u2212")


def quality(row: Candidate) -> str:
    """Of the file on test: "94.0 % top-1"."""
    for metric, word in (("top1", "top-1"), ("agreement", "agreement"), ("cosine", "cosine similarity")):
        if found := row.measurements.get(metric):
            return f"{100 * found.value:.1f}\u202f% {word}"
    found = row.measurements.get("r2")
    return f"R² {found.value:.3f}" if found else "its quality untold"


def smaller(baseline: Candidate, chosen: Candidate) -> str:
    ratio, sent = size(baseline) / size(chosen), download(baseline) / download(chosen)
    if 0.95 < ratio < 1.05 <= sent:          # coding changes what travels, and nothing else
        return f"{sent:.1f} times less to download"
    if ratio >= 1.05:
        return f"{ratio:.1f} times smaller"
    return "About as large" if ratio > 0.95 else f"{1 / ratio:.1f} times larger"


def loss(chosen: Candidate) -> str:
    """"0.4 points lost", in tenths. What chance could have done is said so, and never called a gain."""
    if chosen.change is None:
        return "nothing to compare it with"
    points = round(chosen.change.value, 1)
    chance = chosen.change.verdict == "not distinguishable"
    if points == 0 or (chance and points > 0):
        return "nothing lost"
    words = f"{abs(points):.1f} point{'s' if abs(points) != 1 else ''} {'lost' if points < 0 else 'gained'}"
    return f"{words}, which chance could explain" if chance else words


def nothing_fits(candidates: Sequence[Candidate]) -> str:
    if not any(row.broke for row in candidates):
        return "Nothing was measured."
    return f"Nothing fits. The {closest_breaks(candidates)}."


def closest_breaks(candidates: Sequence[Candidate]) -> str:
    """"closest breaks flash by 12 KiB, and 1 more"."""
    rows = [row for row in candidates if row.broke]
    closest = min(rows, key=lambda row: (len(row.broke), max(breach.by / (breach.allowed or breach.by) for breach in row.broke)))
    more = len(closest.broke) - 1
    return f"closest breaks {closest.broke[0].sentence}{f', and {more} more' if more else ''}"
