"""The Celery app: `celery -A jobs.celery worker -c 2` and `celery -A jobs.celery beat`.

A message is only a wake-up. The pool is threads: the work is done by a child process for each job, and its parent must share one memory
with the signal handler that releases leases when the worker is told to go.
"""

import os

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402

from jobs.limits import limit  # noqa: E402

app = Celery("espalier")
app.conf.update(settings.CELERY)
app.conf.broker_transport_options = app.conf.broker_transport_options | {
    "max_retries": 1, "interval_start": 0, "interval_step": 0,      # of a sender; a worker reconnects by its own, patient rules
    "socket_connect_timeout": 1,
}
app.conf.update(
    worker_pool="threads",
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_default_expires=30,
    beat_schedule={
        "reap": {"task": "jobs.tasks.reap", "schedule": limit("reap_seconds"), "options": {"expires": limit("reap_seconds")}},
        "sweep": {"task": "jobs.tasks.sweep", "schedule": 3600.0, "options": {"expires": 3600}},
    },
    beat_schedule_filename=str(settings.DATA_DIR / "beat"),
    imports=("jobs.tasks",),
)


@signals.celeryd_after_setup.connect
def count_slots(instance, **_) -> None:
    from jobs.work import SLOTS

    SLOTS.count = max(1, instance.concurrency)


@signals.worker_ready.connect
def arrive(**_) -> None:
    from jobs import roster

    roster.arrive()


@signals.worker_shutting_down.connect
def leave(**_) -> None:
    """The first SIGTERM: children keep what they have and stop, and each lease goes back to the queue."""
    from jobs.work import LEAVING

    LEAVING.set()


@signals.worker_shutdown.connect
def depart(**_) -> None:
    from jobs import roster

    roster.depart()
