"""What a candidate leaves on disk: the model, the recipe that makes it again, the report with every number, and how to run it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizers.candidate import Candidate, File
from optimizers.coding.transfer import decoder
from optimizers.device import Device, catalogue
from optimizers.export import how_to_run, library_files
from optimizers.goal import FIDELITY
from optimizers.measure import host

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset
    from optimizers.measure.shipped import Shipped
    from optimizers.recipe import Recipe
    from optimizers.task import Task

TOLERANCE = {"points": 0.5, "size": 0.01}       # within which a replay agrees: points of the metric, share of the bytes
MEDIA = {"model": "application/octet-stream", "recipe": "application/yaml", "report": "application/json", "readme": "text/markdown",
         "transfer": "application/octet-stream", "decoder": "text/x-python",
         "source": "application/octet-stream"}


def write(candidate: Candidate, shipped: Shipped, recipe: Recipe, task: Task, data: Dataset, folder: Path) -> Candidate:
    """Write the files of one candidate under folder/out/<key>/ and answer the candidate that names them."""
    home = folder / "out" / candidate.key
    home.mkdir(parents=True, exist_ok=True)
    model = put(home, "model", shipped.name, shipped.content)
    facts = provenance(task, shipped, model, candidate)
    notes = put(home, "recipe", "recipe.yaml", recipe.to_yaml(**facts).encode())
    told = "unlabelled" if task.goal.metric in FIDELITY else data.task       # labels then say nothing about the outputs
    page = how_to_run.page(candidate, shipped, data.row_shape, str(data.train.x.dtype), data.classes, told, features_of(data))
    readme = put(home, "readme", "README.md", page.encode())
    coded = () if (sent := shipped.transfer.content) is None else (
        put(home, "transfer", "model.esp", sent), put(home, "decoder", "decode.py", decoder()))
    extra = () if shipped.network.library is None else tuple(
        put(home, "source", name, content) for name, content in library_files.files(shipped, data.test.x).items())
    whole = candidate.model_copy(update={"files": (model, *coded, *extra, notes, readme)})
    report = put(home, "report", "report.json", json.dumps(facts | {"candidate": whole.model_dump(mode="json")}, indent=1).encode())
    return candidate.model_copy(update={"files": (model, *coded, *extra, notes, report, readme)})


def features_of(data: Dataset) -> dict[str, float | None]:
    """Of a table: each feature's median over train; None for one of a column's categories, which hold only 0 and 1. Else nothing."""
    found: dict[str, float | None] = {}
    if data.kind != "table":
        return found
    for place, name in enumerate(data.features):
        values = np.asarray(data.train.x[:, place])
        found[name] = None if "=" in name and not np.any((values != 0) & (values != 1)) else round(float(np.median(values)), 6)
    return found


def provenance(task: Task, shipped: Shipped, model: File, candidate: Candidate) -> dict[str, Any]:
    """What somebody needs to make the same file again, and to trust that it is the same."""
    return {
        "title": candidate.title,
        "model": {"name": task.model_name, "sha256": task.model_sha256, "options": plain(task.model_options)} if task.model else None,
        "dataset": {"name": task.dataset_name, "sha256": task.dataset_sha256, "options": plain(task.dataset_options)},
        "device": named(task.device),
        "goal": task.goal.model_dump(mode="json"),
        "preprocessing": shipped.network.preprocessing.model_dump(mode="json"),
        "file_sha256": model.sha256,
        "tolerance": TOLERANCE,
        "versions": host.versions(),
        "host": host.describe(),
        "threads": task.threads,
    }


def named(device: Device | None) -> str | dict[str, Any] | None:
    """The catalogue's name of a board, or the whole profile of one that a team wrote itself."""
    if device is None:
        return None
    return device.name if catalogue().get(device.name) == device else device.model_dump(mode="json")


def plain(options: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(options, default=str))


def put(home: Path, role: str, name: str, content: bytes) -> File:
    (home / name).write_bytes(content)
    return File(role=role, name=name, path=f"{home.name}/{name}", bytes=len(content),  # type: ignore[arg-type]
                sha256=hashlib.sha256(content).hexdigest(), media_type=MEDIA[role])
