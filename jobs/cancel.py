"""Ask a job to stop. A queued one stops at once; a running one keeps what it has found."""

from django.db import transaction
from django.db.models.functions import Now

from jobs import hints
from jobs.models import Asset, Job


def cancel(job: Job) -> Job:
    """Cancel; harmless when the job is over. The returned row is fresh.

    A running child gets SIGTERM through its parent, which looks for this flag every second, and SIGKILL 20 s later.
    """
    with transaction.atomic():
        row = Job.objects.select_for_update(no_key=True).get(id=job.id)
        if row.state == Job.State.QUEUED:
            row.state, row.finished_at = Job.State.CANCELLED, Now()
            row.cancel_requested = True
            row.save(update_fields=["state", "finished_at", "cancel_requested"])
            if row.kind == Job.Kind.INSPECT and row.asset_id:
                refusal = {"wrong": "The inspection was cancelled.", "where": "", "mend": "Upload the file again.", "code": "cancelled"}
                Asset.objects.filter(id=row.asset_id).update(state=Asset.State.REJECTED, refusal=refusal)
        elif row.state == Job.State.RUNNING:
            Job.objects.filter(id=row.id).update(cancel_requested=True)
        hints.publish(row)
    row.refresh_from_db()
    return row
