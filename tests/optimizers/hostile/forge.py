"""Hostile and odd files, made when a test runs; none is ever kept."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from optimizers.cards import DatasetCard, ModelCard
from optimizers.inspect import inspect
from optimizers.task import Task


class Trap:
    """Unpickling this creates the file `canary`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.canary),)


def trap(canary: Path, protocol: int = 4) -> bytes:
    raw = pickle.dumps({"weights": Trap(canary)}, protocol)
    assert b"mkdir" in raw
    return raw


def look(path: Path, role: str, **options: object) -> ModelCard | DatasetCard:
    return inspect(Task.model_validate({"kind": "inspect", "role": role, role: path.name, f"{role}_options": options}), path.parent)


def picture(colour: tuple[int, int, int] = (200, 10, 30), size: tuple[int, int] = (12, 10), form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def folders(extra: dict[str, bytes] | None = None, each: int = 8) -> dict[str, bytes]:
    """A sound set of two classes, each picture of its own colour."""
    files = {f"{name}/{i}.png": picture((i * 9, 50 * k, 30 + i)) for k, name in enumerate(("cats", "dogs")) for i in range(each)}
    return files | (extra or {})


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.filename, info.compress_type = name, method      # zipfile itself would mend some of the names
            archive.writestr(info, data)
    return path


def raw_zip(path: Path, records: list[tuple[bytes, bytes]], *, flags: int = 0, method: int = 0, mode: int = 0,
            sizes: dict | None = None) -> Path:
    """Names and bytes as given, nothing checked: (name, data as stored)."""
    body, directory = b"", b""
    for name, data in records:
        size = (sizes or {}).get(name, len(data))
        crc = zlib.crc32(data)
        start = len(body)
        body += struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, flags, method, 0, 0, crc, len(data), size, len(name), 0) + name + data
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 0x0314, 20, flags, method, 0, 0, crc, len(data), size, len(name), 0, 0, 0, 0,
                                 mode << 16, start) + name
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(records), len(records), len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def quilt(path: Path, copies: int) -> Path:
    """Many directory records that share one compressed kernel: megabytes that expand to gigabytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = bytes(9 << 20)
    kernel = deflate.compress(plain) + deflate.flush()
    crc, name, directory = zlib.crc32(plain), b"cats/0.png", b""
    body = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(kernel), len(plain), len(name), 0) + name + kernel
    for i in range(copies):
        name = b"cats/%06d.png" % i
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(kernel), len(plain), len(name), 0, 0,
                                 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, copies, copies, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def onnx_model(nodes: list | None = None, inits: list | None = None, functions: list | None = None, imports: list | None = None,
               shape: tuple = ("n", 4)) -> onnx.ModelProto:
    """A small classifier, 4 -> 3, unless told otherwise."""
    nodes = nodes if nodes is not None else [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "head")]
    inits = inits if inits is not None else [numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w"),
                                             numpy_helper.from_array(np.zeros(3, np.float32), "b")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 3))], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), *(imports or [])], functions=functions or [], ir_version=8)


def onnx_file(path: Path, **more: object) -> Path:
    path.write_bytes(onnx_model(**more).SerializeToString())       # type: ignore[arg-type]
    return path
