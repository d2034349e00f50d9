"""Stage A of files of trees: XGBoost (JSON, UBJ), LightGBM (text) and skops, read within bounds and only as far as bytes and types go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizers.errors import OptimizerError
from optimizers.models.audit_json import Bounds, read_json
from optimizers.models.audit_ubj import read_ubj

LARGEST = 128 << 20
SAVE_XGBOOST = "Save it again with XGBoost 1.6 or newer: model.save_model('model.json')."
SAVE_LIGHTGBM = "Save it again: model.booster_.save_model('model.txt')."


def audit_xgboost(path: Path) -> None:
    table = table_of(path)
    if not isinstance(table, dict) or not isinstance(table.get("learner"), dict):
        raise OptimizerError("There is no 'learner' in it, so it is no model of XGBoost.", path.name, SAVE_XGBOOST, "not-xgboost")


def audit_lightgbm(path: Path) -> None:
    text_of(path)


def audit_skops(path: Path) -> None:
    from optimizers.models.skops_file import SkopsFile

    with SkopsFile(path):
        return


def looks_like_xgboost(head: bytes) -> bool:
    """A JSON or UBJ object whose first key is one that XGBoost writes."""
    return head.lstrip()[:1] == b"{" and (b'"learner"' in head[:400] or head[:18] == b"{L" + (7).to_bytes(8, "big") + b"learner")


def looks_like_lightgbm(head: bytes) -> bool:
    return head.lstrip().startswith((b"tree\n", b"tree\r\n")) and b"version=" in head


def table_of(path: Path) -> Any:
    """The table in the file, whose text or bytes are within bounds."""
    raw = content(path, SAVE_XGBOOST)
    binary = raw[:1] == b"{" and raw[1:2] in (b"L", b"l", b"I", b"i", b"U")
    return read_ubj(raw, path.name, SAVE_XGBOOST) if binary else read_json(raw, path.name, SAVE_XGBOOST, Bounds(size=LARGEST))


def text_of(path: Path) -> str:
    """The text of a LightGBM file."""
    raw = content(path, SAVE_LIGHTGBM)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise OptimizerError(f"Byte {fault.start:,} is not UTF-8 text.", path.name, SAVE_LIGHTGBM, "damaged") from fault
    if "\0" in text:
        raise OptimizerError(f"Character {text.index(chr(0)):,} is NUL, so the file is no text.", path.name, SAVE_LIGHTGBM, "damaged")
    if not looks_like_lightgbm(raw[:4096]):
        raise OptimizerError("It does not begin as a LightGBM model does (tree, version=).", path.name, SAVE_LIGHTGBM, "not-lightgbm")
    if "\nend of trees" not in text.replace("\r\n", "\n"):
        raise OptimizerError("The line 'end of trees' is missing, so the file was cut off.", path.name, SAVE_LIGHTGBM, "truncated")
    return text.replace("\r\n", "\n")


def content(path: Path, mend: str) -> bytes:
    size = path.stat().st_size
    if size > LARGEST:
        raise OptimizerError(f"The model has {size:,} bytes; at most {LARGEST:,} are read.", path.name, "Train fewer or shallower trees.",
                             "too-large")
    return path.read_bytes()
