"""Start a program that cannot outlive us: `python leash.py HOW PARENT UID GID SIGNAL -- COMMAND...` (UID -1 keeps the account).

HOW "kernel", on Linux: the kernel sends SIGNAL to the program when its parent dies, so this process becomes the program.
HOW "pipe", elsewhere: this process stays, and when the pipe on its standard input ends (the parent died) it passes SIGNAL on,
then SIGKILL after 10 s.
A file of its own without imports from the project: it starts in milliseconds, before the account is changed.
"""

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
GRACE_S = 10


def drop(uid: int, gid: int) -> None:
    """Become another account; only root can."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def become(command: list[str], number: int, parent: int) -> None:
    """Ask the kernel for SIGNAL at the parent's death, then turn into the program. After setuid: a change of account clears the wish."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:          # the parent died between fork and here
        sys.exit(1)
    os.execv(command[0], command)


def watch(command: list[str], number: int) -> int:
    """Run the program as our child, pass signals on, and end it when standard input ends. Returns its exit status."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(command[0], command)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(name, lambda received, _frame: os.kill(child, received))

    def parent_gone() -> None:
        while os.read(0, 1024):
            pass
        os.kill(child, number)
        threading.Event().wait(GRACE_S)
        os.kill(child, signal.SIGKILL)

    threading.Thread(target=parent_gone, daemon=True).start()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(arguments: list[str]) -> None:
    how, parent, uid, gid, number = arguments[0], *map(int, arguments[1:5])
    command = arguments[6:]
    try:
        drop(uid, gid)
        os.umask(0o077)
        if how == "kernel":
            become(command, number, parent)
        sys.exit(abs(watch(command, number)))
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
