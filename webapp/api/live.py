"""Server-sent events about one job. A hint says that something changed; what changed is read from Postgres, and no connection is held
while nothing happens. The API tells everything as JSON, the pages hear only that there is something new.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, StreamingHttpResponse

from jobs import hints
from jobs.models import Event, Job
from webapp.api.shown import job_state
from webapp.library.downloads import release

LEAST = 0.3         # seconds between two reads, however many hints come
ROWS = 500          # events of one read
Frames = Callable[[Job, list[Event]], list[str]]


def told(request: HttpRequest, job: UUID, after: int, allowed: Callable[[], bool]) -> StreamingHttpResponse:
    """For programs: `state`, `event` ... and `end`."""

    def frames(row: Job, events: list[Event]) -> list[str]:
        said = [frame("event", {"type": event.type, "at": event.at, "data": without_trace(event)}, event.pk) for event in events]
        over = row.state in Job.FINAL and len(events) < ROWS
        return [*said, frame("end" if over else "state", plain(job_state(row)))]

    return stream(request, job, after, frames, allowed, rows=True)


def changed(request: HttpRequest, job: UUID, allowed: Callable[[], bool]) -> StreamingHttpResponse:
    """For pages: `changed` when there is something new to fetch (id: the last event), and `done` when there will be no more."""

    def frames(row: Job, events: list[Event]) -> list[str]:
        last = Event.objects.filter(job=row).order_by("-id").values_list("id", flat=True).first() or 0
        said = [frame("changed", {"state": row.state, "progress": row.progress}, last)]
        return said + [frame("done", {"state": row.state}, last)] if row.state in Job.FINAL else said

    return stream(request, job, 0, frames, allowed, rows=False)


def stream(request: HttpRequest, job: UUID, after: int, frames: Frames, allowed: Callable[[], bool], rows: bool) -> StreamingHttpResponse:
    """`allowed` is asked before every read: whoever was removed from the team hears nothing more."""
    heard = request.headers.get("Last-Event-ID", "")
    since = int(heard) if heard.isascii() and heard.isdigit() and len(heard) < 19 else after
    return StreamingHttpResponse(_follow(job, since, frames, allowed, rows), content_type="text/event-stream",
                                 headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})


async def _follow(job: UUID, since: int, frames: Frames, allowed: Callable[[], bool], rows: bool) -> AsyncIterator[str]:
    read = sync_to_async(_read)
    shown: tuple[str, ...] = ()
    yield "retry: 3000\n\n"
    async for _ in hints.subscribe(job):
        while True:
            row, events, said = await read(job, since, frames, allowed, rows)
            if row is None:
                return
            for text in said if tuple(said) != shown or events else [": still here\n\n"]:
                yield text
            shown = tuple(said)
            since = events[-1].pk if events else since
            if len(events) < ROWS:
                break
        if row.state in Job.FINAL:
            return
        await asyncio.sleep(LEAST)


def _read(job: UUID, since: int, frames: Frames, allowed: Callable[[], bool], rows: bool) -> tuple[Job | None, list[Event], list[str]]:
    try:
        row = Job.objects.filter(pk=job).first() if allowed() else None
        if row is None:
            return None, [], []
        events = list(Event.objects.filter(job=row, id__gt=since).order_by("id")[:ROWS]) if rows else []
        return row, events, frames(row, events)
    finally:
        release()


def frame(event: str, data: dict[str, Any], id: int | None = None) -> str:
    """One event of the stream; JSON holds no line break, so one data line is enough.

    >>> frame("state", {"progress": 0.5}, 7)
    'id: 7\\nevent: state\\ndata: {"progress": 0.5}\\n\\n'
    """
    number = "" if id is None else f"id: {id}\n"
    return f"{number}event: {event}\ndata: {json.dumps(data, cls=DjangoJSONEncoder)}\n\n"


def plain(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"error": state["error"].model_dump() if state["error"] else None}


def without_trace(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.data.items() if key != "trace"}
