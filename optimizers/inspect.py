"""Look into an upload and say what it is: bytes first (stage A), then, in the cage, the real libraries (stage B).

`inspect(task, folder)` answers the card that everything before a job is decided from, or raises OptimizerError.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from optimizers.cards import ColumnCard, DatasetCard, ModelCard, Problem
from optimizers.data.formats import Report, silent
from optimizers.errors import OptimizerError
from optimizers.task import Task

LONGEST = 900_000           # bytes of a card as JSON: the parent hears lines of 1 MB
MOST_PROBLEMS = 100


def inspect(task: Task, folder: Path, report: Report = silent) -> ModelCard | DatasetCard:
    """task.role says which of task.model and task.dataset, a path relative to `folder`, is looked at.  report: told the share done.

    Raises OptimizerError.
    """
    name = task.model if task.role == "model" else task.dataset
    if name is None:
        raise OptimizerError("There is no file to look at.", f"task.{task.role}", "Upload a file.", "no-file")
    start = time.monotonic()
    card = model_card(folder / name, task) if task.role == "model" else dataset_card(folder / name, task, folder, report)
    return bounded(card.model_copy(update={"inspected_seconds": round(time.monotonic() - start, 3)}), name)


def model_card(path: Path, task: Task) -> ModelCard:
    from optimizers.models.audit import audit

    kind = audit(path)
    # the real libraries, only after the bytes have passed
    from optimizers.models.audit_card import card_of

    return card_of(path, kind, task.model_options)


def dataset_card(path: Path, task: Task, folder: Path, report: Report) -> DatasetCard:
    from optimizers.data.formats import FORMATS, format_of

    form = FORMATS[format_of(path)]
    from optimizers.data.load import card_of

    home = folder if (folder / "task.json").is_file() else None      # a work folder takes scratch files, a user's own folder does not
    with tempfile.TemporaryDirectory(prefix="inspect-", dir=home) as work:
        return card_of(form.open(path, task.dataset_options, Path(work), report), 0.0)


def bounded(card: ModelCard | DatasetCard, name: str) -> ModelCard | DatasetCard:
    """The card, short enough to be told: of many problems the gravest, then fewer layers, no previews, no column examples.

    Raises OptimizerError when names alone are too long.
    """
    if "\\u0000" in card.model_dump_json():        # no database keeps it, and the parent believes no line that holds it
        raise OptimizerError("A name inside the file holds a NUL character.", name, "Rename that input, node, class or column.", "bad-name")
    if len(card.problems) > MOST_PROBLEMS:
        order = sorted(card.problems, key=lambda problem: problem.severity == "info")
        more = Problem(severity="info", wrong=f"{len(order) - MOST_PROBLEMS:,} more notes are not listed.", code="notes-cut")
        card = card.model_copy(update={"problems": (*order[:MOST_PROBLEMS], more)})
    cuts: list[dict[str, Any]]
    if isinstance(card, ModelCard):
        cuts = [{"layers": card.layers[:500]}, {"layers": card.layers[:50]}, {"layers": (), "operators": {}},
                {"columns": (), "class_names": ()}]
    else:
        cuts = [{"preview": (), "preview_labels": ()},
                {"columns": tuple(column.model_copy(update={"example": None, "top": (), "gaps": ()}) for column in card.columns)},
                {"columns": tuple(ColumnCard(name=column.name, type=column.type, out=column.out) for column in card.columns)}]
    for cut in cuts:
        if len(card.model_dump_json()) <= LONGEST:
            return card
        card = card.model_copy(update=cut)
    if len(card.model_dump_json()) > LONGEST:
        raise OptimizerError("The names of classes and columns together are longer than 900,000 bytes.", name, "Shorten them.",
                             "names-too-long")
    return card
