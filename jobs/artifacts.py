"""Files that a child made, read as a stranger's: no link is followed, only regular files, only so many bytes."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

PIECE = 4 * 1024**2


class UnfitFile(Exception):
    """Not a regular file inside the folder, or too large."""


def read_file(folder: Path, path: str, limit: float) -> Iterator[bytes]:
    """The bytes of folder/path. Every step of the path is opened on its own, so that none of them can be a link. Raises UnfitFile."""
    steps = path.split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise UnfitFile(f"{path!r} is not a plain path")
    with ExitStack() as stack:
        try:
            at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, at)
            for step in steps[:-1]:
                at = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                stack.callback(os.close, at)
            fd = os.open(steps[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)     # a FIFO must not hold us up
        except (OSError, ValueError) as error:
            raise UnfitFile(f"{path}: {error}") from None
        stack.callback(os.close, fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UnfitFile(f"{path} is not a regular file")
        left = limit
        while data := os.read(fd, PIECE):
            left -= len(data)
            if left < 0:
                raise UnfitFile(f"{path} is larger than {limit:.0f} bytes")
            yield data
