"""Names of idx files, apart from the reader so that the web may look without numpy."""

from __future__ import annotations

import re

NAME = re.compile(r"(images|labels|img|lbl)[-._]idx\d|idx[13][-._]ubyte", re.IGNORECASE)


def looks_like_idx(names: tuple[str, ...]) -> bool:
    """Whether the files of a zip are idx files, by their names.

    >>> looks_like_idx(("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"))
    True
    """
    return any(NAME.search(name.rpartition("/")[2]) for name in names)
