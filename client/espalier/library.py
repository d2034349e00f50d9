"""What a team has uploaded, as the server described it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from espalier.errors import UserError

if TYPE_CHECKING:
    from espalier.client import Client


class Asset:
    """`data` is the whole answer; state: inspecting, ready or rejected; card: what inspection found, None before."""

    path = ""

    def __init__(self, client: Client, data: dict[str, Any]) -> None:
        self.client, self.data = client, data

    @property
    def id(self) -> str:
        return self.data["id"]

    @property
    def name(self) -> str:
        return self.data["name"]

    @property
    def state(self) -> str:
        return self.data["state"]

    @property
    def card(self) -> dict[str, Any] | None:
        return self.data["card"]

    def refresh(self) -> None:
        self.data = self.client.wire.get(f"/{self.path}/{self.id}")

    def wait(self, timeout: float = 300) -> Asset:
        """Until inspection has ended. Raises UserError with the reason when it was rejected."""
        self.client.poll(self.refresh, lambda: self.state != "inspecting", timeout, f"the inspection of {self.name}")
        if self.state == "rejected":
            why = self.data.get("refusal") or {}
            raise UserError(why.get("wrong", "The file was rejected."), why.get("where", ""), why.get("mend", ""),
                            why.get("code", "rejected"))
        return self

    def delete(self) -> None:
        self.client.wire.call("DELETE", f"/{self.path}/{self.id}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.state} {self.id}>"


class Model(Asset):
    path = "models"


class Dataset(Asset):
    path = "datasets"

    def inspect_again(self, *, wait: bool = True, **options: Any) -> Dataset:
        """The same bytes with other options; a new dataset, which takes this one's place unless a job uses it.

        target, task (classification, regression, unlabelled), types ({"age": "number"}; number, category, date, text), drop (names of
        columns), split (random, groups, time, column) with split_by (a column), validation (test, train), strip_labels.
        What is not said stays as it was; nothing at all takes back everything.
        """
        fresh = Dataset(self.client, self.client.wire.call("POST", f"/datasets/{self.id}/inspect", json=options).json())
        if wait:
            fresh.wait()
        return fresh
