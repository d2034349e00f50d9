"""Bytes out: signed links that live five minutes, ranges, and names that no header can be broken with."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

from django.core import signing
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs import store
from jobs.models import Artifact, Asset, Blob
from webapp.teams import gate
from webapp.teams.models import Membership, User

LIFE = 300                          # seconds
SIGNER = signing.TimestampSigner(salt="espalier.download")     # a key of its own, derived from SECRET_KEY and this salt
KINDS = {"artifact": Artifact, "asset": Asset}


def artifact_link(artifact: Artifact, user: User) -> str:
    """Path of a link that gives this user this file for five minutes."""
    return _link("artifact", artifact.pk, user)


def asset_link(asset: Asset, user: User) -> str:
    return _link("asset", asset.pk, user)


def _link(kind: str, pk: object, user: User) -> str:
    return reverse("download", args=[SIGNER.sign_object([kind, str(pk), user.pk])])


@require_safe
@gate.public                        # the signature is the key; membership is looked up again on every use
def download(request: HttpRequest, signed: str) -> HttpResponse:
    """The file of a signed link. 404 when the link is forged or old, or its user has left the team since."""
    try:
        kind, pk, user = SIGNER.unsign_object(signed, max_age=LIFE)
    except signing.BadSignature:
        raise Http404("This link has expired.") from None
    found = KINDS[kind].objects.select_related("blob").filter(pk=pk)
    found = found.filter(state=Asset.State.READY) if kind == "asset" else found.select_related("job")
    row = found.first()
    team = row and (row.team_id if kind == "asset" else row.job.team_id)
    if not row or not Membership.objects.filter(team=team, user=user, user__is_active=True).exists():
        raise Http404("This link has expired.")
    return send(request, row.blob, row.filename if kind == "asset" else row.name)


def send(request: HttpRequest, blob: Blob, name: str) -> HttpResponse:
    """A blob as a download: 200, 206 for a Range, 304 when the reader has it (If-None-Match), 416 for a range beyond the end."""
    etag = f'"{blob.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=0, must-revalidate",
               "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
               "Content-Disposition": disposition(name)}
    if _has(request.headers.get("If-None-Match", ""), etag):
        return HttpResponse(status=304, headers=headers)
    wanted = request.headers.get("Range", "")
    if request.headers.get("If-Range", etag) != etag:
        wanted = ""
    span = parse_range(wanted, blob.size)
    if span is None:
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{blob.size}"})
    start, stop = span
    status = 206 if _ONE_RANGE.fullmatch(wanted.strip()) else 200
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    headers["Content-Length"] = str(stop - start)
    body: Any = () if request.method == "HEAD" else _stream(request, blob, start, stop)
    return StreamingHttpResponse(body, status=status, headers=headers, content_type="application/octet-stream")


_ONE_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.ASCII)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Half-open byte span of a Range header; the whole when there is none or it is not one plain range; None when out of range.

    >>> parse_range("bytes=0-99", 1000), parse_range("bytes=-10", 1000), parse_range("bytes=990-", 1000)
    ((0, 100), (990, 1000), (990, 1000))
    >>> parse_range("bytes=1000-", 1000), parse_range("bytes=5-2", 1000), parse_range("bytes=0-1,4-5", 1000)
    (None, None, (0, 1000))
    """
    match = _ONE_RANGE.fullmatch(header.strip())
    if not match:
        return 0, size
    first, last, suffix = match.groups()
    if suffix is not None:
        return (max(0, size - int(suffix)), size) if int(suffix) and size else None
    start, stop = int(first), min(size, int(last) + 1 if last else size)
    return (start, stop) if start < stop else None


def disposition(name: str) -> str:
    """Content-Disposition for any file name (RFC 6266, 5987): plain ASCII for the old, UTF-8 percent-coded for the rest.

    >>> disposition('net "5".onnx')
    'attachment; filename="net _5_.onnx"; filename*=UTF-8\\'\\'net%20%225%22.onnx'
    """
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", name).strip() or "download"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _has(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [part.strip().removeprefix("W/") for part in header.split(",")]


def _stream(request: HttpRequest, blob: Blob, start: int, stop: int) -> AsyncIterator[bytes] | Iterator[bytes]:
    return store.stream(blob, start, stop) if isinstance(request, ASGIRequest) else store.read(blob, start, stop)


def release() -> None:
    """Give the connection back to the pool, unless a transaction still needs it."""
    if not connection.in_atomic_block:
        connection.close()
