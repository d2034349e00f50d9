"""Which cage holds here: each rung is tried by running the probe in it, against real listeners and a real secret of ours."""

import functools
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.cage.rungs import HERE, Bounds, Rung, candidates, python

FORBIDDEN = {"bwrap": ("tcp", "udp", "unix socket", "read a secret", "read /etc/shadow", "write outside", "see the worker"),
             "landlock": ("tcp", "udp", "unix socket", "read a secret", "read /etc/shadow", "write outside", "see the worker"),
             "rlimits": ()}
NEEDED = ("write inside", "run threads")
PLAIN = Bounds(memory_bytes=4 * 1024**3, cpu_seconds=10, file_bytes=1024**2)


@functools.cache
def climb(where: Path | None = None) -> tuple[Rung, dict[str, dict[str, str]]]:
    """The best rung whose walls stood, and what every probe answered: {"landlock as 61184": {"tcp": "refused: ...", ...}, ...}.

    where: the folder that work folders lie in, which another user may not be able to reach; default the temporary folder.
    """
    told: dict[str, dict[str, str]] = {}
    for rung in candidates():
        answers = probe(rung, where)
        told[rung.name + (f" as {rung.uid}" if rung.uid else "")] = answers
        if stands(rung, answers):
            return replace(rung, answers=answers), told
    return Rung("rlimits"), told


def stands(rung: Rung, answers: dict[str, str]) -> bool:
    return (all(answers.get(name, "").startswith("refused") for name in FORBIDDEN[rung.name])
            and all(answers.get(name) == "possible" for name in NEEDED))


def probe(rung: Rung, where: Path | None = None) -> dict[str, str]:
    """What is possible inside; {"start": reason} where the cage itself could not be built."""
    with ExitStack() as stack:
        outside = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cage-probe-")))
        os.chmod(outside, 0o711)        # the socket must be within reach, or its refusal would prove nothing
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="0-probe-", dir=where)))
        (folder / "scratch").mkdir()
        secret = outside / "secret"
        secret.write_text(secrets.token_hex())
        secret.chmod(0o600)
        if rung.uid:
            shutil.chown(folder, rung.uid, rung.uid)
        at: dict[str, Any] = {"unix": str(outside / "socket"), "secret": str(secret), "outside": str(outside / "new"),
                              "inside": str(folder / "new"), "worker": os.getpid()}
        for name, family, kind in (("tcp", socket.AF_INET, socket.SOCK_STREAM), ("udp", socket.AF_INET, socket.SOCK_DGRAM),
                                   ("unix", socket.AF_UNIX, socket.SOCK_STREAM)):
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(at["unix"] if name == "unix" else ("127.0.0.1", 0))
            if name != "unix":
                at[name] = listener.getsockname()[1]
            if kind == socket.SOCK_STREAM:
                listener.listen()
        os.chmod(at["unix"], 0o777)
        return run(rung, [python(), "-I", "-S", str(HERE / "probe.py"), json.dumps(at)], folder)


def run(rung: Rung, argv: list[str], folder: Path) -> dict[str, str]:
    try:
        done = subprocess.run(rung.command(argv, folder, PLAIN), capture_output=True, timeout=20, env={}, stdin=subprocess.DEVNULL,
                              start_new_session=True, cwd=folder)
        if done.returncode == 0:
            return json.loads(done.stdout)
        return {"start": f"status {done.returncode}: {done.stderr.decode(errors='replace').strip()[:300]}"}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {"start": str(error)[:300]}
