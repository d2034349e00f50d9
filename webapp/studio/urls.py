"""Addresses, written whole from the root: path("t/<slug:team>/...", view, name=...)."""

from django.urls import path

from webapp.studio import dashboard, examples, job, jobs, new_job, takeaway

ONE = "t/<slug:team>/jobs/<uuid:job>"

urlpatterns = [
    path("t/<slug:team>/", dashboard.dashboard, name="dashboard"),
    path("t/<slug:team>/jobs/", jobs.jobs, name="jobs"),
    path("t/<slug:team>/jobs/new", new_job.new_job, name="job-new"),
    path("t/<slug:team>/jobs/plan", new_job.plan, name="job-plan"),
    path("t/<slug:team>/examples/<slug:name>/start", examples.example_start, name="example-start"),
    path("t/<slug:team>/examples/<uuid:asset>", examples.example, name="example"),
    path("t/<slug:team>/examples/<uuid:asset>/go", examples.example_go, name="example-go"),
    path(ONE, job.job, name="job"),
    path(f"{ONE}/live", job.live, name="job-live"),
    path(f"{ONE}/events", takeaway.events, name="job-events"),
    path(f"{ONE}/cancel", job.stop, name="job-cancel"),
    path(f"{ONE}/replay", job.replay, name="job-replay"),
    path(f"{ONE}/log", takeaway.log, name="job-log"),
    path(f"{ONE}/csv", takeaway.table, name="job-csv"),
    path(f"{ONE}/files/<uuid:artifact>", takeaway.file, name="job-file"),
]
