"""Files on their way in: a resumable upload (begin, add, drop), or one in one go (whole). Each ends as an Asset under inspection."""

import json
from datetime import timedelta
from typing import Any, BinaryIO

from django.core.exceptions import RequestAborted
from django.db import transaction
from django.utils import timezone

from jobs import store
from jobs.limits import in_words
from jobs.models import Asset, Blob
from jobs.submit import submit_inspection
from optimizers.data.options import DatasetOptions
from optimizers.errors import OptimizerError
from webapp.library.downloads import release
from webapp.library.models import Upload
from webapp.library.names import clean, file_name, refuse_by_name
from webapp.teams.context import storage_used
from webapp.teams.models import Team, User

GB = 1024**3
MOST = {"model": 5 * GB, "dataset": 20 * GB}
IN_FLIGHT = 5
PIECE = 8 * 1024 * 1024             # bytes of one transaction
ABANDONED = timedelta(hours=24)
OPTIONS = {"architecture", "preprocessing", *DatasetOptions.model_fields}
LONGEST = {"types": 200_000, "drop": 200_000}       # characters; of all others 500


class Elsewhere(Exception):
    """The upload does not stand at this offset; `offset` is where it does."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(offset)


def begin(team: Team, user: User, *, kind: str, filename: str, name: str, size: int, sha256: str, options: dict[str, Any]) -> Upload:
    """Make room for a file of `size` bytes. Raises OptimizerError when its name, size or the team's quota speak against it."""
    filename = file_name(filename)
    name = clean(name or stem(filename), "name")
    refuse_by_name(kind, filename)
    checked_options(options)
    if size < 1:
        raise OptimizerError("The file is empty.", filename, "Choose another file.", "empty")
    refuse_size(kind, size)
    with transaction.atomic():
        team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)        # two uploads must not share the last free byte
        forget_abandoned(team)
        if Upload.objects.filter(team=team, asset=None).count() >= IN_FLIGHT:
            raise OptimizerError(f"{IN_FLIGHT} uploads of this team are under way.", "", "Wait for one to end, or remove one.",
                                 "too-many-uploads")
        refuse_quota(team, size)
        return Upload.objects.create(team=team, created_by=user, kind=kind, filename=filename, name=name, size=size, sha256=sha256,
                                     options=options, blob=store.create())


def add(upload: Upload, offset: int, body: BinaryIO) -> Upload:
    """Append what arrives, 8 MB a transaction; keeps what came before a cut. The last byte makes the Asset.

    Raises Elsewhere when the upload stands at another offset, OptimizerError when the bytes are not those announced.
    """
    if offset != upload.offset:
        raise Elsewhere(upload.offset)
    while upload.offset < upload.size:
        piece, cut = read_piece(body, min(PIECE, upload.size - upload.offset))
        if piece:
            upload = append(upload, piece)
        release()
        if cut or len(piece) == 0:
            break
    return finish(upload) if upload.offset == upload.size and upload.asset_id is None else upload


def append(upload: Upload, piece: bytes) -> Upload:
    """One piece and the new offset in one transaction; whoever comes second with the same offset raises Elsewhere."""
    with transaction.atomic():
        row = Upload.objects.select_for_update(of=("self",)).select_related("blob").get(pk=upload.pk)
        if row.offset != upload.offset:
            raise Elsewhere(row.offset)
        row.offset = store.append(row.blob, [piece])
        row.save(update_fields=["offset", "touched_at"])
    return row


def finish(upload: Upload) -> Upload:
    """Seal, compare with the hash the client announced, make the Asset and have it inspected."""
    blob = store.seal(upload.blob)
    if upload.sha256 and upload.sha256 != blob.sha256:
        drop(upload)
        raise OptimizerError(f"What arrived has the sha256 {blob.sha256[:12]}..., announced was {upload.sha256[:12]}....",
                             upload.filename, "Send the file again; it changed on the way.", "sha256-differs")
    with transaction.atomic():
        row = Upload.objects.select_for_update(of=("self",)).get(pk=upload.pk)
        if row.asset_id is None:
            row.asset = take_in(row.team, row.created_by, kind=row.kind, filename=row.filename, name=row.name, blob=blob,
                                options=row.options)
            row.save(update_fields=["asset", "touched_at"])
    return row


