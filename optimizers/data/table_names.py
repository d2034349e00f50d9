"""What first bytes and the names inside a zip say of tables; nothing heavy is imported here."""

import re
from pathlib import PurePosixPath

TABLES = {".csv", ".tsv", ".txt", ".data", ".test", ".train", ".parquet", ".arff", ".svm", ".libsvm", ".svmlight"}
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
LINE = re.compile(rb"\s*[^\s:#,]+(\s+(qid|\d+):\S+)+\s*(#.*)?", re.ASCII)      # svmlight
PROSE = ("readme", "license", "licence", "notice", "index", "about", "changelog")


def is_table(name: str) -> bool:
    path = PurePosixPath(name.lower())
    return path.suffix in TABLES and not path.stem.startswith(PROSE)


def looks_like_tables(names: tuple[str, ...]) -> bool:
    """At least one table and no picture.

    >>> looks_like_tables(("adult.data", "adult.names", "Index")), looks_like_tables(("cats/1.png", "labels.csv"))
    (True, False)
    """
    return any(map(is_table, names)) and not any(PurePosixPath(name.lower()).suffix in PICTURES for name in names)


def looks_like_svmlight(head: bytes) -> bool:
    """Whether each whole line of the first bytes, comments and rows of zeros apart, has the form label place:value ...

    >>> looks_like_svmlight(b"+1 3:0.5 7:1\\n-1 1:2\\n"), looks_like_svmlight(b"a,b\\n1,2\\n"), looks_like_svmlight(b"10:30 11:15\\n")
    (True, False, False)
    """
    lines = [line for line in head.split(b"\n")[:50] if line.strip() and not line.startswith(b"#")]
    whole = lines[:-1] if len(lines) > 1 and not head.endswith(b"\n") else lines
    return bool(whole) and all(LINE.fullmatch(line.rstrip(b"\r")) for line in whole if b":" in line) and b":" in head
