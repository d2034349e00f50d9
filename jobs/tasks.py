"""Thin shells: each finds its work in Postgres, so a message may come twice, late or never."""

from jobs.celery import app


@app.task(ignore_result=True)
def wake() -> None:
    """Somebody queued something: claim what this worker can do, and see it through. No arguments: the row is the truth."""
    from jobs.work import work

    work()


@app.task(ignore_result=True)
def reap() -> None:
    """Give lapsed leases back to the queue, and wake whoever sleeps beside queued rows."""
    from jobs.reap import reap as reap_now

    reap_now()


@app.task(ignore_result=True)
def sweep() -> None:
    """Forget blobs and chunks that nobody refers to."""
    from jobs.store import sweep as sweep_now

    sweep_now()
