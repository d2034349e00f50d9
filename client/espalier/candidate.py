"""What a job found: candidates, their measurements and their files."""

from __future__ import annotations

from typing import Any, NamedTuple


class Measurement(NamedTuple):
    """origin: measured (on the server), device, emulated or modelled; low and high bound a 95 % interval where there is one."""

    value: float
    unit: str
    origin: str
    low: float | None
    high: float | None
    how: str


class Artifact(NamedTuple):
    """A file to download. role: model, recipe, report, readme, bundle, transfer (model.esp) or decoder (what undoes it)."""

    id: str
    name: str
    role: str
    bytes: int
    sha256: str
    url: str


class Candidate:
    """`data` is the whole answer. broke: one sentence for each line of the budget it broke; empty when it fits."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.id: str = data["id"]
        self.key: str = data["key"]
        self.title: str = data["title"]
        self.fits: bool = data["fits"]
        self.baseline: bool = data["baseline"]
        self.broke: list[str] = [line["sentence"] for line in data["broke"]]
        self.notes: list[str] = data["notes"]
        self.change: dict[str, Any] | None = data["change"]

    @property
    def recipe(self) -> dict[str, Any]:
        return self.data["recipe"]

    @property
    def measurements(self) -> dict[str, Measurement]:
        return {name: Measurement(row["value"], row["unit"], row["origin"], row.get("low"), row.get("high"), row["how"])
                for name, row in self.data["measurements"].items()}

    @property
    def artifacts(self) -> list[Artifact]:
        return [Artifact(row["id"], row["name"], row["role"], row["bytes"], row["sha256"], row["url"]) for row in self.data["artifacts"]]

    def artifact(self, role: str) -> Artifact:
        """The first file of that role; KeyError names those there are."""
        for one in self.artifacts:
            if one.role == role:
                return one
        raise KeyError(f"{self.title} has no {role}; it has {', '.join(sorted({one.role for one in self.artifacts}))}")

    def __repr__(self) -> str:
        return f"<Candidate {self.title!r} {'fits' if self.fits else 'broke ' + ', '.join(self.broke)}>"
