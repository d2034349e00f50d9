"""What leaves a job as a file: artifacts by fresh signed links, the log as text, the candidates as a table."""

import csv
import io
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_safe

from webapp.api import live
from webapp.library.downloads import artifact_link, disposition, release
from webapp.studio import finding
from webapp.studio.finding import found, job_of
from webapp.teams import gate
from webapp.teams.gate import team_view
from webapp.teams.models import Membership, Role, Team

FORMULA = ("=", "+", "-", "@", "\t", "\r")      # a spreadsheet would run a cell that begins with one of these


@require_safe
@team_view(Role.VIEWER)
def file(request: HttpRequest, team: Team, job: Any, artifact: Any) -> HttpResponse:
    """A lasting address of an artifact: the signed link it leads to is good for five minutes."""
    row = get_object_or_404(gate.artifacts(team).filter(job=job), pk=artifact)
    return redirect(artifact_link(row, request.user))


@require_safe
@team_view(Role.VIEWER)
def events(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    """Hints that something changed; no database connection is held while the browser listens."""
    row = job_of(team, job)
    user, slug = request.user.pk, team.slug
    release()
    return live.changed(request, row.pk, lambda: Membership.objects.filter(team__slug=slug, user=user, user__is_active=True).exists())


@require_safe
@team_view(Role.VIEWER)
def log(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    row = job_of(team, job)
    lines = (f"{line['when']:%Y-%m-%d %H:%M:%S} {line.get('level', ''):7} {line.get('topic', ''):12} {line.get('text', '')}"
             for line in finding.log(row, None))
    return saved("\n".join(lines) + "\n", f"fit-{row.number:04d}.log", "text/plain; charset=utf-8")


@require_safe
@team_view(Role.VIEWER)
def table(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    """All candidates as CSV: every measurement with unit, origin and interval in columns of its own."""
    at = found(job_of(team, job))
    names = list(dict.fromkeys(name for c in at.candidates for name in c.measurements))
    head = ["key", "title", "baseline", "fits", "broke", "validation", "change_points", "change_low", "change_high", "verdict"]
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(head + [f"{name}{part}" for name in names for part in ("", "_unit", "_origin", "_low", "_high")])
    for c in at.candidates:
        change = c.change
        row: list[Any] = [c.key, c.title, c.baseline, c.fits, "; ".join(b.sentence for b in c.broke), c.validation,
                          *((change.value, change.low, change.high, change.verdict) if change else ("", "", "", ""))]
        for name in names:
            m = c.measurements.get(name)
            row += [m.value, m.unit, m.origin, m.low, m.high] if m else [""] * 5
        write([neutral(cell) for cell in row])
    return saved(out.getvalue(), f"fit-{at.job.number:04d}.csv", "text/csv; charset=utf-8")


def neutral(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets a quote in front; numbers stay numbers.

    >>> neutral("=1+1"), neutral("plain"), neutral(-0.4), neutral(None)
    ("'=1+1", 'plain', -0.4, '')
    """
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def saved(text: str, name: str, kind: str) -> HttpResponse:
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": disposition(name), "X-Content-Type-Options": "nosniff"})
