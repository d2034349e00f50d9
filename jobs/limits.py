"""Every number that bounds a job, in one place: a default here, `settings.JOBS` or ESPALIER_<NAME> in the environment over it."""

import os
from typing import Any

from django.conf import settings

GB, MB = 1024**3, 1024**2

DEFAULTS: dict[str, float] = {
    "lease_seconds": 60,            # a worker that says nothing for this long has lost its job
    "beat_seconds": 15,             # how often the parent renews
    "poll_seconds": 1,              # how often the parent looks whether somebody asked to cancel
    "reap_seconds": 15,
    "stop_seconds": 20,             # between SIGTERM and SIGKILL
    "deaf_seconds": 300,            # queued rows, free slots and no wake for this long: the worker starts anew
    "inspect_seconds": 60,
    "inspect_bytes": 4 * GB,        # memory of an inspection
    "fit_seconds": 6 * 3600,        # wall limit of a job whose budget names no minutes
    "fit_slack_seconds": 1800,      # over the budget, for the baseline and the last candidate
    "quiet_seconds": 1800,          # a child that tells nothing for this long hangs
    "memory_bytes": 0,              # of a fit; 0: the smaller of 8 GB and 60 % of this machine
    "scratch_bytes": 20 * GB,       # all that a child may write
    "artifact_bytes": 5 * GB,       # one file of a candidate
    "checkpoint_bytes": 4 * GB,
    "checkpoint_seconds": 10,       # the same checkpoint is stored at most this often
    "events": 20_000,               # stored of one attempt
    "events_per_second": 200,       # sustained; a burst of five seconds is fine
    "candidates": 500,
    "store_free_bytes": 5 * GB,     # uploads and jobs are refused below the smaller of this ...
    "store_free_share": 0.10,       # ... and this share of the disk
    "store_grace_seconds": 24 * 3600,
}


def limit(name: str) -> float:
    """The number in force. Raises KeyError for a name that is not in DEFAULTS."""
    default = DEFAULTS[name]
    table: dict[str, Any] = getattr(settings, "JOBS", {})
    if name in table:
        return float(table[name])
    return float(os.environ.get(f"ESPALIER_{name.upper()}", default))


def memory_limit() -> int:
    """Bytes one fit may use: what the settings say, or the smaller of 8 GB and 60 % of this machine."""
    return int(limit("memory_bytes")) or min(8 * GB, int(0.6 * machine_memory()))


def machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def in_words(size: float) -> str:
    """
    >>> in_words(8 * GB), in_words(1.5 * GB), in_words(300 * MB)
    ('8 GB', '1.5 GB', '300 MB')
    """
    return f"{size / GB:.3g} GB" if size >= GB else f"{size / MB:.3g} MB"
