"""Where the numbers came from: processor, cores, system and the versions of what computed them."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

PARTS = ("numpy", "onnx", "onnxruntime", "torch", "torch-pruning", "scikit-learn")


@cache
def name() -> str:
    """The processor as the system calls it, with the cores this process may use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text("utf-8", "replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {cores()} core{'s' if cores() > 1 else ''}"


def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i686")


@cache
def overflows() -> bool:
    """Whether integer kernels here add products of 8 bits in 16: x86 without VNNI. False where the system does not tell."""
    info = Path("/proc/cpuinfo")
    return is_x86() and info.is_file() and "vnni" not in info.read_text("utf-8", "replace")


@cache
def features() -> frozenset[str]:
    """What the processor says it can do, in the words of /proc/cpuinfo; nothing where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8", "replace").splitlines() if info.is_file() else []
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), []))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def versions() -> dict[str, str]:
    """Python, this project and each part that touches a number."""
    from optimizers import __version__

    found = {"espalier": __version__, "python": platform.python_version()}
    for part in PARTS:
        try:
            found[part] = metadata.version(part)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, str]:
    return {"processor": name(), "system": f"{platform.system()} {platform.release()}", "machine": platform.machine(),
            "byte order": sys.byteorder}
