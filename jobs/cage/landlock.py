"""Landlock by ctypes: only the named paths, no TCP, no signals to others. Linux 5.13 and later.

By itself it leaves Unix sockets by path, UDP and MPTCP open, so it is never used without the seccomp filter beside it.
Standard library only, like `seccomp.py`.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

CREATE, ADD, RESTRICT = 444, 445, 446           # the same on x86-64 and arm64
PR_SET_NO_NEW_PRIVS = 38
EXECUTE, WRITE, READ, LIST, TRUNCATE, IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE | READ | TRUNCATE | IOCTL
BITS = {1: 13, 2: 14, 3: 15, 4: 15}             # rights known to each version of the interface; 16 from version 5
LOOK = EXECUTE | READ | LIST
NET = 0b11                                      # bind and connect of TCP, from version 4
SCOPE = 0b11                                    # abstract sockets and signals, from version 6


def version() -> int:
    """The interface of this kernel, 0 where there is none."""
    return max(0, libc().syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def restrict(look: Iterable[str], change: Iterable[str]) -> None:
    """Allow reading and running beneath `look`, everything beneath `change`, and nothing else. Raises OSError."""
    abi = version()
    if abi < 1:
        raise OSError("this kernel has no Landlock")
    known = (1 << BITS.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", known, NET, SCOPE)[:8 if abi < 4 else 16 if abi < 6 else 24]
    rules = checked(libc().syscall(CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)), "create")
    for paths, rights in ((look, LOOK), (change, known)):
        for path in paths:
            allow(rules, path, rights & known)
    checked(libc().prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))), "no_new_privs")
    checked(libc().syscall(RESTRICT, rules, ctypes.c_uint(0)), "restrict")
    os.close(rules)


def allow(rules: int, path: str, rights: int) -> None:
    """One rule; a path that is not there needs none."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= OF_FILES
    checked(libc().syscall(ADD, rules, ctypes.c_int(1), struct.pack("=Qi", rights, fd), ctypes.c_uint(0)), path)
    os.close(fd)


def checked(answer: int, what: str) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {what}")
    return answer


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
