"""Dates as people write them, to days since 1970, and from days to the features a date becomes."""

from __future__ import annotations

import datetime
import re
from functools import lru_cache

import numpy as np

MONTHS = dict(zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13)))
CLOCK = (r"(?:(?:T| +|, )(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d{1,9})?))?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
         r"(?: ?(?:Z|UTC|(?P<zone>[+-]\d{2}):?(?P<zone_m>\d{2})?))?)?")
FORMS = {       # where two fit every row, the earlier one is taken
    "year-month-day": re.compile(r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})" + CLOCK, re.ASCII),
    "day-month-year": re.compile(r"(?P<d>\d{1,2})([-/.])(?P<m>\d{1,2})\2(?P<y>\d{4})" + CLOCK, re.ASCII),
    "month-day-year": re.compile(r"(?P<m>\d{1,2})([-/])(?P<d>\d{1,2})\2(?P<y>\d{4})" + CLOCK, re.ASCII),
    "day-name-year": re.compile(r"(?P<d>\d{1,2})[- ](?P<name>[A-Za-z]{3,9})\.?[- ,]+(?P<y>\d{4})" + CLOCK, re.ASCII),
    "name-day-year": re.compile(r"(?P<name>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})" + CLOCK, re.ASCII),
    "yyyymmdd": re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", re.ASCII),      # only for a column that is said to be a date
}
PARTS = ("year", "month", "day", "weekday", "elapsed")
EPOCH = datetime.date(1970, 1, 1).toordinal()
LONGEST = 40


@lru_cache(50_000)
def days_in(cell: str, form: str) -> float | None:
    """Days since 1970-01-01 in UTC, with the time of day as a fraction; None for a text that is no date of this form.

    >>> days_in("1970-01-03 12:00", "year-month-day"), days_in("03/01/1970", "day-month-year"), days_in("1970-02-30", "year-month-day")
    (2.5, 2.0, None)
    """
    found = FORMS[form].fullmatch(cell) if len(cell) <= LONGEST else None
    if found is None:
        return None
    part = found.groupdict()
    month = MONTHS.get((part.get("name") or "")[:3].lower()) if "name" in part else int(part["m"])
    try:
        day = datetime.date(int(part["y"]), month or 0, int(part["d"])).toordinal() - EPOCH
    except ValueError:
        return None
    return day + seconds_in(part) / 86_400


def seconds_in(part: dict[str, str | None]) -> float:
    hour = int(part.get("H") or 0)
    if half := part.get("half"):
        hour = hour % 12 + 12 * (half.lower() == "p")
    zone = part.get("zone")
    away = 0 if not zone else int(zone) * 3600 + (1 if zone[0] == "+" else -1) * 60 * int(part.get("zone_m") or 0)
    return hour * 3600 + int(part.get("M") or 0) * 60 + float((part.get("S") or "0").replace(",", ".")) - away


def dates_in(cell: str, compact: bool = False) -> dict[str, float]:
    """form -> days, for every form that the text has."""
    if len(cell) < 8 or not cell[0].isalnum():
        return {}
    found = {form: days_in(cell, form) for form in FORMS if compact or form != "yyyymmdd"}
    return {form: days for form, days in found.items() if days is not None}


def as_text(days: float) -> str:
    """
    >>> as_text(2.5), as_text(2.0)
    ('1970-01-03 12:00', '1970-01-03')
    """
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=days)
    return f"{at:%Y-%m-%d}" if days == int(days) else f"{at:%Y-%m-%d %H:%M}"


def parts(days: np.ndarray, first: float) -> np.ndarray:
    """(n, 5) float64: year, month, day of the month, weekday (Monday is 0), days since `first`; NaN where days is NaN.

    >>> parts(np.array([2.5]), 0.0)
    array([[1.97e+03, 1.00e+00, 3.00e+00, 5.00e+00, 2.50e+00]])
    """
    gone = np.isnan(days)
    whole = np.floor(np.where(gone, 0, days)).astype(np.int64)
    date = whole.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    year = month.astype("datetime64[Y]")
    month_of = (month - year.astype("datetime64[M]")).astype(np.int64) + 1
    day_of = (date - month.astype("datetime64[D]")).astype(np.int64) + 1
    found = np.stack([year.astype(np.int64) + 1970, month_of, day_of, (whole + 3) % 7, days - first], axis=1).astype(np.float64)
    found[gone] = np.nan
    return found
