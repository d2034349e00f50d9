"""Datasets of pictures: a zip of class folders, decoded to bytes at one common size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from optimizers.cards import Problem
from optimizers.data.archive import GB, Archive, Entry
from optimizers.data.folders import Folders, folders_of, refuse_empty_folders
from optimizers.data.pictures import GREY, MOST_BYTES, Unreadable, opened, pixels
from optimizers.data.source import Source, info, warn
from optimizers.data.split import content_hash
from optimizers.errors import OptimizerError

LARGEST_SIDE = 512      # one common size up to here is kept as it is
SIDE = 224              # else pictures are brought to at most this
MOST = 20 * GB          # decoded
LEAST = 10              # pictures without labels


@dataclass(frozen=True)
class Seen:
    """What a first look at every file found. size: (height, width); grey: no colour channels."""

    index: int
    size: tuple[int, int]
    grey: bool
    hash: int


def open_images(path: Path, options: Mapping[str, Any], work: Path) -> Source:
    """Every picture is decoded once, into one file under `work`, and served from there.  Raises OptimizerError."""
    with Archive(path) as archive:
        found = folders_of(archive.entries, path.name, labelled=options.get("task") != "unlabelled")
        if found.classes:
            refuse_empty_folders(archive.folders, found, path.name)
        seen, unreadable = look(archive, found)
        refuse_unreadable(unreadable, len(found.files), path.name)
        size, notes = common_size([one.size for one in seen])
        channels = 1 if all(one.grey for one in seen) else 3
        shape = (channels, *size)
        if len(seen) * int(np.prod(shape)) > MOST:
            raise OptimizerError(f"{len(seen):,} pictures of {size[1]} x {size[0]} take more than 20 GB decoded.", path.name,
                                 "Upload smaller or fewer pictures.", "too-large")
        x, kept, damaged = decode(archive, found, seen, shape, work / "pictures.npy")
    refuse_unreadable(unreadable | damaged, len(found.files), path.name)
    labels = np.array([found.labels[one.index] for one in kept], np.int64)
    if found.classes:
        refuse_lost_classes(labels, found.classes)
    elif len(kept) < LEAST:
        raise OptimizerError(f"There are {len(kept)} pictures, in no class folders; at least {LEAST} are needed.", path.name,
                             "Upload more: train, validation and test are made of them.", "too-few-rows")
    return Source(
        kind="images", title=f"{'Image folders' if found.classes else 'Pictures without labels'}, {len(kept):,} pictures of "
        f"{size[1]} x {size[0]}", task="classification" if found.classes else "unlabelled",
        classes=found.classes, labels=labels, hashes=np.array([one.hash for one in kept], np.uint64), row_shape=shape,
        row_dtype="uint8", rows=lambda wanted: np.asarray(x[wanted]),
        declared=None if found.declared is None else np.array([found.declared[one.index] for one in kept], np.int8),
        problems=(*found.problems, *notes, *colour(seen, channels), *listed(unreadable | damaged), *thin(labels, found.classes)))


def look(archive: Archive, found: Folders) -> tuple[list[Seen], dict[str, str]]:
    """Header and content hash of each file; unreadable ones with the reason."""
    seen, unreadable = [], {}
    for index, entry in enumerate(found.files):
        try:
            raw = bytes_of(archive, entry)
            picture = opened(raw)
            seen.append(Seen(index, (picture.height, picture.width), picture.mode in GREY, content_hash(raw)))
        except Unreadable as fault:
            unreadable[entry.name] = str(fault)
    return seen, unreadable


def bytes_of(archive: Archive, entry: Entry) -> bytes:
    if entry.size > MOST_BYTES:
        raise Unreadable("a file of more than 64 MB")
    return archive.read(entry, MOST_BYTES)


def decode(archive: Archive, found: Folders, seen: list[Seen], shape: tuple[int, int, int], into: Path) \
        -> tuple[np.ndarray, list[Seen], dict[str, str]]:
    """All pixels in one mapped file, in the order of `seen` with damaged ones left out."""
    if not seen:
        raise OptimizerError("No picture could be read.", into.name, "Open one of them yourself; export them again.", "unreadable")
    x = np.lib.format.open_memmap(into, "w+", np.uint8, (len(seen), *shape))
    kept: list[Seen] = []
    damaged: dict[str, str] = {}
    for one in seen:
        entry = found.files[one.index]
        try:
            x[len(kept)] = pixels(bytes_of(archive, entry), shape[0], (shape[1], shape[2]))
            kept.append(one)
        except Unreadable as fault:
            damaged[entry.name] = str(fault)
    x.flush()
    return x, kept, damaged


def common_size(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[Problem, ...]]:
    """(height, width) for all: the commonest when half of the pictures have it and it is no photo's, else a square.

    >>> common_size([(28, 28)] * 9 + [(30, 28)])[0], common_size([(100, 150), (90, 200), (300, 250)])[0]
    ((28, 28), (145, 145))
    """
    if not sizes:
        return (SIDE, SIDE), ()
    commonest, times = Counter(sizes).most_common(1)[0]
    other = len(sizes) - times
    if 2 * times >= len(sizes) and max(commonest) <= LARGEST_SIDE:
        note = warn(f"Resized to {commonest[1]} x {commonest[0]}, the commonest size: {other:,} of {len(sizes):,} pictures.", "pictures",
                    "Resize them yourself if their proportions matter.", "resized")
        return commonest, (note,) if other else ()
    if not other:
        scale = SIDE / max(commonest)
        size = (max(1, round(commonest[0] * scale)), max(1, round(commonest[1] * scale)))
        what = f"Pictures of {commonest[1]} x {commonest[0]} were"
    else:
        side = min(SIDE, round(median((height + width) / 2 for height, width in sizes)))
        size, what = (side, side), f"Pictures come in {len(set(sizes)):,} sizes and were all"
    return size, (info(f"{what} resized to {size[1]} x {size[0]}.", "pictures", "Upload them at the size the network should see.",
                       "resized"),)


def refuse_unreadable(unreadable: dict[str, str], files: int, where: str) -> None:
    if len(unreadable) > 0.01 * files:
        name, why = next(iter(unreadable.items()))
        raise OptimizerError(f"{len(unreadable):,} of {files:,} pictures cannot be read; at most 1 % may be. The first is {why}.", name,
                             f"Repair or remove them: {', '.join(list(unreadable)[:5])}.", "unreadable")


def refuse_lost_classes(labels: np.ndarray, classes: tuple[str, ...]) -> None:
    for number, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < 2:
            raise OptimizerError(f"Class '{classes[number]}' has {count} readable pictures; at least 2 are needed.", classes[number],
                                 "Add pictures to it, or remove the folder.", "class-too-small")


def listed(unreadable: dict[str, str]) -> list[Problem]:
    return [warn(f"The picture cannot be read and was left out: {why}.", name, "Replace it.", "unreadable")
            for name, why in list(unreadable.items())[:20]]


def colour(seen: list[Seen], channels: int) -> list[Problem]:
    grey = sum(one.grey for one in seen)
    return [info(f"Grey among coloured pictures, given three equal channels: {grey:,} of {len(seen):,}.", "pictures", code="grey")] \
        if channels == 3 and grey else []


def thin(labels: np.ndarray, classes: tuple[str, ...]) -> list[Problem]:
    if not classes:
        return []
    few = [f"{classes[i]} ({n})" for i, n in enumerate(np.bincount(labels, minlength=len(classes))) if n < 20]
    return [warn(f"Classes with fewer than 20 pictures: {', '.join(few[:10])}{' …' if len(few) > 10 else ''}.",
                 "classes", "Their quality cannot be judged; add pictures.", "few-rows-in-class")] if few else []
