"""From an uploaded dataset to arrays with honest splits: `load_dataset` for a run, `card_of` for inspection, one Source for both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimizers.cards import DatasetCard
from optimizers.data.dataset import Dataset, Split
from optimizers.data.formats import FORMATS, format_of
from optimizers.data.pictures import thumbnail
from optimizers.data.source import Source
from optimizers.data.split import NAMES, Divided, in_stretches
from optimizers.errors import OptimizerError

IN_MEMORY = 512 << 20       # bytes of a split; larger ones stay on disk and are mapped
CHUNK = 1024                # rows moved together
PREVIEWS = 16


def open_source(path: Path, options: Mapping[str, Any], work: Path) -> Source:
    """Any file of FORMATS.  Raises OptimizerError."""
    return FORMATS[format_of(path)].open(path, options, work)


def load_dataset(path: Path, card: DatasetCard | None, options: Mapping[str, Any], work_dir: Path,
                 ordered: bool = False) -> Dataset:
    """Read the dataset into `work_dir`.  card: what inspection found; a file that no longer agrees with it is refused.

    ordered: each split is one stretch of rows, for networks that carry state from row to row.

    Raises OptimizerError.
    """
    source = open_source(path, options, work_dir)
    if card is not None and (card.rows, card.row_shape, card.classes) != (len(source.labels), source.row_shape, source.classes):
        raise OptimizerError("The dataset is not the one that was inspected: rows, shape or classes differ.", path.name,
                             "Upload it again and start a new job.", "dataset-changed")
    divided = in_stretches(len(source.labels), source.declared) if ordered else source.divided
    train, validation, test = (split_of(source, name, divided, work_dir) for name in NAMES)
    return Dataset(train, validation, test, source.kind, source.task, source.classes, source.features, ordered)


def split_of(source: Source, name: str, divided: Divided, work: Path) -> Split:
    """The rows of one split on disk, then in memory when they are few."""
    chosen = divided.rows(name)
    path = work / f"{name}.npy"
    if not len(chosen):
        return Split(np.zeros((0, *source.row_shape), source.row_dtype), source.labels[chosen])
    x = np.lib.format.open_memmap(path, "w+", source.row_dtype, (len(chosen), *source.row_shape))
    for start in range(0, len(chosen), CHUNK):
        x[start:start + CHUNK] = source.rows(chosen[start:start + CHUNK])
    x.flush()
    del x
    return Split(np.load(path, mmap_mode=None if path.stat().st_size <= IN_MEMORY else "r", allow_pickle=False), source.labels[chosen])


def card_of(source: Source, seconds: float) -> DatasetCard:
    shown, labels = (source.shown, source.shown_labels) if source.shown is not None else previews(source)
    return DatasetCard(
        kind=source.kind, title=source.title, rows=len(source.labels), splits=source.divided.counts(), split_how=source.divided.how,
        task=source.task, classes=source.classes, class_counts=source.class_counts, row_shape=source.row_shape, row_dtype=source.row_dtype,
        columns=source.columns, target=source.target, targets=source.targets, preview=shown, preview_labels=labels,
        problems=(*source.problems, *source.divided.problems), inspected_seconds=seconds)


def previews(source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Up to 16 rows spread over the classes: each class's first row, then each one's second ..."""
    rank = np.zeros(len(source.labels), np.int64)
    if source.task == "classification":
        for label in range(len(source.classes)):
            mine = np.flatnonzero(source.labels == label)
            rank[mine] = np.arange(len(mine))
        chosen = np.sort(np.lexsort((source.labels, rank))[:PREVIEWS])
        chosen = chosen[np.argsort(source.labels[chosen], kind="stable")]
        names = tuple(source.classes[label] for label in source.labels[chosen])
    else:
        chosen = np.arange(min(PREVIEWS, len(source.labels)))
        names = tuple("" if source.task == "unlabelled" else f"{value:g}" for value in source.labels[chosen])
    rows = source.rows(chosen)
    if len(source.row_shape) != 3 or source.row_shape[0] not in (1, 3):
        return tuple("[" + ", ".join(f"{value:g}" for value in row.ravel()[:16]) + "]" for row in rows), names
    return tuple(thumbnail(row) for row in rows), names
