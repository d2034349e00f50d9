"""Stage A of a model upload: bytes only, pure Python, no machine-learning library. Look, list, and refuse; nothing is built here.

`audit(path)` answers which kind of model the file is, or raises OptimizerError with what is wrong, where, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import EXPORT, refuse_disguise
from optimizers.models.audit_onnx import audit_onnx, looks_like_onnx
from optimizers.models.audit_pt2 import audit_pt2
from optimizers.models.audit_safetensors import audit_safetensors, looks_like_safetensors
from optimizers.models.audit_trees import audit_lightgbm, audit_skops, audit_xgboost, looks_like_lightgbm, looks_like_xgboost

Kind = Literal["onnx", "torch-export", "safetensors", "xgboost", "lightgbm", "skops"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "onnx": (".onnx",), "torch-export": (".pt2",), "safetensors": (".safetensors",), "xgboost": (".json", ".ubj"),
    "lightgbm": (".txt", ".lgb"), "skops": (".skops",)}
ENDINGS = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
NAMES: dict[Kind, str] = {"onnx": "an ONNX", "torch-export": "a torch.export", "safetensors": "a safetensors", "xgboost": "an XGBoost",
                          "lightgbm": "a LightGBM", "skops": "a skops"}
AUDITS: dict[Kind, Callable[[Path], object]] = {
    "onnx": audit_onnx, "torch-export": audit_pt2, "safetensors": audit_safetensors, "xgboost": audit_xgboost,
    "lightgbm": audit_lightgbm, "skops": audit_skops}
WAYS = ("Upload .onnx, .pt2 (torch.export) or .safetensors; trees as .json or .ubj (XGBoost), .txt (LightGBM) or .skops (scikit-learn). "
        f"{EXPORT}")
LARGEST = 5 << 30


def audit(path: Path) -> Kind:
    """The kind of the model in `path`, whose bytes and suffix agree.  Raises OptimizerError; takes seconds at most."""
    size = path.stat().st_size
    if not size:
        raise OptimizerError("The file is empty.", path.name, "Upload it again; compare its size with the original.", "empty")
    if size > LARGEST:
        raise OptimizerError(f"The model has {size:,} bytes; at most 5 GB are read.", path.name, "Upload a smaller model.", "too-large")
    kind = kind_of(path)
    AUDITS[kind](path)
    if path.suffix.lower() not in SUFFIXES[kind]:
        raise OptimizerError(f"The bytes are those of {NAMES[kind]} file, but it is called {path.suffix or 'nothing'}.", path.name,
                             f"Rename it to end in {SUFFIXES[kind][0]} if that is what it is.", "suffix-differs")
    return kind


def kind_of(path: Path) -> Kind:
    """From the bytes; the suffix only decides which mistake to name when nothing is recognized."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "skops" if path.suffix.lower() == ".skops" or b"schema.json" in tail(path) else "torch-export"
    if looks_like_xgboost(head):
        return "xgboost"
    if looks_like_lightgbm(head):
        return "lightgbm"
    if looks_like_safetensors(head, path.stat().st_size):
        return "safetensors"
    refuse_disguise(head, path, WAYS)
    if looks_like_onnx(head):
        return "onnx"
    for kind, suffixes in SUFFIXES.items():
        if path.suffix.lower() in suffixes and kind not in ("torch-export", "skops"):
            return kind                 # its own audit says what is wrong
    text = all(byte >= 32 or byte in b"\t\r\n" for byte in head)
    raise OptimizerError(f"This is {'a text file' if text else 'no format known here'}, not a model.", path.name, WAYS, "unknown-format")


def tail(path: Path) -> bytes:
    """The end of a zip, where its directory lies."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        return file.read()
