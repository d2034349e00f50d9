"""Which file of a zip is a picture of which class and split, from paths alone: train/<class>/x.png, or <class>/x.png."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from optimizers.cards import Problem
from optimizers.data.archive import Entry
from optimizers.data.source import UNKNOWN, info, warn
from optimizers.errors import OptimizerError

SUFFIXES = {"png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp"}
OTHER_PICTURES = {"svg", "gif", "tif", "tiff", "eps", "pdf", "fits", "ppm", "pgm", "heic", "avif", "ico", "psd", "tga", "jp2", "dcm"}
SPLITS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}
MOST_CLASSES = 10_000
NO_CLASSES = warn("The pictures are not in class folders, so they are taken without labels: networks cannot be trained on them, and the "
                  "fidelity of a compressed network to its original can be measured.", "pictures",
                  "To measure accuracy, put each picture into a folder named after its class: cats/1.jpg, dogs/2.jpg.", "unlabelled")


@dataclass(frozen=True)
class Folders:
    """files[i] is a picture of class classes[labels[i]]; declared[i] its split number, None where folders do not say.

    Without classes there are no labels, and labels[i] is UNKNOWN.
    """

    files: tuple[Entry, ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    declared: tuple[int, ...] | None
    problems: tuple[Problem, ...] = ()


def folders_of(entries: tuple[Entry, ...], where: str, labelled: bool = True) -> Folders:
    """labelled: whether folders may be classes at all. Pictures outside of any folder, or all in one, have no labels.

    Raises OptimizerError: no pictures, or only some of them in class folders.
    """
    pictures = [e for e in entries if suffix(e) in SUFFIXES]
    foreign = [e for e in entries if suffix(e) in OTHER_PICTURES]
    if len(foreign) > 0.01 * (len(pictures) + len(foreign)):
        raise OptimizerError(f"{len(foreign):,} pictures are .{suffix(foreign[0])} files; PNG, JPEG, WEBP and BMP are read.",
                             foreign[0].name, "Convert them: magick mogrify -format png *." + suffix(foreign[0]), "picture-format")
    if not pictures:
        raise OptimizerError("There is no picture in the archive.", where, "Zip folders of PNG or JPEG files, one folder a class; or "
                             "upload a table as .csv, arrays as .npz.", "no-pictures")
    top = shared_top([e.parts for e in pictures])
    paths = [e.parts[top:] for e in pictures]
    heads = {path[0].casefold() for path in paths if len(path) > 1}
    split = bool(heads) and heads <= set(SPLITS) and "train" in {n for h in heads for n, v in SPLITS.items() if v == SPLITS[h]}
    level = 1 if split else 0
    loose = [e for e, path in zip(pictures, paths) if len(path) < level + 2]
    if not labelled or len(loose) == len(pictures) or len({path[level:level + 1] if len(path) > level + 1 else () for path in paths}) == 1:
        declared = tuple(SPLITS[path[0].casefold()] for path in paths) if split else None
        return Folders(tuple(pictures), (), (UNKNOWN,) * len(pictures), declared, (NO_CLASSES, *left_out(entries, pictures, [], foreign)))
    if len(loose) > 0.01 * len(pictures):
        raise OptimizerError(f"{len(loose):,} pictures lie outside of a class folder.", loose[0].name,
                             "Put each picture into a folder named after its class: cats/1.jpg, dogs/2.jpg.", "no-class-folder")
    kept = [(e, path) for e, path in zip(pictures, paths) if len(path) >= level + 2]
    names = [path[level] for _, path in kept]
    classes = tuple(sorted(set(names), key=natural))
    refuse_classes(classes, names, where)
    number = {name: i for i, name in enumerate(classes)}
    declared = tuple(SPLITS[path[0].casefold()] for _, path in kept) if split else None
    return Folders(tuple(e for e, _ in kept), classes, tuple(number[n] for n in names), declared,
                   tuple(left_out(entries, pictures, loose, foreign)))


def suffix(entry: Entry) -> str:
    base = entry.parts[-1]
    return base.lower().rpartition(".")[2] if "." in base else ""


def shared_top(paths: list[tuple[str, ...]]) -> int:
    """How many leading folders all paths share, short of the class folder itself and of a lone train/.

    >>> shared_top([("digits", "train", "0", "a.png"), ("digits", "test", "1", "b.png")])
    1
    >>> shared_top([("cats", "a.png"), ("dogs", "b.png")])
    0
    """
    top = 0
    while all(len(path) > top + 2 for path in paths) and len({path[top] for path in paths}) == 1 \
            and paths[0][top].casefold() not in SPLITS:
        top += 1
    return top


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Class folders "0" ... "10" in the order of their numbers, the rest by the alphabet.

    >>> sorted(["10", "9", "b", "A"], key=natural)
    ['9', '10', 'A', 'b']
    """
    return ((0, int(name), ""),) if name.isascii() and name.isdigit() and len(name) < 10 else ((1, 0, name.casefold()), (1, 0, name))


def refuse_classes(classes: tuple[str, ...], names: list[str], where: str) -> None:
    if len(classes) < 2:
        raise OptimizerError(f"There is one class only, '{classes[0]}'; at least two are needed.", where,
                             "Put the pictures of each class into a folder of its own.", "one-class")
    if len(classes) > MOST_CLASSES:
        raise OptimizerError(f"There are {len(classes):,} classes; at most 10,000 are read.", where, "Upload fewer classes.",
                             "too-many-classes")
    poor = [name for name, count in Counter(names).items() if count < 2]
    if poor:
        raise OptimizerError(f"Class '{poor[0]}' has 1 picture; at least 2 are needed, and 20 or more make sense.", poor[0],
                             "Add pictures to it, or remove the folder.", "class-too-small")


def refuse_empty_folders(folders: list[str], found: Folders, where: str) -> None:
    """A folder beside the class folders that holds no picture is an empty class, not an oversight to pass over."""
    homes = {entry.name.rpartition("/")[0].rpartition("/")[0] for entry in found.files}
    full = {entry.name.rpartition("/")[0] for entry in found.files}
    for folder in folders:
        beneath = any(name == folder or name.startswith(folder + "/") for name in full)
        if folder.rpartition("/")[0] in homes and not beneath:
            raise OptimizerError(f"Class '{folder.rpartition('/')[2]}' is empty.", folder, "Add pictures to it, or remove the folder.",
                                 "empty-class")


def left_out(entries: tuple[Entry, ...], pictures: list[Entry], loose: list[Entry], foreign: list[Entry]) -> list[Problem]:
    others = [e for e in entries if suffix(e) not in SUFFIXES and suffix(e) not in OTHER_PICTURES]
    notes = []
    if others:
        notes.append(info(f"Left out, because not pictures: {len(others):,} of {len(entries):,} files.",
                          ", ".join(e.name for e in others[:5]), code="files-left-out"))
    if loose or foreign:
        odd = [*loose, *foreign]
        notes.append(warn(f"Left out, because outside of a class folder or in another format: {len(odd):,} of {len(entries):,} files.",
                          ", ".join(e.name for e in odd[:5]), "Move or convert them.", "pictures-left-out"))
    return notes
