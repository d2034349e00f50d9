"""The list of jobs: newest first, filtered by state, person and words; each view has its own address."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.models import Job
from webapp.studio import overview
from webapp.teams import gate
from webapp.teams.gate import team_view
from webapp.teams.models import Role, Team

PAGE = 40
STATES = {"all": None, "running": (Job.State.RUNNING, Job.State.QUEUED), "done": (Job.State.SUCCEEDED,), "failed": (Job.State.FAILED,),
          "stopped": (Job.State.CANCELLED,)}


@require_safe
@team_view(Role.VIEWER)
def jobs(request: HttpRequest, team: Team) -> HttpResponse:
    """?state=, ?mine=1, ?q=words, ?before=number: the page after the job with that number."""
    state = request.GET.get("state", "all")
    state = state if state in STATES else "all"
    mine, words = request.GET.get("mine") == "1", request.GET.get("q", "").replace("\0", "").strip()[:100]
    chosen = narrowed(gate.jobs(team), STATES[state], request.user if mine else None, words)
    before = request.GET.get("before", "")
    page = chosen.filter(number__lt=int(before)) if before.isascii() and before.isdigit() and len(before) < 10 else chosen
    rows = listed(page)
    more = len(rows) > PAGE
    context = {"rows": rows[:PAGE], "older": rows[PAGE - 1]["number"] if more else None, "state": state, "states": list(STATES),
               "mine": mine,
               "q": words, "query": kept(request, "before"), "filtered": state != "all" or mine or bool(words), "before": before}
    return render(request, "studio/jobs.html", context)


def narrowed(rows: QuerySet[Job], states: tuple[str, ...] | None, user: Any, words: str) -> QuerySet[Job]:
    if states:
        rows = rows.filter(state__in=states)
    if user:
        rows = rows.filter(created_by=user)
    if words:
        number = words.lower().removeprefix("fit-").lstrip("0")
        found = Q(title__icontains=words)
        rows = rows.filter(found | Q(number=int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else found)
    return rows


def listed(page: QuerySet[Job]) -> list[dict[str, Any]]:
    """One row more than a page holds, each with its recommended candidate and baseline; two queries."""
    rows: list[dict[str, Any]] = list(page.order_by("-number").values(*overview.LIGHT, "progress", "eta_seconds")[:PAGE + 1])
    table = overview.candidates_of([row for row in rows if row["state"] in Job.FINAL])
    for row in rows:
        row["best"] = table.get((row["id"], row["result__recommended"]))
        row["before"] = table.get((row["id"], "baseline"))
        row["answer"] = overview.answer(row) if row["state"] in Job.FINAL else row["state"]
        row["who"] = row["created_by__name"] or (row["created_by__email"] or "").split("@")[0]
    return rows


def kept(request: HttpRequest, *without: str) -> str:
    """The query string without some of its parts, for links that change only those."""
    query = request.GET.copy()
    for name in without:
        query.pop(name, None)
    return query.urlencode()
