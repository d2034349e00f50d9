"""Idempotency-Key: the same key gets the same answer. Kept for a day, unique in a team."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Status

from webapp.api.models import Answer
from webapp.api.problems import Fault

KEPT = timedelta(days=1)
STUCK = timedelta(minutes=30)       # a request that never came to an end: its server died


def once(view: Callable[..., Status]) -> Callable[..., Any]:
    """For endpoints that answer a Status with a model. A refusal is not remembered: mend it and send the same key again.

    The work and the memory of it are one transaction; an upload's bytes are not, because they may take an hour.
    """

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return view(request, *args, **kwargs)
        if len(key) > 200 or not key.isprintable():
            raise Fault(422, "An Idempotency-Key has at most 200 printable characters.", where="Idempotency-Key", hint="A UUID will do.")
        mine, earlier = claim(request, key)
        if earlier is not None:
            return earlier
        try:
            with nullcontext() if request.content_type == "multipart/form-data" else transaction.atomic():
                answer = view(request, *args, **kwargs)
                mine.status, mine.body = answer.status_code, json.loads(json.dumps(answer.value.model_dump(mode="json")))
                mine.save(update_fields=["status", "body"])
        except BaseException:
            mine.delete()
            raise
        return answer

    return inner


def claim(request: HttpRequest, key: str) -> tuple[Answer, HttpResponse | None]:
    """(our new row, None), or (the earlier one, its answer). Raises 409 while the first is at work, 422 for another request."""
    team, now, print_ = request.team, timezone.now(), fingerprint(request)      # type: ignore[attr-defined]
    Answer.objects.filter(team=team, created_at__lt=now - KEPT).delete()
    Answer.objects.filter(team=team, key=key, status=None, created_at__lt=now - STUCK).delete()
    try:
        with transaction.atomic():
            return Answer.objects.create(team=team, key=key, fingerprint=print_), None
    except IntegrityError:
        pass
    found = Answer.objects.filter(team=team, key=key).first()
    if found is None or (found.status is None and found.fingerprint == print_):
        raise Fault(409, "A request with this key is still at work.", where="Idempotency-Key", hint="Ask again in a moment.",
                    code="in-progress", headers={"Retry-After": "1"})
    if found.fingerprint != print_:
        raise Fault(422, "This key was used for another request.", where="Idempotency-Key", hint="Use a new key.", code="key-reused")
    return found, JsonResponse(found.body, status=found.status, headers={"Idempotency-Replayed": "true"})


def fingerprint(request: HttpRequest) -> str:
    """Of a JSON request its body; of an upload its length and name of type, because nobody hashes a file twice to find out."""
    whole = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    if request.content_type == "multipart/form-data":
        whole.update(request.headers.get("Content-Length", "").encode())
    else:
        whole.update(request.body)
    return whole.hexdigest()
