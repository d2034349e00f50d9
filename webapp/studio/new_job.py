"""The new-job page: one form, read leniently at every change, planned beside it, started by a plain POST."""

import json
import math
import shlex
from collections import Counter
from typing import Any

from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from jobs.models import Asset, Candidate, Job
from jobs.submit import fed, submit_fit
from jobs.workspace import known_sensitivity
from optimizers.candidate import Sensitivity
from optimizers.catalogue import TECHNIQUES
from optimizers.chains import CHAINS
from optimizers.errors import OptimizerError
from optimizers.goal import FIDELITY, METRICS
from optimizers.search.dry_run import dry_run
from optimizers.search.estimate import STUDIED
from optimizers.search.match import refuse
from webapp.devices.shelf import kinds_of, shelf
from webapp.library.present import in_order
from webapp.studio import feeding
from webapp.studio.draft import Draft
from webapp.studio.prefill import prefilled
from webapp.studio.scales import scales
from webapp.studio.steps import edited
from webapp.teams import gate
from webapp.teams.gate import team_view
from webapp.teams.models import Role

CHOICES = 300       # newest assets a list offers
FEW = 8             # devices shown before all of them are asked for; pages.css counts them too


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(Role.EDITOR)
def new_job(request, team):
    """GET: a prefilled page.  POST do=start: submit.  Any other POST: the page again, after the button that was pressed."""
    devices = shelf(team)
    if request.method != "POST":
        draft = Draft(team, prefilled(team, request.GET, devices), devices)
        return render(request, "studio/new_job.html", page(team, draft, devices, fresh=True))
    do = request.POST.get("do", "check")
    draft = Draft(team, edited(request.POST, do), devices)
    if do == "start" and not draft.errors:
        try:
            job = submit_fit(team, request.user, **draft.order())
            return redirect("job", team=team.slug, job=job.id)
        except OptimizerError as error:
            draft.errors[field_of(error.refusal)] = error.refusal
    status = 422 if do == "start" and not request.htmx else 200
    return render(request, "studio/new_job.html", page(team, draft, devices, started=do == "start"), status=status)


@require_POST
@team_view(Role.EDITOR)
def plan(request, team):
    """The dry-run panel for the form as it stands."""
    draft = Draft(team, request.POST, shelf(team))
    return render(request, "studio/_dry_run.html", planned(team, draft) | {"draft": draft})


def page(team, draft: Draft, devices, *, fresh: bool = False, started: bool = False) -> dict:
    ready = gate.assets(team).filter(state=Asset.State.READY).select_related("blob").defer("card").order_by("-created_at")
    return planned(team, draft) | {
        "draft": draft, "fresh": fresh, "started": started,
        "models": ready.filter(kind=Asset.Kind.MODEL)[:CHOICES], "datasets": ready.filter(kind=Asset.Kind.DATASET)[:CHOICES],
        "devices": spread(devices.values(), draft.device), "few_devices": FEW, "kinds": kinds_of(devices),
        "metrics": [(name, METRICS[name]) for name in draft.metrics()],
        "splits": in_order(draft.dataset_card) if draft.dataset_card else [], "scales": scales(draft), "match": match(draft),
        "before": earlier_baseline(draft), "fidelity": FIDELITY, "feed_scales": feeding.SCALES, "feed_layouts": feeding.LAYOUTS,
        "feed_inputs": feeding.proposals(draft.model_card),
        "resamplings": STUDIED, "techniques": sorted(TECHNIQUES.values(), key=lambda technique: technique.family), "chains": CHAINS,
    }


def planned(team, draft: Draft) -> dict:
    """What the panel shows: a dry run, or why there is none."""
    context: dict[str, Any] = {"dry": None, "problems": list(draft.errors.items()), "command": command(draft)}
    if draft.empty or draft.errors or draft.device is None:
        return context
    try:
        dry = dry_run(draft.model_card, draft.dataset_card, draft.device, draft.goal, draft.budget, draft.recipe,
                      looked=earlier_look(team, draft), preprocessing=fed(draft.model, draft.preprocessing))
        context |= {"dry": dry, "late": [row for row in dry.not_tried if row.code == "no-time"],
                    "cannot": [row for row in dry.not_tried if row.code != "no-time"], "all_minutes": math.ceil(dry.all_seconds / 60)}
    except OptimizerError as error:
        context["problems"] = [("", error.refusal)]
    return context


def spread(devices, chosen) -> list:
    """The chosen device first, then two of each kind, then the rest: a short list that shows the whole range."""
    seen: Counter[str] = Counter()
    order = {}
    for device in devices:
        order[device.name] = seen[device.kind] // 2
        seen[device.kind] += 1
    return sorted(devices, key=lambda device: (device is not chosen, order[device.name] > 0))


def match(draft: Draft) -> str:
    """"yes", "no", "train" (only a dataset) or "measure" (only a model), or nothing."""
    if draft.model_card and draft.dataset_card:
        return "no" if refuse(draft.model_card, draft.dataset_card, draft.goal, fed(draft.model, draft.preprocessing)) else "yes"
    return "train" if draft.dataset_card else "measure" if draft.model_card else ""


def earlier_baseline(draft: Draft) -> float | None:
    """The model's quality in percent as an earlier job measured it on this dataset, for the same metric."""
    if not (draft.model and draft.dataset):
        return None
    jobs = gate.jobs(draft.team).filter(model=draft.model, dataset=draft.dataset, goal__metric=draft.goal.metric, state=Job.State.SUCCEEDED)
    job = jobs.order_by("-created_at").values_list("id", flat=True).first()
    found = Candidate.objects.filter(job=job, baseline=True).values_list("quality", flat=True).first() if job else None
    return None if found is None else found * 100


def earlier_look(team, draft: Draft) -> tuple[Sensitivity, ...]:
    """What each layer lost alone, where a job like this one has measured it."""
    like = Job(team=team, model=draft.model, dataset=draft.dataset, seed=draft.seed, goal=draft.goal.model_dump(mode="json"),
               budget=draft.budget.model_dump(mode="json"), preprocessing=draft.preprocessing or None)
    return tuple(Sensitivity.model_validate(row) for row in known_sensitivity(like))


def field_of(refusal) -> str:
    """The field of the form a refusal of jobs.submit belongs to."""
    for field in ("preprocessing", "device", "dataset", "model", "recipe"):
        if field in refusal.code or field in refusal.where:
            return field
    return "form"


def command(draft: Draft) -> str:
    """The same job for `python -m optimizers`, without the server."""
    parts = ["python -m optimizers fit"]
    if draft.model:
        parts.append(f"--model {shlex.quote(draft.model.filename)}")
    if draft.dataset:
        parts.append(f"--data {shlex.quote(draft.dataset.filename)}")
    if draft.device:
        parts.append(f"--device {shlex.quote(draft.device.name)}")
    if draft.preprocessing:
        parts.append(f"--preprocessing {shlex.quote(json.dumps(draft.preprocessing))}")
    parts.append(f"--metric {draft.goal.metric}")
    if draft.goal.max_drop is not None:
        parts.append(f"--max-drop {draft.goal.max_drop:g}")
    if draft.budget.minutes:
        parts.append(f"--minutes {draft.budget.minutes:g}")
    if draft.budget.study:
        parts.append("--study")
    return " ".join([*parts, "--out fitted"])


def prefill_address(team, **asked) -> str:
    """The new-job page with something chosen already: prefill_address(team, model=asset.id)."""
    query = "&".join(f"{name}={value}" for name, value in asked.items() if value)
    return f"{reverse('job-new', kwargs={'team': team.slug})}?{query}"
