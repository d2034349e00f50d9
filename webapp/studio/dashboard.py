"""The team's first page: what runs, what fits where, what needs somebody. A team with nothing yet gets the empty page."""

from functools import partial

from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.models import Asset
from webapp.studio import overview
from webapp.studio.examples import EXAMPLES
from webapp.teams import gate
from webapp.teams.brief import remembered
from webapp.teams.gate import team_view
from webapp.teams.models import Role


@require_safe
@team_view(Role.VIEWER)
def dashboard(request, team):
    if not gate.assets(team).exists() and not gate.jobs(team).exists():
        return render(request, "studio/empty.html", {"examples": EXAMPLES.values(), "origin": request.build_absolute_uri("/").rstrip("/")})
    mine = request.GET.get("view") == "mine"
    jobs = overview.seen(team, request.user if mine else None)
    if request.htmx and request.htmx.target == "now":       # asked every three seconds by whoever watches
        return render(request, "studio/_now.html", {"active": overview.now(jobs)})
    columns, rows = overview.fits(team, jobs)
    return render(request, "studio/dashboard.html", {
        "mine": mine, "active": overview.now(jobs), "columns": columns, "rows": rows, "recent": overview.recent(jobs),
        "needs": overview.needs(team, request.user, mine), "storage": remembered(f"storage:{team.pk}", 4, partial(overview.storage, team)),
        "counts": counts(team),
        "examples": EXAMPLES.values(), "jobs_total": jobs.count(),
    })


def counts(team) -> dict[str, int]:
    ready = gate.assets(team).filter(state=Asset.State.READY)
    return {"models": ready.filter(kind=Asset.Kind.MODEL).count(), "datasets": ready.filter(kind=Asset.Kind.DATASET).count()}
