"""Tell the workers that something waits. Losing this message costs seconds, never a job: the reaper looks at the rows themselves."""

import logging

log = logging.getLogger(__name__)


def send_wake() -> None:
    """Swallows every broker error: pages and uploads work while Redis is away."""
    from jobs.tasks import wake

    try:
        wake.apply_async(expires=30, retry=False, ignore_result=True)
    except Exception as error:      # kombu lets transport errors of every kind through
        log.warning("no wake-up was sent: %s", error)
