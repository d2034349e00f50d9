"""Look into an upload and say what it is: bytes first (stage A), then, in the cage, the real libraries (stage B).

`inspect(task, folder)` answers the card that everything before a job is decided from, or raises OptimizerError.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from optimizers.cards import DatasetCard, ModelCard
from optimizers.errors import OptimizerError
from optimizers.task import Task


def inspect(task: Task, folder: Path) -> ModelCard | DatasetCard:
    """task.role says which of task.model and task.dataset, a path relative to `folder`, is looked at.  Raises OptimizerError."""
    name = task.model if task.role == "model" else task.dataset
    if name is None:
        raise OptimizerError("There is no file to look at.", f"task.{task.role}", "Upload a file.", "no-file")
    start = time.monotonic()
    card = model_card(folder / name, task) if task.role == "model" else dataset_card(folder / name, task, folder)
    return card.model_copy(update={"inspected_seconds": round(time.monotonic() - start, 3)})


def model_card(path: Path, task: Task) -> ModelCard:
    from optimizers.models.audit import audit

    kind = audit(path)
    # the real libraries, only after the bytes have passed
    from optimizers.models.audit_card import card_of

    return card_of(path, kind, task.model_options)


def dataset_card(path: Path, task: Task, folder: Path) -> DatasetCard:
    from optimizers.data.formats import FORMATS, format_of

    form = FORMATS[format_of(path)]
    from optimizers.data.load import card_of

    home = folder if (folder / "task.json").is_file() else None      # a work folder takes scratch files, a user's own folder does not
    with tempfile.TemporaryDirectory(prefix="inspect-", dir=home) as work:
        return card_of(form.open(path, task.dataset_options, Path(work)), 0.0)
