"""Addresses, written whole from the root: path("t/<slug:team>/...", view, name=...)."""

from django.urls import path

from webapp.studio import dashboard, examples, new_job

urlpatterns = [
    path("t/<slug:team>/", dashboard.dashboard, name="dashboard"),
    path("t/<slug:team>/jobs/new", new_job.new_job, name="job-new"),
    path("t/<slug:team>/jobs/plan", new_job.plan, name="job-plan"),
    path("t/<slug:team>/examples/<slug:name>/start", examples.example_start, name="example-start"),
    path("t/<slug:team>/examples/<uuid:asset>", examples.example, name="example"),
    path("t/<slug:team>/examples/<uuid:asset>/go", examples.example_go, name="example-go"),
]
