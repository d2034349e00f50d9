"""Figures as people read them: three significant digits, a narrow no-break space before the unit, a true minus, commas for thousands."""

import math

THIN = "\u202f"         # narrow no-break space, before every unit and the percent sign
MINUS = "\u2212"
ORIGINS = {"measured": "measured", "device": "on the device", "emulated": "emulated", "modelled": "modelled"}
METRIC = {"top1": "top-1", "macro_f1": "macro F1", "r2": "R²", "agreement": "agreement", "cosine": "cosine similarity"}


def sig(value: float | None, digits: int = 3) -> str:
    """Three significant digits; whole thousands keep all of theirs; "–" for what is not known.

    >>> sig(38.24), sig(0.0912), sig(2048), sig(-0.4), sig(95)
    ('38.2', '0.0912', '2,048', '−0.400', '95.0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    if round(size, places) >= 10 ** (math.floor(math.log10(size)) + 1):     # 9.996 becomes 10.0, not 10.00
        places = max(0, places - 1)
    return signed(f"{size:,.{places}f}", value)


def fixed(value: float | None, places: int = 1) -> str:
    """A fixed number of decimals, for columns that line up.

    >>> fixed(1234.56), fixed(-0.04)
    ('1,234.6', '0.0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{abs(value):,.{places}f}"
    return signed(text, value if float(text.replace(",", "")) else 0)


def signed(text: str, value: float, plus: bool = False) -> str:
    return (MINUS if value < 0 else "+" if plus and value > 0 else "") + text


def kib(value: float | None) -> tuple[str, str]:
    """KiB below 1024, MiB and GiB above.

    >>> kib(38.24), kib(2970), kib(41.2 * 1024**2)
    (('38.2', 'KiB'), ('2.90', 'MiB'), ('41.2', 'GiB'))
    """
    if value is None:
        return "–", ""
    for unit in ("KiB", "MiB"):
        if abs(value) < 1023.5:
            return sig(value), unit
        value /= 1024
    return sig(value), "GiB"


def pct(fraction: float | None, places: int = 1) -> str:
    """
    >>> pct(0.9071)
    '90.7'
    """
    return "–" if fraction is None else fixed(fraction * 100, places)


def points(value: float | None, places: int = 1) -> str:
    """A change in hundredths of the metric, always with its sign; 0.0 has none.

    >>> points(-0.42), points(0.2), points(-0.01)
    ('−0.4', '+0.2', '0.0')
    """
    if value is None:
        return "–"
    text = f"{abs(value):.{places}f}"
    return signed(text, value, plus=True) if float(text) else text


def interval(low: float | None, high: float | None, places: int = 1) -> str:
    """
    >>> interval(-0.7, -0.1)
    '[−0.7, −0.1]'
    """
    return "" if low is None or high is None else f"[{points(low, places)}, {points(high, places)}]"


def duration(seconds: float | None) -> str:
    """How long something took.

    >>> duration(0.42), duration(38.4), duration(287), duration(7500)
    ('0.4\u202fs', '38\u202fs', '4\u202fmin 47\u202fs', '2\u202fh 5\u202fmin')
    """
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{THIN}s"
    if whole < 3600:
        return f"{whole // 60}{THIN}min" + (f" {whole % 60:02d}{THIN}s" if whole % 60 else "")
    minutes = round(seconds / 60)
    return f"{minutes // 60}{THIN}h" + (f" {minutes % 60}{THIN}min" if minutes % 60 else "")


def about(seconds: float | None, long: bool = False) -> str:
    """How long something will take, in words that promise no more than they know.

    >>> about(660), about(20), about(660, long=True), about(70, long=True)
    ('about 11\u202fmin', 'less than 1\u202fmin', 'about 11 minutes', 'about 1 minute')
    """
    if seconds is None:
        return "some time"
    minutes = round(seconds / 60)
    if seconds < 45:
        return "less than a minute" if long else f"less than 1{THIN}min"
    minutes = max(1, minutes)
    if minutes < 90:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}" if long else f"about {minutes}{THIN}min"
    hours = round(minutes / 60)
    return f"about {hours} hour{'s' if hours > 1 else ''}" if long else f"about {hours}{THIN}h"


def between(low: float | None, high: float | None) -> str:
    """Two ends of an estimate as one phrase; the same words are said once.

    >>> between(1140, 2040), between(60, 120), between(10, 20), between(30, 240), between(3000, 9000)
    ('19 to 34\u202fmin', '1 to 2\u202fmin', 'less than 1\u202fmin', 'up to 4\u202fmin', '50\u202fmin to 2\u202fh')
    """
    first, last = about(low).removeprefix("about "), about(high).removeprefix("about ")
    if first == last:
        return first
    if first.startswith("less"):
        return f"up to {last}"
    number, _, unit = first.partition(THIN)
    return f"{number if last.endswith(THIN + unit) else first} to {last}"


def si(value: float | None) -> tuple[str, str]:
    """Large counts in thousands, millions, billions.

    >>> si(13_100_000), si(950), si(4_200)
    (('13.1', 'M'), ('950', ''), ('4.20', 'k'))
    """
    if value is None:
        return "–", ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return sig(value / size), letter
    return (f"{value:,.0f}" if float(value).is_integer() else sig(value)), ""


def in_unit(value: float | None, unit: str) -> tuple[str, str]:
    """A value with the unit it should be read in: KiB may become MiB, a fraction becomes percent, counts get M.

    >>> in_unit(0.907, "fraction"), in_unit(4_200_000, "MACs"), in_unit(30.2, "ms"), in_unit(0.76, "")
    (('90.7', '%'), ('4.20', 'M MACs'), ('30.2', 'ms'), ('0.760', ''))
    """
    if unit in ("fraction", "%"):
        return pct(value if unit == "fraction" else (value or 0) / 100), "%"
    if unit == "KiB":
        return kib(value)
    if unit == "times":
        return sig(value), "×"
    if unit.lower() in ("macs", "instructions", "parameters", "count", "trees", "nodes", "levels", ""):
        text, letter = si(value)
        return text, f"{letter} {unit}".strip()
    return sig(value), unit
