"""Which names an archive's entry may have. A name is text here, never a path that is opened; hostile ones are refused all the same."""

from __future__ import annotations

import unicodedata

from optimizers.errors import OptimizerError

BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
NESTED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".whl", ".npz",
          ".tbz2", ".txz", ".lz4", ".cab", ".iso"}
LONGEST = 512           # bytes of a path


def normal_name(name: str, depth: int) -> str:
    """`name` in NFC without "./" and a closing "/".  Raises OptimizerError when the name is unsafe, too long or too deep."""
    shown = printable(name)
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        raise unsafe(f"An entry's path is longer than {LONGEST} bytes.", shown[:80] + "…", "path-too-long")
    if any(is_control(char) for char in name):
        raise unsafe("An entry's name holds a control or text-direction character.", shown, "unsafe-name")
    if "\\" in name:
        raise unsafe("An entry's name holds a backslash.", shown, "unsafe-name")
    if name.startswith("/") or name[1:2] == ":":
        raise unsafe("An entry's path is absolute, so it points outside the archive.", shown, "unsafe-path")
    parts = [part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise unsafe('An entry\'s path holds "..", so it points outside the archive.', shown, "unsafe-path")
    if len(parts) > depth:
        raise unsafe(f"An entry lies {len(parts)} folders deep; at most {depth} are read.", shown, "too-deep")
    return "/".join(parts)


def is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or ord(char) in BIDI


def printable(name: str) -> str:
    """The name with what does not print written out, so that an error message cannot be steered by it."""
    return "".join(f"\\u{ord(char):04x}" if is_control(char) else char for char in name[:LONGEST])


def ignored(name: str) -> bool:
    """Litter of desktops: __MACOSX, .DS_Store, Thumbs.db, desktop.ini."""
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1].lower() in LITTER


def refuse_nested(name: str, allowed: frozenset[str]) -> None:
    """Archives inside the archive stay opaque, so they are refused."""
    suffix = "." + name.lower().rpartition(".")[2]
    if suffix in NESTED and suffix not in allowed:
        raise OptimizerError(f"There is an archive inside the archive ({suffix}).", name, "Unpack it and zip the files themselves.",
                             "nested-archive")


def unsafe(wrong: str, where: str, code: str) -> OptimizerError:
    return OptimizerError(wrong, where, "Rename it and zip again; an ordinary tool, run inside the folder, makes plain names.", code)
