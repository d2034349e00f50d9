"""A multipart file straight into the store while it arrives; never whole in memory, never in a temporary file."""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from jobs import store
from jobs.models import Blob
from optimizers.errors import OptimizerError
from webapp.library.downloads import release
from webapp.library.names import file_name, refuse_by_name
from webapp.library.uploads import MOST, PIECE, refuse_quota, refuse_size
from webapp.teams.models import Team


class StoredFile:
    """What request.FILES holds then."""

    def __init__(self, blob: Blob, name: str) -> None:
        self.blob, self.name, self.size = blob, name, blob.size

    def close(self) -> None:
        """There is nothing open."""


class IntoStore(FileUploadHandler):
    """Takes one file, in the field `file`; size, quota and name are looked at before and while its bytes come."""

    chunk_size = 1024 * 1024

    def __init__(self, request: HttpRequest, team: Team, kind: str) -> None:
        super().__init__(request)
        self.team, self.kind = team, kind
        self.blob: Blob | None = None
        self.held = bytearray()

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: Any = None) -> None:
        """The length of the request bounds the file's: too large is said before the first byte is kept."""
        if content_length > MOST[self.kind]:
            refuse_size(self.kind, content_length)
        if content_length > 1024 * 1024:
            refuse_quota(self.team, content_length - 4096)

    def new_file(self, field_name: str, file_name_: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name_, *args, **kwargs)
        if field_name != "file" or self.blob is not None:
            raise OptimizerError("A request carries one file, in the field 'file'.", field_name[:60], "Send one file a request.",
                                 "one-file")
        refuse_by_name(self.kind, file_name(file_name_))
        self.blob = store.create()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.held += raw_data
        if len(self.held) >= PIECE:
            self.keep()

    def file_complete(self, file_size: int) -> Any:
        self.keep()
        assert self.blob is not None
        return StoredFile(store.seal(self.blob), self.file_name or "")

    def upload_interrupted(self) -> None:
        self.forget()

    def keep(self) -> None:
        assert self.blob is not None
        refuse_size(self.kind, self.blob.size + len(self.held))
        if self.held:
            store.append(self.blob, [bytes(self.held)])
            self.held.clear()
            release()

    def forget(self) -> None:
        if self.blob is not None:
            store.delete(self.blob)


def receive(request: HttpRequest, team: Team, kind: str) -> StoredFile:
    """Read the form: the file of the field `file`, stored. Raises OptimizerError; nothing is kept then."""
    handler = IntoStore(request, team, kind)
    request.META.setdefault("CONTENT_LENGTH", "1")      # sent in chunks: Django takes a form without a length for an empty one
    request.upload_handlers = [handler]     # type: ignore[list-item]
    try:
        found = request.FILES.get("file")
    except BaseException:
        handler.forget()
        raise
    if found is None:
        raise OptimizerError("The form has no file.", "file", "Send multipart/form-data with a field named file.", "no-file")
    return found    # type: ignore[return-value]
