"""One click to a running job: real data that came with the installation, on its way through the same door as any upload.

The file is written by a short child process, because the web process never imports an ML library. Then a page waits for the
inspection (two seconds or so), starts the job and goes to its live page.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs import store
from jobs.models import Asset, Job
from jobs.submit import submit_fit, submit_inspection
from optimizers.errors import OptimizerError
from optimizers.goal import Budget, Goal
from webapp.devices.shelf import shelf
from webapp.teams import gate
from webapp.teams.gate import team_view
from webapp.teams.models import Role, Team, User

log = structlog.get_logger()


@dataclass(frozen=True)
class Example:
    """name: of optimizers.data.examples.  devices: the first one the catalogue has is used.  minutes: the job stops after."""

    name: str
    title: str
    about: str
    rows: str
    suffix: str
    devices: tuple[str, ...]
    device_words: str
    minutes: float
    icon: str
    options: tuple[tuple[str, str], ...] = ()


EXAMPLES = {
    one.name: one
    for one in (
        Example("digits", "Handwritten digits", "A network is trained from the pictures, then made smaller. Ten classes.",
                "1,797 pictures, 8 × 8", ".npz", ("this-server", "here", "laptop-x86"), "this server", 2.0, "image"),
        Example("breast-cancer", "Tumours, benign or malignant", "Thirty measurements a row, two classes.",
                "569 rows, 30 columns", ".csv", ("rp2040",), "RP2040, a Cortex-M0+", 2.0, "table", (("target", "class"),)),
        Example("wine", "Three cultivars of wine", "Thirteen measurements a row, three classes, few rows: look at the intervals.",
                "178 rows, 13 columns", ".csv", ("esp32-s3", "esp32s3"), "ESP32-S3", 2.0, "table", (("target", "class"),)),
    )
}


@require_POST
@team_view(Role.EDITOR)
def example_start(request, team, name):
    """Make the data (once a team), send it to inspection, and show the page that waits for it."""
    if name not in EXAMPLES:
        raise Http404
    example = EXAMPLES[name]
    asset = existing(team, example)
    if asset is None:
        try:
            asset = planted(team, request.user, example)
        except OptimizerError as error:
            messages.error(request, str(error.refusal))
            return redirect("dashboard", team=team.slug)
        except (OSError, subprocess.SubprocessError):
            log.exception("example not written", example=name)
            messages.error(request, f"The data of “{example.title}” could not be written. The log of the server says why.")
            return redirect("dashboard", team=team.slug)
    return redirect("example", team=team.slug, asset=asset.id)


@require_safe
@team_view(Role.EDITOR)
def example(request, team, asset):
    """The page that waits for the inspection."""
    return render(request, "studio/example.html", waiting(team, asset))


@require_POST
@team_view(Role.EDITOR)
def example_go(request, team, asset):
    """Start the job when the data is ready; until then the waiting piece again. Asked every second by the page."""
    context = waiting(team, asset)
    found, about = context["asset"], context["example"]
    if found.state == Asset.State.READY:
        try:
            job = fitted(team, request.user, found, about)
        except OptimizerError as error:
            return render(request, "studio/_example_wait.html", context | {"refusal": error.refusal})
        address = reverse("job", kwargs={"team": team.slug, "job": job.id})
        return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
    if request.htmx:
        return render(request, "studio/_example_wait.html", context)
    return redirect("example", team=team.slug, asset=asset)


def waiting(team: Team, asset_id) -> dict:
    found = get_object_or_404(gate.assets(team, Asset.Kind.DATASET), id=asset_id)
    example = EXAMPLES.get(found.options.get("example", ""))
    if example is None:
        raise Http404
    job = found.inspections.order_by("-created_at").first()
    return {"asset": found, "example": example, "refusal": found.refusal, "queued": job is not None and job.state == Job.State.QUEUED,
            "running": gate.every_job(team).filter(state=Job.State.RUNNING).count()}


def existing(team: Team, example: Example) -> Asset | None:
    found = gate.assets(team, Asset.Kind.DATASET).filter(options__example=example.name)
    return found.exclude(state=Asset.State.REJECTED).order_by("-created_at").first()


def planted(team: Team, user: User, example: Example) -> Asset:
    """The example's data as an asset that is being inspected. Raises OSError or SubprocessError when the child cannot write it."""
    filename = f"{example.name}{example.suffix}"
    with tempfile.TemporaryDirectory(prefix="espalier-example-") as folder:
        path = Path(folder) / filename
        command = [sys.executable, "-m", "optimizers.data.examples", example.name, str(path)]
        subprocess.run(command, check=True, timeout=60, capture_output=True, cwd=settings.BASE_DIR)
        with open(path, "rb") as file, transaction.atomic():
            blob = store.put(iter(lambda: file.read(2**20), b""))
            asset = Asset.objects.create(team=team, kind=Asset.Kind.DATASET, name=example.name, filename=filename, blob=blob,
                                         options={"example": example.name} | dict(example.options), created_by=user)
            submit_inspection(asset)
    return asset


def fitted(team: Team, user: User, asset: Asset, example: Example) -> Job:
    """The example's job; a second poll or click while it is active gets the same one."""
    devices = shelf(team)
    device = next((devices[name] for name in example.devices if name in devices), None) or next(iter(devices.values()))
    with transaction.atomic():
        Asset.objects.select_for_update().get(id=asset.id)
        active = gate.jobs(team).filter(dataset=asset, model=None, state__in=(Job.State.QUEUED, Job.State.RUNNING))
        return active.order_by("-created_at").first() or submit_fit(
            team, user, model=None, dataset=asset, device=device, goal=Goal(), budget=Budget(minutes=example.minutes))
