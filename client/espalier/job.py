"""A job on the server: follow it, stop it, take what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from espalier.candidate import Candidate
from espalier.errors import InternalError, UserError

if TYPE_CHECKING:
    from espalier.client import Client

FINAL = ("succeeded", "failed", "cancelled")


class Job:
    """`data` is the whole answer of GET /jobs/{id}, as of the last refresh()."""

    def __init__(self, client: Client, data: dict[str, Any]) -> None:
        self.client, self.data = client, data

    @property
    def id(self) -> str:
        return self.data["id"]

    @property
    def state(self) -> str:
        return self.data["state"]

    @property
    def title(self) -> str:
        return self.data["title"]

    @property
    def verdict(self) -> str:
        return self.data.get("verdict") or ""

    @property
    def candidates(self) -> list[Candidate]:
        """Everything measured so far, in the order in which it was found."""
        return [Candidate(row) for row in self.data["candidates"]]

    def front(self) -> list[Candidate]:
        """The candidates nobody beats on every axis at once, in the server's order."""
        by_key = {one.key: one for one in self.candidates}
        return [by_key[key] for key in self.data["front"] if key in by_key]

    def recommended(self) -> Candidate | None:
        return next((one for one in self.candidates if one.key == self.data.get("recommended")), None)

    def recipe(self) -> dict[str, Any] | None:
        """Of the recommended candidate: submit it again, or run it without the server."""
        best = self.recommended()
        return best.recipe if best else None

    def refresh(self) -> Job:
        self.data = self.client.wire.get(f"/jobs/{self.id}")
        return self

    def wait(self, progress: Callable[[Job], None] | None = None, timeout: float | None = None) -> Job:
        """Until the job has ended; `progress` is called after every look. A cancelled job is returned with what it kept.

        Raises UserError or InternalError when it failed, TimeoutError when `timeout` seconds were not enough (it runs on).
        """
        def look() -> None:
            self.refresh()
            if progress:
                progress(self)

        self.client.poll(look, lambda: self.state in FINAL, timeout, f"the job {self.title}")
        if self.state == "failed":
            why = self.data.get("error") or {}
            kind = UserError if why.get("fault") == "user" else InternalError
            raise kind(why.get("wrong", "The job failed."), why.get("where", ""), why.get("mend", ""), why.get("code", "failed"))
        return self

    def cancel(self) -> Job:
        """Ask it to stop; candidates found so far are kept."""
        self.client.wire.call("POST", f"/jobs/{self.id}/cancel")
        return self.refresh()

    def replay(self) -> Job:
        """The same request once more, with the same seed."""
        return Job(self.client, self.client.wire.call("POST", f"/jobs/{self.id}/replay").json())

    def __repr__(self) -> str:
        return f"<Job {self.title!r} {self.state} {self.id}>"
