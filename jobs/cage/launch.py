"""The first program inside the cage: takes everything away from itself, then becomes the command it was given.

    python -I -S launch.py '{"limits": {...}, ...}' COMMAND ...

Standard library only. A file of its own because a worker with threads must not run Python between fork and exec.
Exit status 97: a wall could not be put up; the command was not run.
"""

import ctypes
import json
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))      # the two walls lie beside this file; -I keeps its folder away

import landlock
import seccomp

PR_SET_PDEATHSIG, PR_CAPBSET_DROP = 1, 24


def main(plan: dict, command: list[str]) -> None:
    """plan: limits {name: soft and hard}, uid (0: stay), landlock {look, change}, seccomp ("must", "try" or ""),
    parent (process id, or 0 inside another pid namespace)."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)       # bwrap was told to ignore it, so that the group may be asked to stop
    for name, value in plan["limits"].items():
        ceiling = resource.getrlimit(getattr(resource, name))[1]
        value = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(getattr(resource, name), (value, value))
    if plan.get("uid"):
        os.setgroups([])
        os.setresgid(*[plan["uid"]] * 3)
        os.setresuid(*[plan["uid"]] * 3)
    drop_capabilities()
    die_with_parent(plan.get("parent", 0))
    if walls := plan.get("landlock"):
        landlock.restrict(walls["look"], walls["change"])
    if plan.get("seccomp"):
        try:
            seccomp.install()
        except OSError:
            if plan["seccomp"] == "must":
                raise
    os.execv(command[0], command)


def drop_capabilities() -> None:
    """Even root keeps none: with them it could look into the memory of others past Landlock. A user who has none loses nothing."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for number in range(64):
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number))
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def die_with_parent(parent: int) -> None:
    """SIGKILL when the worker's thread dies, however it dies. After the change of user, which would clear it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if parent and os.getppid() != parent:
        os._exit(97)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]), sys.argv[2:])
    except OSError as error:
        print(f"cage: {error}", file=sys.stderr)
        os._exit(97)
