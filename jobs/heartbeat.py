"""The parent's pulse: renews the lease and looks whether somebody asked to cancel, whatever the child is doing."""

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connection

from jobs.claim import Lease, mine, renew
from jobs.limits import limit

log = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """Runs beside one attempt. `lost` and `cancelled` only ever go from False to True."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(name=f"heartbeat-{lease.job_id}", daemon=True)
        self.lease, self.lost, self.cancelled = lease, False, False
        self.over = threading.Event()
        self.held_until = time.monotonic() + limit("lease_seconds")

    def run(self) -> None:
        beat, poll, lease_for = limit("beat_seconds"), limit("poll_seconds"), limit("lease_seconds")
        next_beat = time.monotonic() + beat
        while not (self.lost or self.over.wait(poll)):
            try:
                asked_at = time.monotonic()
                if asked_at >= next_beat:
                    self.lost = not renew(self.lease)
                    self.held_until, next_beat = asked_at + lease_for, asked_at + beat
                else:
                    self.cancelled = self.cancelled or bool(mine(self.lease).values_list("cancel_requested", flat=True).first())
            except (DatabaseError, InterfaceError) as error:    # Postgres restarts: try again for as long as the lease can hold
                log.warning("heartbeat: %s", error)
                next_beat = 0
                connection.close()
                self.lost = time.monotonic() > self.held_until
        connection.close()

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.join()
