"""A torch.export archive (.pt2) looked at from outside: which zip it is, and that no part of it needs a pickle.

The loader of torch falls back to unpickling, so a .pt2 is code: it is only ever loaded in the cage, its sample inputs dropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizers.data.archive import GB, Archive, Entry, Limits
from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import EXPORT, refuse_zip
from optimizers.models.audit_json import Bounds, read_json

LIMITS = Limits(entries=50_000, total=20 * GB, entry=5 * GB)
LARGEST_JSON = 64 << 20
JSON = Bounds(depth=200)
SAVE = "Save it again: torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2'). Or write ONNX: " + EXPORT
SAMPLES = "/data/sample_inputs/"


def audit_pt2(path: Path) -> None:
    """Raises OptimizerError for every zip that is not a plain torch.export archive."""
    with Archive(path, LIMITS) as archive:
        names = {entry.name: entry for entry in archive.entries}
        formats = [entry for name, entry in names.items() if name.rpartition("/")[2] == "archive_format"]
        if len(formats) != 1 or archive.read(formats[0], 16).strip() != b"pt2":
            refuse_zip(tuple(names), path, EXPORT)
            raise OptimizerError("This zip is not a torch.export archive: it has no archive_format.", path.name, SAVE, "not-pt2")
        top = formats[0].name.rpartition("/")[0]
        if not any(name.startswith(f"{top}/models/") and name.endswith(".json") for name in names):
            raise OptimizerError("The torch.export archive holds no model.", path.name, SAVE, "no-model")
        for name, entry in names.items():
            refuse_part(archive, name, entry, top, path)


def refuse_part(archive: Archive, name: str, entry: Entry, top: str, path: Path) -> None:
    """Configurations must not ask for pickles, and nothing compiled or pickled may lie beside them."""
    where = f"{path.name}: {name}"
    inside = name.removeprefix(top)
    if name.endswith((".so", ".o", ".py", ".cpp", ".dll", ".dylib", ".cubin")):
        raise OptimizerError("The archive holds compiled or source code (AOTInductor?).", where, SAVE, "code-inside")
    if name.endswith("_config.json"):
        for weight in dictionary(archive, entry, where).get("config", {}).items():
            if not isinstance(weight[1], dict) or weight[1].get("use_pickle") is not False:
                raise OptimizerError("A weight is stored as a pickle; pickles can run code and are never opened.",
                                     f"{where}, {weight[0][:80]}", "Export plain tensors only, no tensor subclasses. " + SAVE, "pickle")
    elif name.endswith(".json"):
        dictionary(archive, entry, where)
    elif name.endswith((".pkl", ".pickle", ".pt", ".pth")) and not inside.startswith(SAMPLES):
        raise OptimizerError("A pickle lies in the archive; pickles can run code and are never opened.", where, SAVE, "pickle")


def dictionary(archive: Archive, entry: Entry, where: str) -> dict[str, Any]:
    found = read_json(archive.read(entry, LARGEST_JSON), where, SAVE, JSON)
    if not isinstance(found, dict):
        raise OptimizerError("The description of the model is damaged.", where, SAVE, "bad-json")
    return found