def drop(upload: Upload) -> None:
    """Forget an upload that is not finished; its chunks go with the next sweep."""
    with transaction.atomic():
        upload.delete()
        if upload.asset_id is None:
            store.delete(upload.blob)


def whole(team: Team, user: User, *, kind: str, filename: str, name: str, blob: Blob, options: dict[str, Any]) -> Asset:
    """The Asset of a file that came in one request and lies sealed in the store. Raises OptimizerError, and forgets the file then."""
    try:
        filename = file_name(filename)
        name = clean(name or stem(filename), "name")
        checked_options(options)
        if blob.size < 1:
            raise OptimizerError("The file is empty.", filename, "Choose another file.", "empty")
        with transaction.atomic():
            team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
            refuse_quota(team, blob.size)
            return take_in(team, user, kind=kind, filename=filename, name=name, blob=blob, options=options)
    except OptimizerError:
        store.delete(blob)
        raise


def take_in(team: Team, user: User | None, *, kind: str, filename: str, name: str, blob: Blob, options: dict[str, Any]) -> Asset:
    asset = Asset.objects.create(team=team, created_by=user, kind=kind, filename=filename, name=name, blob=blob, options=options)
    submit_inspection(asset)
    return asset


def checked_options(options: dict[str, Any]) -> None:
    """architecture, preprocessing and the fields of DatasetOptions, none of them long. Raises OptimizerError."""
    for key, value in options.items():
        if key not in OPTIONS:
            raise OptimizerError(f"There is no option '{str(key)[:40]}'.", "options", f"Known: {', '.join(sorted(OPTIONS))}.", "bad-option")
        if len(str(value)) > (most := LONGEST.get(key, 500)):
            raise OptimizerError(f"This option has at most {most:,} characters.", f"options.{key}", "Shorten it.", "bad-option")
        if not storable(value):
            raise OptimizerError("The option holds what the database cannot keep: NaN, or text that is none.", f"options.{key}",
                                 "Use plain text and finite numbers.", "bad-option")
    DatasetOptions.of(options)


def storable(value: Any) -> bool:
    """Whether Postgres takes it as JSON: no NaN, no NUL, no half of a surrogate pair.

    >>> storable({"mean": [0.5]}), storable({"a": "\\0"}), storable("\\ud800"), storable([float("nan")])
    (True, False, False, False)
    """
    try:
        return b"\0" not in json.dumps(value, allow_nan=False, ensure_ascii=False).encode() and "\\u0000" not in json.dumps(value)
    except (ValueError, RecursionError):
        return False


def refuse_size(kind: str, size: int) -> None:
    if size > MOST[kind]:
        raise OptimizerError(f"A {kind} has at most {in_words(MOST[kind])}, this one has {in_words(size)}.", "size",
                             "Leave out what the job does not need, or ask the administrator for a higher limit.", "too-large")


def refuse_quota(team: Team, size: int) -> None:
    used = storage_used(team)
    if used + size > team.quota_bytes:
        raise OptimizerError(f"The team has used {in_words(used)} of {in_words(team.quota_bytes)}; {in_words(size)} more do not fit.",
                             "quota", "Delete models, datasets or jobs that are no longer needed.", "quota")


def forget_abandoned(team: Team) -> None:
    """Uploads nobody touched for a day; finished ones have become an Asset and need no row."""
    for row in Upload.objects.filter(team=team, touched_at__lt=timezone.now() - ABANDONED).select_related("blob"):
        drop(row)


def stem(filename: str) -> str:
    return filename.rsplit(".", 1)[0] or filename


def read_piece(body: BinaryIO, size: int) -> tuple[bytes, bool]:
    """Up to `size` bytes, and whether the connection was cut; what came before the cut is kept."""
    piece = bytearray()
    try:
        while len(piece) < size and (more := body.read(min(size - len(piece), 1024 * 1024))):
            piece += more
    except (RequestAborted, OSError):
        return bytes(piece), True
    return bytes(piece), False
