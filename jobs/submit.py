"""Ask for work: the queued row is the outbox, the message after commit only a wake-up."""

from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Max

from jobs import hints, store
from jobs.models import Asset, Job
from jobs.wake import send_wake
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.errors import OptimizerError
from optimizers.goal import Budget, Goal
from optimizers.models.preprocessing import said
from optimizers.recipe import Recipe


def submit_inspection(asset: Asset) -> Job:
    """Have an upload looked at, in the cage; its state follows the job."""
    return queue(team_id=asset.team_id, kind=Job.Kind.INSPECT, title=f"Inspect {asset.name}"[:200], asset=asset,
                 created_by_id=asset.created_by_id)


def submit_fit(team: Any, user: Any, *, model: Asset | None, dataset: Asset | None, device: Device, goal: Goal | dict[str, Any],
               budget: Budget | dict[str, Any], recipe: Recipe | dict[str, Any] | None = None, seed: int = 0,
               title: str | None = None, preprocessing: str | dict[str, Any] | None = None) -> Job:
    """Queue a fit. Everything that can be told from cards is refused here, with a sentence, rather than after forty minutes.
    preprocessing: what the model was fed while it was trained; fields left out are found by the job.

    Raises OptimizerError: an asset of another team or not ready, a recipe or goal that cannot work; store.StoreFull.
    """
    from optimizers.search.dry_run import dry_run

    store.refuse_when_full()
    goal, budget = Goal.model_validate(goal), Budget.model_validate(budget)
    if isinstance(recipe, dict):
        recipe = Recipe.load(recipe)
    model_card = ready_card(team, model, Asset.Kind.MODEL, ModelCard)
    dataset_card = ready_card(team, dataset, Asset.Kind.DATASET, DatasetCard)
    told = said(preprocessing) if preprocessing else None
    plan = dry_run(model_card, dataset_card, device, goal, budget, recipe=recipe, preprocessing=fed(model, told))
    if plan.refusal is not None:
        raise OptimizerError.of(plan.refusal)
    subject = next((asset.name for asset in (model, dataset) if asset), "nothing")
    return queue(team_id=team.id, kind=Job.Kind.FIT, title=(title or f"{subject} for {device.title}")[:200], model=model, dataset=dataset,
                 device=device.model_dump(mode="json"), goal=goal.model_dump(mode="json"), budget=budget.model_dump(mode="json"),
                 recipe=recipe.dump() if recipe else None, preprocessing=told, seed=seed, created_by=user)


def fed(model: Asset | None, told: dict[str, Any] | None) -> dict[str, Any] | None:
    """The preprocessing of a job: what was said for it, else what the upload said."""
    return told or (model.options.get("preprocessing") if model else None)


def replay(job: Job, user: Any) -> Job:
    """The same request once more, with the same seed; the new job remembers which one it repeats."""
    if job.kind != Job.Kind.FIT:
        raise OptimizerError("Only a fit can be replayed.", "", "Upload the file again to have it inspected again.", "not-a-fit")
    store.refuse_when_full()
    same = {name: getattr(job, name) for name in ("team_id", "kind", "title", "model_id", "dataset_id", "device", "goal", "budget",
                                                  "recipe", "preprocessing", "seed", "capability")}
    return queue(**same, replay_of=job, created_by=user)


def ready_card(team: Any, asset: Asset | None, kind: str, card: type[Any]) -> Any:
    """The card of a team's own asset that is ready; None for None."""
    if asset is None:
        return None
    if asset.team_id != team.id or asset.kind != kind:
        raise OptimizerError(f"There is no such {kind}.", kind, f"Choose a {kind} from this team's library.", "not-found")
    if asset.state != Asset.State.READY:
        waiting = asset.state == Asset.State.INSPECTING
        mend = "Wait a moment and submit again." if waiting else "Choose another one, or upload a mended file."
        raise OptimizerError(f"'{asset.name}' is {asset.get_state_display().lower()}.", kind, mend, "not-ready")
    return card.model_validate(asset.card)


def queue(**fields: Any) -> Job:
    """One row with the next number of its team and kind, and a wake-up once it is committed.

    The team's row is locked for the few statements that takes, so two submits never get the same number.
    """
    with transaction.atomic():
        apps.get_model("teams", "Team").objects.select_for_update(no_key=True).get(id=fields["team_id"])
        last = Job.objects.filter(team_id=fields["team_id"], kind=fields["kind"]).aggregate(Max("number"))["number__max"]
        job = Job.objects.create(number=(last or 0) + 1, **fields)
        hints.publish(job)
        transaction.on_commit(send_wake)
    return job
