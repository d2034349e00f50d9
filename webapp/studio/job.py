"""One job, one address: live while it waits or works, its result when it is over, what went wrong when it failed."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs import cancel as cancelling
from jobs import submit
from jobs.models import Job
from optimizers.errors import OptimizerError
from webapp.studio import curves, finding, front, howto, present, running, study, verdict, walk
from webapp.studio.compare import comparison
from webapp.studio.finding import Found, found, job_of
from webapp.teams.gate import team_view
from webapp.teams.models import Role, Team

ALIVE = (Job.State.QUEUED, Job.State.RUNNING)


@require_safe
@team_view(Role.VIEWER)
def job(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    row = job_of(team, job)
    if row.state in ALIVE:
        return render(request, "studio/live.html", live_page(found(row)))
    if row.state == Job.State.FAILED:
        return render(request, "studio/failed.html", failed_page(found(row)))
    return render(request, "studio/result.html", result_page(found(row), request.GET))


@require_safe
@team_view(Role.VIEWER)
def live(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    """The part of the live page that changes; once the job is over, the browser is sent to the result."""
    row = job_of(team, job)
    if row.state not in ALIVE:
        return HttpResponse(headers={"HX-Redirect": reverse("job", args=[team.slug, row.pk])})
    return render(request, "studio/_live.html", live_page(found(row)))


@require_POST
@team_view(Role.EDITOR)
def stop(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    row = job_of(team, job)
    cancelling.cancel(row)
    return redirect("job", team=team.slug, job=row.pk)


@require_POST
@team_view(Role.EDITOR)
def replay(request: HttpRequest, team: Team, job: Any) -> HttpResponse:
    """The same request again; its page says what it repeats."""
    row = job_of(team, job)
    try:
        again = submit.replay(row, request.user)
    except OptimizerError as error:
        return render(request, "studio/refused.html", {"job": row, "refusal": error.refusal}, status=409)
    return redirect("job", team=team.slug, job=again.pk)


def live_page(at: Found) -> dict[str, Any]:
    job, candidates = at.job, at.candidates
    steps = walk.plan(job.plan)
    attempt, worker = finding.attempt_of(job)
    best, points = running.best_so_far(candidates), finding.curve_points(job)
    ahead = Job.objects.filter(state=Job.State.QUEUED, capability=job.capability, created_at__lt=job.created_at).count() \
        if job.state == Job.State.QUEUED else 0
    return {
        "job": job, "found": at, "attempt": attempt, "worker": worker, "candidates": candidates,
        "sentence": running.sentence(job.state, job.eta_seconds, candidates, ahead, finding.workers(), job.cancel_requested),
        "steps": walk.step_rows(steps), "pieces": walk.step_bar(steps), "steps_done": sum(step.state == "done" for step in steps),
        "best": best, "best_files": at.files.get(best.key, []) if best else [],
        "chart": front.chart(candidates, at.goal, best.key if best else None, candidates[-1].key if candidates else None),
        "arrivals": [(c, running.arrival(c, at.goal.metric)) for c in reversed(candidates[-4:]) if not c.baseline][:3],
        "curves": curves.charts(points), "densities": curves.densities(points), "log": finding.log(job),
        "kept": sum(not c.baseline for c in candidates),
    }


def result_page(at: Found, asked: QueryDict) -> dict[str, Any]:
    """asked: pick, the candidate to look at; compare, those to lay side by side; class, whose scores to look at."""
    shown = present.result(at.candidates, at.goal, at.device, at.job.result, asked.get("pick"))
    chosen, picked = shown.chosen, shown.picked
    attempt, _ = finding.attempt_of(at.job)
    picked_files = at.files.get(picked.key, []) if picked else []
    points = finding.curve_points(at.job) if picked else []
    return {
        "job": at.job, "found": at, "r": shown, "why": present.why(shown, asked.get("class")), "attempt": attempt,
        "study": study.chart(at.candidates, at.goal, chosen.key if chosen and shown.recommended else None),
        "files": at.files.get(chosen.key, []) if chosen else [], "picked_files": picked_files,
        "job_files": at.files.get("", []), "models": at.files,
        "curves": curves.charts(points, picked.key) if picked else [],
        "densities": curves.densities(points, picked.key) if picked else None,
        "compared": comparison(at.candidates, asked.getlist("compare")),
        "log": finding.log(at.job, 12) if not at.candidates else [],
        "howto": howto.howto(at.job, picked, picked_files, finding.readme(picked_files)) if picked else [],
    }


def failed_page(at: Found) -> dict[str, Any]:
    error = at.job.error or {}
    steps = [step.model_copy(update={"state": "failed"}) if step.state == "running" else step for step in walk.plan(at.job.plan)]
    ours = error.get("fault") == "ours" or not error.get("refusal")
    return {
        "job": at.job, "found": at, "error": error, "refusal": error.get("refusal") or {}, "ours": ours,
        "quote": error.get("id") or str(at.job.pk)[:8], "steps": walk.step_rows(steps), "log": finding.log(at.job, 12),
        "rows": [(c, at.files.get(c.key, []), verdict.row_verdict(c, None)) for c in at.candidates],
        "quality": present.Quality(at.goal.metric), "baseline_only": all(c.baseline for c in at.candidates),
        "last_good": next((s.title for s in reversed(steps) if s.state == "done"), ""),
    }
