"""The library: what the team has, what is on its way in, and what inspection found. Files are never opened here."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import ProtectedError, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs.models import Asset, Job
from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import CONVERSIONS
from optimizers.models.zoo import ARCHITECTURES
from webapp.library.again import FIELDS, corrections, inspect_again
from webapp.library.matches import matches_of
from webapp.library.present import details
from webapp.teams import gate
from webapp.teams.gate import team_view
from webapp.teams.models import Role

PAGE = 40


@require_safe
@team_view(Role.VIEWER)
def library(request, team):
    """The list, with the newest of it opened beside it where there is room."""
    context = listing(request, team)
    opened = next(iter(context["page"]), None)
    return render(request, "library/library.html", context | (about(team, opened) if opened else {}) | {"index": True})


@require_safe
@team_view(Role.VIEWER)
def asset(request, team, asset):
    found = get_object_or_404(gate.assets(team).select_related("blob", "created_by", "made_by"), id=asset)
    return render(request, "library/library.html", listing(request, team, found.kind) | about(team, found) | {"index": False})


@require_POST
@team_view(Role.EDITOR)
def asset_delete(request, team, asset):
    """Delete what no job uses; the rest stays, because results must be able to say what they were made from."""
    found = get_object_or_404(gate.assets(team), id=asset)
    try:
        with transaction.atomic():
            found.delete()
    except ProtectedError:
        users = gate.jobs(team).filter(Q(model=found) | Q(dataset=found))
        newest = users.order_by("-created_at").first()
        count = users.count()
        jobs = f"fit-{newest.number:04d} uses it" if count == 1 else f"{count} jobs use it, the newest is fit-{newest.number:04d}"
        messages.error(request, f"{found.name} was not deleted: {jobs}, and a result must be able to say what it was made from.")
        return redirect("asset", team=team.slug, asset=asset)
    messages.info(request, f"{found.name} was deleted.")
    return redirect(f"{reverse('library', kwargs={'team': team.slug})}?kind={found.kind}")


@require_POST
@team_view(Role.EDITOR)
def asset_again(request, team, asset):
    """Fields of DatasetOptions, see `corrections`; `reset` takes all of them back. Inspects the same bytes anew."""
    found = get_object_or_404(gate.assets(team, Asset.Kind.DATASET), id=asset)
    try:
        fresh = inspect_again(found, {} if request.POST.get("reset") else corrections(request.POST, found), request.user)
    except OptimizerError as error:
        messages.error(request, f"{error.refusal.wrong} {error.refusal.mend}")
        return redirect("asset", team=team.slug, asset=asset)
    return redirect("asset", team=team.slug, asset=fresh.id)


def listing(request, team, kind: str | None = None) -> dict:
    """The list at the left: one kind, searched by name, forty to a page."""
    kind = kind or request.GET.get("kind") or Asset.Kind.MODEL
    kind = kind if kind in Asset.Kind.values else Asset.Kind.MODEL
    counts = {one: gate.assets(team, one).count() for one in Asset.Kind.values}
    if not request.GET.get("kind") and not counts[kind] and kind == Asset.Kind.MODEL and counts[Asset.Kind.DATASET]:
        kind = Asset.Kind.DATASET
    rows = gate.assets(team, kind).select_related("blob", "created_by", "made_by").order_by("-created_at")
    if search := request.GET.get("q", "").replace("\0", "").strip():
        rows = rows.filter(name__icontains=search[:120])
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return {"kind": kind, "counts": counts, "page": page, "search": search, "architectures": sorted(ARCHITECTURES),
            "conversions": CONVERSIONS.items(), "can_edit": request.role.covers(Role.EDITOR),
            "busy": any(row.state == Asset.State.INSPECTING for row in page)}


def about(team, found: Asset) -> dict:
    """Everything the pane at the right shows."""
    used = gate.jobs(team).filter(Q(model=found) | Q(dataset=found)).exclude(state=Job.State.CANCELLED)
    return {"asset": found, "matches": matches_of(found) if found.state == Asset.State.READY else [], "used": used.count(),
            "used_by": used.order_by("-created_at").defer("result", "plan", "recipe")[:5], "inspection": inspection_of(found),
            "corrected": found.kind == Asset.Kind.DATASET and bool(FIELDS & found.options.keys())} | details(found)


def inspection_of(asset: Asset) -> Job | None:
    """The job that looks at it, while it does."""
    return asset.inspections.order_by("-created_at").first() if asset.state == Asset.State.INSPECTING else None
