"""Tell the workers that something waits. Losing this message costs seconds, never a job: the reaper looks at the rows themselves."""

import logging
import time

log = logging.getLogger(__name__)

silent_until = 0.0          # after a failure: a Redis that is away costs nobody their time


def send_wake() -> None:
    """Swallows every broker error: pages and uploads work while Redis is away."""
    global silent_until
    from jobs.tasks import wake

    if time.monotonic() < silent_until:
        return
    try:
        wake.apply_async(expires=30, retry=False, ignore_result=True)
    except Exception as error:      # kombu lets transport errors of every kind through
        silent_until = time.monotonic() + 5
        log.warning("no wake-up was sent: %s", error)
