"""Two kinds of trouble, each in three sentences: what was wrong, where, how to mend it."""

from __future__ import annotations

import httpx


class EspalierError(Exception):
    """wrong, where, mend: sentences for people.  code: stable word for programs.  status: of the HTTP answer, if there was one."""

    def __init__(self, wrong: str, where: str = "", mend: str = "", code: str = "", status: int | None = None) -> None:
        self.wrong, self.where, self.mend, self.code, self.status = wrong, where, mend, code, status
        place = f" [{where}]" if where else ""
        super().__init__(f"{wrong}{place} {mend}".strip())


class UserError(EspalierError):
    """Something about the request or the file can be mended."""


class InternalError(EspalierError):
    """A fault of the server, or no server at all; `where` is an id to quote when it gave one."""


def of_response(response: httpx.Response) -> EspalierError:
    """The error of a problem+json answer; of anything else, what can be told from its status."""
    try:
        told = response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict) or "detail" not in told:
        told = {"detail": f"The server answered {response.status_code} {response.reason_phrase}.", "where": str(response.request.url.path)}
    kind = InternalError if response.status_code >= 500 else UserError
    return kind(str(told["detail"]), str(told.get("where", "")), str(told.get("hint", "")), str(told.get("code", "")), response.status_code)
