"""What the new-job page starts with: sensible values, then what the address asks for, then what an earlier job had."""

from typing import Any
from uuid import UUID

from django.http import QueryDict

from jobs.models import Asset, Job
from optimizers.device import Device
from optimizers.goal import LIMITS
from webapp.studio import feeding
from webapp.studio.steps import as_data, keeps
from webapp.teams import gate
from webapp.teams.models import Team


def prefilled(team: Team, asked: QueryDict, devices: dict[str, Device]) -> QueryDict:
    """Form data for a fresh page. `asked`: the address's ?model= &dataset= &device= &study=on &from=<job id>."""
    data = QueryDict(mutable=True)
    values: dict[str, Any] = {"device": default_device(devices), "hold": "drop", "drop": "1.0", "minutes": "5", "seed": "0", "how": "plan",
                              "sensitivity": "on"}
    if earlier := job_of(team, asked.get("from", "")):
        values |= from_job(earlier)
        values |= without(earlier, asked.get("candidate", ""), asked.getlist("exclude"))
    values |= {field: asked[field] for field in ("model", "dataset", "device", "study") if asked.get(field)}
    if not values.get("dataset"):
        values["dataset"] = newest(team, Asset.Kind.DATASET) if not asked.get("model") else match_for(team, str(asked["model"]))
    for name, value in values.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def default_device(devices: dict[str, Device]) -> str:
    """This server where the catalogue has it, because everything can be measured there; else the first."""
    return next((name for name, device in devices.items() if device.here), next(iter(devices), ""))


def newest(team: Team, kind: str) -> str:
    found = gate.assets(team, kind).filter(state=Asset.State.READY).order_by("-created_at").values_list("id", flat=True).first()
    return str(found) if found else ""


def match_for(team: Team, model_id: str) -> str:
    """The newest dataset whose rows and classes match the model; the newest of all where none does."""
    from webapp.library.matches import matches_of

    try:
        model = gate.assets(team, Asset.Kind.MODEL).filter(id=UUID(model_id)).first()
    except ValueError:
        model = None
    found = matches_of(model) if model else []
    return str(found[0].id) if found else newest(team, Asset.Kind.DATASET)


def job_of(team: Team, job_id: str) -> Job | None:
    try:
        return gate.jobs(team).filter(id=UUID(job_id)).first()
    except ValueError:
        return None


def without(job: Job, key: str, layers: list[str]) -> dict[str, Any]:
    """A candidate's own recipe, with these layers left alone by what was tried on them; nothing without a candidate."""
    found = job.candidates.filter(key=key).values_list("data", flat=True).first()
    if not found or not (steps := (found.get("recipe") or {}).get("steps")):
        return {}
    for step in steps:
        if layers and (keep := keeps(step["technique"])):
            params = step["params"] = dict(step.get("params") or {})
            params[keep] = list(dict.fromkeys([*(params.get(keep) or ()), *layers]))[:200]
    return {"how": "choose"} | as_data(found["recipe"])


def from_job(job: Job) -> dict:
    """The form as it must have been when this job was started."""
    goal, budget = job.goal or {}, job.budget or {}
    values = {"model": str(job.model_id or ""), "dataset": str(job.dataset_id or ""), "device": (job.device or {}).get("name", ""),
              "metric": goal.get("metric", ""), "seed": str(job.seed), "minutes": plain(budget.get("minutes") or 5),
              "candidates": plain(budget["candidates"]) if budget.get("candidates") else "",
              "sensitivity": "on" if budget.get("sensitivity") else "", "study": "on" if budget.get("study") else ""}
    if goal.get("max_drop") is not None:
        values |= {"hold": "drop", "drop": plain(goal["max_drop"] * 100)}
    elif goal.get("floor") is not None:
        values |= {"hold": "floor", "floor": plain(goal["floor"] * 100)}
    for name in LIMITS:
        if value := (goal.get("limits") or {}).get(name):
            values |= {name: plain(value), f"on_{name}": "on"}
    values |= feeding.boxes(job.preprocessing)
    if job.recipe:
        values |= {"how": "choose"} | as_data(job.recipe)
    return values


def plain(number: float) -> str:
    return f"{number:.6g}"
