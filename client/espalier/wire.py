"""HTTP with patience: one place that retries, waits when asked to, and turns refusals into errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from espalier.errors import InternalError, of_response

TRIES = 5
AGAIN = {502, 503, 504}
ROOT = "/api/v1"


class Wire:
    """http: any httpx.Client whose base_url is the server (tests pass their own)."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def call(self, method: str, path: str, *, retry: bool = True, **options: Any) -> httpx.Response:
        """One request. Lost connections and 502-504 are tried again unless `retry` is off, a 429 waits as long as it says.

        Raises UserError for 4xx, InternalError for 5xx and for a server that cannot be reached.
        """
        url = path if path.startswith(ROOT) else ROOT + path
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            try:
                response = self.http.request(method, url, **options)
            except httpx.TransportError as error:
                if last or not retry:
                    raise self.unreachable(error) from error
                time.sleep(0.2 * 2**attempt)
                continue
            if response.status_code == 429 and not last:
                time.sleep(min(wait_of(response), 60))
            elif response.status_code in AGAIN and retry and not last:
                time.sleep(0.2 * 2**attempt)
            elif response.is_error:
                raise of_response(response)
            else:
                return response
        raise AssertionError("unreachable")

    def get(self, path: str, **params: Any) -> Any:
        return self.call("GET", path, params={key: value for key, value in params.items() if value is not None}).json()

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page as it is asked for. Lists without pages are taken as they are."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **params)
            if isinstance(page, list):
                yield from page
                return
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The body of a GET as it arrives."""
        url = path if path.startswith(ROOT) else ROOT + path
        with self.http.stream("GET", url, headers=headers, follow_redirects=True) as response:
            if response.is_error:
                response.read()
                raise of_response(response)
            yield response

    def unreachable(self, error: Exception) -> InternalError:
        return InternalError(f"The server cannot be reached: {error}.", str(self.http.base_url), "Check the address, and that it runs.",
                             "unreachable")


def wait_of(response: httpx.Response) -> float:
    """Seconds of Retry-After; 1 when it does not say."""
    try:
        return max(0.1, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
