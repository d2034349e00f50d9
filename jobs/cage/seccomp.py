"""A seccomp filter by ctypes: the system calls a child has no business with answer EPERM. Linux on x86-64 and arm64.

Standard library only: `launch.py` imports this file by itself, before any of the project is in sight.
"""

import ctypes
import errno
import os
import struct

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06      # BPF: ld [k]; jeq; jge; ret
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
X32 = 0x40000000                # on x86-64, a second numbering of the same calls

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
CALLS = {                       # name: (x86-64, arm64)
    "socket": (41, 198),        # every network, and Unix sockets by path: Postgres and Redis stand behind those
    "io_uring_setup": (425, 425),       # would open sockets without `socket`
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "move_mount": (429, 429), "fsopen": (430, 430),
    "open_by_handle_at": (304, 265), "unshare": (272, 97), "setns": (308, 268),
    "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "setsid": (112, 157), "setpgid": (109, 154),        # the child is killed as a group: it must not leave it
}


def program(machine: str) -> bytes:
    """The filter for one architecture. Raises OSError for one that is not known here.

    >>> len(program("x86_64")) // 8 - len(program("aarch64")) // 8
    1
    """
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no seccomp numbers for {machine}")
    arch, column = ARCHITECTURES[machine]
    numbers = sorted({pair[column] for pair in CALLS.values()})
    lines = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if machine == "x86_64":
        lines.append((JUMP_AT_LEAST, len(numbers) + 1, 0, X32))
    for i, number in enumerate(numbers):
        lines.append((JUMP_EQUAL, len(numbers) - i, 0, number))
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install() -> None:
    """Filter this process and all it will ever start. Raises OSError where the kernel or the architecture does not offer it."""
    code = program(os.uname().machine)
    held = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    long = ctypes.c_ulong
    if libc.prctl(PR_SET_NO_NEW_PRIVS, long(1), long(0), long(0), long(0)):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, long(MODE_FILTER), ctypes.byref(Program(len(code) // 8, ctypes.addressof(held))), long(0), long(0)):
        raise OSError(ctypes.get_errno(), "seccomp")
