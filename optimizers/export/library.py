"""C text to a shared library on this machine, and the library asked in the place of an ONNX Runtime session."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.measure import host

FLAGS = ("-std=c99", "-O3", "-shared", "-fPIC", "-s")
NAME = "model"
PLACE = ctypes.c_byte * 0
PATIENCE = 600              # seconds that the compiler gets


@dataclass(frozen=True)
class Library:
    """source: model.c.  content: model.so made of it.  target: the processor it was made for, in the compiler's word.  features, outputs:
    of a row.  input, output: what the graph it stands for calls them.
    """

    source: str
    content: bytes
    target: str
    features: int
    outputs: int
    input: str
    output: str


class Value(NamedTuple):
    """An input or output as ONNX Runtime describes one."""

    name: str
    shape: list[str | int]
    type: str = "tensor(float)"


def compiler() -> str | None:
    """The C compiler of this machine: GNU C's vectors are needed, which gcc and clang have."""
    return next((found for name in ("gcc", "clang") if (found := shutil.which(name))), None)


def needed() -> str:
    """The compiler's path.  Raises OptimizerError where there is none."""
    if found := compiler():
        return found
    raise OptimizerError("There is no C compiler on this server.", "compile-trees",
                         "Install gcc (on Debian: apt-get install gcc libc6-dev), or keep the ONNX file.", "no-compiler")


def target() -> str:
    """What to compile for: x86-64 with AVX2 where this processor has it, else the level below; other processors by their own name."""
    if not host.is_x86():
        return platform.machine().lower()
    return "x86-64-v3" if {"avx2", "bmi2", "fma"} <= host.features() else "x86-64-v2"


def arguments(aim: str) -> list[str]:
    """What the compiler is told for a target."""
    return [*FLAGS, *([f"-march={aim}"] if aim.startswith("x86-64") else []), f"{NAME}.c", "-o", f"{NAME}.so", "-lm"]


def compiled(source: str, features: int, outputs: int, names: tuple[str, str] = ("input", "output")) -> Library:
    """The library of this text.  Raises OptimizerError with the compiler's first line where it refuses, or takes too long."""
    aim = target()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"{NAME}.c").write_text(source)
        try:
            done = subprocess.run([needed(), *arguments(aim)], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise OptimizerError(f"The C compiler took more than {PATIENCE} s.", "compile-trees", "Take fewer trees or leaves.",
                                 "compiler-slow") from None
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if line.strip()), f"status {done.returncode}")
            raise OptimizerError(f"The C compiler refused: {said[:200]}", "compile-trees",
                                 "Install gcc 11 or newer, or keep the ONNX file.", "compiler")
        return Library(source, Path(folder, f"{NAME}.so").read_bytes(), aim, features, outputs, *names)


class Session:
    """Compiled code behind the three methods that are used of an ONNX Runtime session. Calls leave Python's lock and use one thread."""

    def __init__(self, library: Library) -> None:
        self.library = library
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{NAME}.so")
            path.write_bytes(library.content)
            self.call = ctypes.CDLL(str(path)).model_predict_rows          # stays mapped when the file is gone
        self.call.argtypes, self.call.restype = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p), None

    def get_inputs(self) -> list[Value]:
        return [Value(self.library.input, ["batch", self.library.features])]

    def get_outputs(self) -> list[Value]:
        return [Value(self.library.output, ["batch", self.library.outputs])]

    def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """[(n, outputs) float32] for {input: (n, features) float32}. C reads as many numbers as it was told, so widths are checked here."""
        rows = feed[self.library.input]
        if rows.ndim != 2 or rows.shape[1] != self.library.features:
            raise OptimizerError(f"A row has {rows.shape[1:]} numbers, and the library reads {self.library.features}.", self.library.input,
                                 "Feed rows as its README says.", "row-width")
        rows = np.ascontiguousarray(rows, np.float32)
        found = np.empty((len(rows), self.library.outputs), np.float32)
        self.call(address(rows), len(rows), address(found))
        return [found]


def address(array: np.ndarray) -> Any:
    """Where an array lies, for a call. The short way, which only arrays that may be written to allow, takes a third of `array.ctypes`."""
    return PLACE.from_buffer(array) if array.flags.writeable else array.ctypes.data  # type: ignore[arg-type]
