"""The three cages, best first, as ways to write a command line: bwrap, Landlock, rlimits."""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optimizers

HERE = Path(__file__).resolve().parent
CODE = Path(optimizers.__file__).resolve().parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/alternatives", "/etc/localtime")
SHM_BYTES = 256 * 1024**2
STRANGER = 61_184               # a user number nobody has: the child of a root worker without bwrap
TASKS = 512                     # processes and threads, where they can be counted apart from everybody else's


@dataclass(frozen=True)
class Bounds:
    """What one child may use. memory_bytes 0: unbounded (CUDA reserves address space by the terabyte)."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int
    threads: int = 1
    cuda: bool = False

    def limits(self) -> dict[str, int]:
        wanted = {"RLIMIT_CORE": 0, "RLIMIT_CPU": self.cpu_seconds, "RLIMIT_FSIZE": self.file_bytes, "RLIMIT_NOFILE": 4096}
        return wanted | ({"RLIMIT_AS": self.memory_bytes} if self.memory_bytes and not self.cuda else {})


@dataclass(frozen=True)
class Rung:
    """One way to run a child. name: bwrap, landlock, rlimits.  uid: whom a root worker becomes, or 0."""

    name: str
    uid: int = 0
    answers: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def holds(self) -> bool:
        """Whether code of a stranger may run in it."""
        return self.name in ("bwrap", "landlock")

    def command(self, argv: list[str], folder: Path, bounds: Bounds) -> list[str]:
        """The whole command line that runs `argv` (its first word an absolute path) with `folder` as the only place to write."""
        plan: dict[str, Any] = {"limits": bounds.limits(), "parent": os.getpid(), "uid": self.uid, "seccomp": "try"}
        if self.name == "bwrap":
            plan |= {"parent": 0, "uid": 0, "limits": bounds.limits() | {"RLIMIT_NPROC": TASKS}}
        if self.name == "landlock":
            plan |= {"seccomp": "must", "landlock": {"look": [*readable(), "/proc", "/sys/devices/system"],
                                                     "change": [str(folder), *devices(bounds.cuda)]}}
        inner = [python(), "-I", "-S", str(HERE / "launch.py"), json.dumps(plan), *argv]
        return [*bwrap(folder, bounds.cuda), *inner] if self.name == "bwrap" else inner


def candidates() -> list[Rung]:
    """The rungs worth a probe here, best first; the last always works."""
    uids = [STRANGER, 0] if hasattr(os, "geteuid") and os.geteuid() == 0 else [0]
    rungs = []
    if sys.platform == "linux":
        rungs += [Rung("bwrap")] if shutil.which("bwrap") else []
        rungs += [Rung("landlock", uid) for uid in uids]
    return rungs + [Rung("rlimits", uid) for uid in uids]


def bwrap(folder: Path, cuda: bool) -> list[str]:
    """bwrap ignores SIGTERM (a shell sees to that), so that the group may be asked to stop and only the child inside hears it."""
    binds = [word for path in readable() for word in ("--ro-bind-try", path, path)]
    binds += [word for path in devices(True) if cuda and "nvidia" in path for word in ("--dev-bind-try", path, path)]
    inputs = folder / "in"
    return ["/bin/sh", "-c", 'trap "" TERM; exec "$@"', "sh", shutil.which("bwrap") or "bwrap",
            "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "cage",
            "--proc", "/proc", "--dev", "/dev", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm", *binds,
            "--ro-bind-try", "/sys/devices/system", "/sys/devices/system",
            "--dir", "/tmp", "--bind", str(folder), str(folder), "--ro-bind-try", str(inputs), str(inputs),
            "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(folder)]


def readable() -> list[str]:
    """The system, this Python and its packages, the craft, the launcher; never the folder of the project, where secrets may lie."""
    return [*SYSTEM, *dict.fromkeys((sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix))), str(CODE), str(HERE)]


def devices(cuda: bool) -> list[str]:
    plain = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
    return plain + ([str(path) for path in Path("/dev").glob("nvidia*")] if cuda else [])


def python() -> str:
    """The interpreter by a path that exists inside: the environment's own, not a shim."""
    return sys.executable
