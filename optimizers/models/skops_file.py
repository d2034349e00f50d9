"""A skops file read without skops: a zip of plain arrays and a schema.json that says what they were.

Nothing in it is ever built: types are looked up in a list, and arrays are bytes whose length is known. So no type can do harm; those that
nobody here reads are refused by name all the same, for a model that is half understood answers wrongly.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from optimizers.data.archive import GB, MB, Archive, Entry, Limits
from optimizers.errors import OptimizerError
from optimizers.models.audit_json import Bounds, read_json

LIMITS = Limits(entries=100_000, total=1 * GB, entry=256 * MB)
SCHEMA = Bounds(depth=200, size=128 * MB)
LONGEST_HEADER = 10_000
SAVE = "Save it again, with the model at hand: skops.io.dump(model, 'model.skops')."
LOADERS = {"ObjectNode", "DictNode", "DefaultDictNode", "ListNode", "TupleNode", "SetNode", "JsonNode", "NdArrayNode", "RandomStateNode",
           "RandomGeneratorNode", "TypeNode", "TreeNode", "LossNode", "BytesNode", "BytearrayNode", "SliceNode", "DtypeNode"}
MODULES = {"numpy", "sklearn", "xgboost", "lightgbm"}
PLAIN = {"builtins": {"dict", "list", "tuple", "set", "str", "int", "float", "bool", "bytes", "bytearray", "slice", "NoneType"},
         "collections": {"OrderedDict", "defaultdict"}}


@dataclass(frozen=True)
class Thing:
    """An object of the file, not built. kind: "sklearn.tree._classes.DecisionTreeClassifier"."""

    kind: str
    nodes: dict[str, Any]
    file: SkopsFile

    def __getitem__(self, name: str) -> Any:
        return self.file.value(self.nodes[name])

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self.nodes else default


class SkopsFile:
    """Use as a context manager.  Raises OptimizerError for members and types that are not as they should be."""

    def __init__(self, path: Path) -> None:
        self.where = path.name
        self.archive = Archive(path, LIMITS)
        try:
            self.members = {entry.name: entry for entry in self.archive.entries}
            self.schema = self.read_schema()
            for node in every(self.schema):
                refuse_type(node, self.where)
        except BaseException:
            self.archive.__exit__()
            raise

    def __enter__(self) -> SkopsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.archive.__exit__()

    def read_schema(self) -> dict[str, Any]:
        for name in self.members:
            if name != "schema.json" and not name.endswith((".npy", ".bin")):
                raise bad("A member of the file is neither an array nor the schema.", f"{self.where}: {name}"[:200], "odd-member")
        if "schema.json" not in self.members:
            raise bad("There is no schema.json in the file.", self.where, "no-schema")
        found = read_json(self.archive.read(self.members["schema.json"], SCHEMA.size), f"{self.where}: schema.json", SAVE, SCHEMA)
        if not isinstance(found, dict) or "__loader__" not in found:
            raise bad("The schema does not say what the file holds.", f"{self.where}: schema.json", "bad-schema")
        return found

    def root(self) -> Any:
        """The model.  Asking for what is not there, or is of another kind, raises KeyError, TypeError, ValueError and their like."""
        return self.value(self.schema)

    def value(self, node: Any) -> Any:
        """A node as dict, list, number, text, array, bytes or Thing; what lies inside of a Thing waits until it is asked for."""
        loader, content = node["__loader__"], node.get("content")
        if loader == "JsonNode":
            return small(content)
        if loader in ("ListNode", "TupleNode"):
            return [self.value(child) for child in content]
        if loader in ("DictNode", "DefaultDictNode"):
            return {name: self.value(child) for name, child in content.items()}
        if loader == "NdArrayNode":
            return self.array(node)
        if loader in ("BytesNode", "BytearrayNode"):
            return self.archive.read(self.member(node["file"]), LIMITS.entry)
        if loader in ("ObjectNode", "TreeNode"):
            return Thing(f"{node['__module__']}.{node['__class__']}", content["content"], self)
        return None                     # random states, losses, types: nothing that a prediction needs

    def array(self, node: dict[str, Any]) -> Any:
        """A stored array; a list, with nested ones flat, for an array of objects."""
        if node.get("type") == "json":
            return [self.value(child) for child in flat(node["content"])]
        entry = self.member(node["file"])
        return plain_array(self.archive.read(entry, LIMITS.entry), f"{self.where}: {entry.name}")

    def member(self, name: str) -> Entry:
        if name not in self.members:
            raise bad(f"The schema asks for '{name[:80]}', which is not in the file.", self.where, "no-member")
        return self.members[name]


def every(node: Any) -> Iterator[dict[str, Any]]:
    """Every described object in the schema."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if "__loader__" in here:
                yield here
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here


def refuse_type(node: dict[str, Any], where: str) -> None:
    module, name, loader = node.get("__module__"), node.get("__class__"), node["__loader__"]
    if not (isinstance(module, str) and isinstance(name, str) and isinstance(loader, str)):
        raise bad("The schema names a type by something that is no text.", f"{where}: schema.json", "bad-schema")
    known = module.split(".")[0] in MODULES or name in PLAIN.get(module, ())
    if loader == "TypeNode" and (known or module == "builtins"):
        return
    if not known or loader not in LOADERS:
        raise OptimizerError(f"The file holds {module[:80]}.{name[:80]} ({loader[:40]}), which is not among the types that are read.",
                             f"{where}: schema.json", "Save the fitted scikit-learn, XGBoost or LightGBM model alone, without functions or "
                             "classes of your own.", "unknown-type")


def small(content: Any) -> Any:
    """The value of a JsonNode, a text that is JSON by itself."""
    if not isinstance(content, str):
        raise TypeError("JSON inside of the schema is text")
    return json.loads(content)


def flat(content: Any) -> Iterator[dict[str, Any]]:
    """Nodes of an array of objects, row by row."""
    for child in content if isinstance(content, list) else [content]:
        if isinstance(child, dict) and child.get("__loader__") == "ListNode":
            yield from flat(child["content"])
        elif isinstance(child, list):
            yield from flat(child)
        else:
            yield child


def plain_array(raw: bytes, where: str) -> np.ndarray:
    """The array in the bytes of a .npy member; structured types too, for scikit-learn's nodes are such.  Never unpickles."""
    file = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(file, max_header_size=LONGEST_HEADER)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, OverflowError, MemoryError):
        raise bad("The member is no array, or its header is damaged.", where, "bad-npy-header") from None
    if dtype.hasobject:
        raise bad("The array holds Python objects, which means a pickle inside; pickles can run code and are never opened.", where,
                  "pickle")
    data = raw[file.tell():]
    if not dtype.itemsize or any(extent < 0 for extent in shape) or prod(shape) * dtype.itemsize != len(data):
        raise bad(f"The array of shape {shape} has {len(data):,} bytes, which is not what it needs.", where, "size-differs")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def bad(wrong: str, where: str, code: str) -> OptimizerError:
    return OptimizerError(wrong, where, SAVE, code)
