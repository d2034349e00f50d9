"""Static files straight from the folders of the apps, as answers that an async server need not unroll."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import MissingFileError, Redirect, StaticFile


class StaticFiles(MiddlewareMixin):
    """whitenoise finds the file and writes the headers (ETag, Last-Modified, compressed twin); the bytes go out in one piece.

    whitenoise's own answer is a synchronous stream, which Django's ASGI handler reads whole with a warning.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        root = settings.STATIC_ROOT
        self._files = _Files(lambda request: None, _Rootless() if not Path(root).is_dir() else settings)

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        found = self._files.find_file(request.path_info) if self._files.autorefresh else self._files.known(request.path_info)
        if found is None:
            return None
        answer = found.get_response(request.method, request.META)
        body = b""
        if answer.file is not None:
            with answer.file:
                body = answer.file.read()
        response = HttpResponse(body, status=int(answer.status))
        del response["Content-Type"]
        for key, value in answer.headers:
            response[key] = value
        return response


class _Files(WhiteNoiseMiddleware):
    """Only the finding."""

    def known(self, url: str) -> StaticFile | Redirect | None:
        """The file as it lies there now. One edited since the start has another length, and the remembered headers would cut it."""
        found = self.files.get(url)
        if not isinstance(found, StaticFile):
            return found
        plain = next(path for encoding, path, _ in found.alternatives if not encoding.pattern)
        try:
            return self.get_static_file(plain, url)
        except MissingFileError:
            return None


class _Rootless:
    """The settings, for a checkout where `collectstatic` has not been run."""

    STATIC_ROOT = None

    def __getattr__(self, name: str) -> Any:
        return getattr(settings, name)
