"""A .pt2 (torch.export) file becomes ONNX. It is code: torch unpickles parts of it, so those parts are replaced before torch sees them.

Only ever called inside the cage. Sample inputs are swapped for an empty stand-in, weights stored as pickles are refused, and nothing but
the graph, its weights and its constants is copied over.
"""

from __future__ import annotations

import io
import json
import logging
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

import onnx
import torch

from optimizers.errors import OptimizerError
from optimizers.models.load import from_proto
from optimizers.models.network import Network

LARGEST = 4 * 2**30         # bytes inside the archive, all together
KEPT = re.compile(r"^[^/]+/(archive_format|archive_version|byteorder|\.data/version|models/model\.json"
                  r"|data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json))$")


def from_torch_export(path: Path) -> Network:
    """The network of a .pt2 file. Raises OptimizerError for one that is damaged, holds pickles, or cannot be exported to ONNX."""
    with tempfile.TemporaryDirectory() as folder:
        safe = Path(folder) / "network.pt2"
        rewrite(path, safe)
        try:
            program = torch.export.load(safe)
            program.example_inputs = (zeros(program), {})
        except Exception as error:      # torch raises a dozen kinds for a damaged archive
            raise OptimizerError(f"torch.export cannot read the file: {first_line(error)}.", path.name,
                                 "Save it again with torch.export.save of this torch version, or export it to ONNX.",
                                 "pt2-unreadable") from error
        return from_proto(to_onnx(program, path.name), path.name)


def rewrite(path: Path, target: Path) -> None:
    """Copy only the records that are plain data; put an empty pair where the sample inputs were."""
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as fresh:
            records = {entry.filename: entry for entry in archive.infolist() if KEPT.match(entry.filename)}
            if sum(entry.file_size for entry in records.values()) > LARGEST:
                raise OptimizerError("The archive holds more than 4 GiB.", path.name, "Export a smaller network.", "pt2-size")
            roots = {name.split("/")[0] for name in records}
            if len(roots) != 1 or not any(name.endswith("models/model.json") for name in records):
                raise OptimizerError("The archive holds no torch.export program named 'model'.", path.name,
                                     "Save it with torch.export.save(program, path).", "pt2-empty")
            for name, entry in records.items():
                content = archive.read(entry)
                if name.endswith("_config.json"):
                    refuse_pickles(content, path.name)
                fresh.writestr(name, content)
            fresh.writestr(f"{roots.pop()}/data/sample_inputs/model.pt", stand_in())
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise OptimizerError(f"The file is not a whole .pt2 archive: {first_line(error)}.", path.name, "Save it again and check its size.",
                             "pt2-truncated") from None


def refuse_pickles(config: bytes, where: str) -> None:
    """Weights and constants marked as pickles run code when they are read."""
    try:
        entries = json.loads(config)["config"].items()
        for name, entry in entries:
            if entry.get("use_pickle") is not False or not re.fullmatch(r"(weight|tensor)_\d+", str(entry.get("path_name"))):
                raise OptimizerError(f"The tensor '{str(name)[:80]}' is stored as a pickle or an object, which is code.", where,
                                     "Export the network to ONNX, or save it without tensor subclasses and custom objects.", "pt2-pickle")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise OptimizerError("The archive's list of weights is damaged.", where, "Save it again with torch.export.save.",
                             "pt2-config") from None


def stand_in() -> bytes:
    """What is read instead of the sample inputs: no arguments at all."""
    buffer = io.BytesIO()
    torch.save(((), {}), buffer)
    return buffer.getvalue()


def zeros(program: torch.export.ExportedProgram) -> tuple[torch.Tensor, ...]:
    """Inputs of the shapes the program was traced with; free extents are 2."""
    names = set(program.graph_signature.user_inputs)
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    return tuple(torch.zeros([extent if isinstance(extent, int) else 2 for extent in value.shape], dtype=value.dtype) for value in values)


def to_onnx(program: torch.export.ExportedProgram, where: str) -> onnx.ModelProto:
    """Exported with batch norm kept apart, so that the network can be trained."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(program, dynamo=True, verbose=False, optimize=False)
    except Exception as error:          # the exporter wraps any operator's failure in its own classes
        raise OptimizerError(f"The program cannot be exported to ONNX: {first_line(error)}.", where,
                             "Export it to ONNX yourself, where the failing operator can be replaced.", "pt2-export") from error
    assert exported is not None
    return exported.model_proto


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".")
