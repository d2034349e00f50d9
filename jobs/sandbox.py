"""One child process in its cage: start, hear line by line, ask to stop, kill as a group, and tell how it ended."""

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from jobs.cage.ladder import climb
from jobs.cage.rungs import CODE, TASKS, Bounds, Rung, python

LINE = 1024 * 1024              # bytes of the longest line that is heard
TAIL = 64 * 1024                # bytes of stderr that are kept, for the log
PIECE = 256 * 1024
CROWD = f"cage: more than {TASKS} processes"


@dataclass(frozen=True)
class End:
    """How a child ended. code: exit status, or None when a signal did it.  peak_bytes: most resident memory of one of its processes,
    as the kernel's own high-water marks said when they were looked at, four times a second (bwrap does not hand rusage on)."""

    code: int | None
    signal: int | None
    peak_bytes: int
    stderr: str


def rung() -> Rung:
    """The cage in use here; the first call probes, which takes about a tenth of a second."""
    return climb(work_root())[0]


def work_root() -> Path:
    """Where work folders lie; a child that runs as another user passes through, and lists nothing."""
    root = Path(settings.DATA_DIR) / "work"
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o711)
    return root


def craft(folder: Path) -> list[str]:
    """The command line of the craft for a work folder that `workspace` laid out."""
    return [python(), "-P", "-m", "optimizers", "run", str(folder)]


class Child:
    """A running child. Its folder holds in/, out/, checkpoint/, scratch/; scratch/ is where it starts."""

    def __init__(self, argv: list[str], folder: Path, bounds: Bounds, rung: Rung) -> None:
        self.dropped = 0                    # lines too long to be heard
        self.bounds, self.pending, self.skipping = bounds, b"", False
        self.tail = bytearray()
        self.peak_bytes, self.weighed_at = 0, 0.0
        self.end: End | None = None
        # start_new_session and not preexec_fn: nothing of ours may run between fork and exec in a process that has threads
        self.process = subprocess.Popen(
            rung.command(argv, folder, bounds), env=environment(folder, bounds), cwd=folder / "scratch", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, close_fds=True, bufsize=0)
        self.pipes = selectors.DefaultSelector()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self.pipes.register(pipe, selectors.EVENT_READ)

    def lines(self, seconds: float) -> list[bytes]:
        """What was said since the last call, waiting at most `seconds` for the first word; sets `end` when the child is gone."""
        said = self.hear(seconds)
        self.weigh()
        if not said and self.gone():
            until = time.monotonic() + 2
            while self.pipes.get_map() and self.pipes.select(0) and time.monotonic() < until:
                said += self.hear(0)            # what it said last still lies in the pipe
            self.bury()
        return said

    def hear(self, seconds: float) -> list[bytes]:
        said: list[bytes] = []
        if not self.pipes.get_map():
            time.sleep(min(seconds, 0.05))      # both pipes closed: gone, or pretending to be
            return said
        for key, _ in self.pipes.select(seconds):
            data = os.read(key.fd, PIECE)
            if not data:
                self.pipes.unregister(key.fileobj)
            elif key.fileobj is self.process.stdout:
                said += self.split(data)
            else:
                self.tail = (self.tail + data)[-TAIL:]
        return said

    def split(self, data: bytes) -> list[bytes]:
        """Whole lines out of the stream; of one that is too long, nothing."""
        *lines, self.pending = (self.pending + data).split(b"\n")
        if lines and self.skipping:
            del lines[0]
            self.skipping = False
        kept = [line for line in lines if 0 < len(line) <= LINE]
        self.dropped += sum(len(line) > LINE for line in lines)
        if len(self.pending) > LINE:
            self.dropped += not self.skipping
            self.pending, self.skipping = b"", True
        return kept

    def gone(self, wait: bool = False) -> bool:
        """Whether it has ended. What it left running is killed while its group still has its number; the status stays for `bury`."""
        if self.end is None and os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG)) is None:
            return False
        self.kill()
        return True

    def bury(self) -> None:
        """Collect the exit status."""
        if self.end is not None:
            return
        _, status = os.waitpid(self.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        if code > 128 and code - 128 in set(signal.Signals):        # bwrap's way to say that a signal did it
            code = 128 - code
        self.end = End(code if code >= 0 else None, -code if code < 0 else None, self.peak_bytes,
                       bytes(self.tail).decode(errors="replace"))

    def weigh(self) -> None:
        """Four times a second. The limits of the kernel hold for each process alone, and their number is not limited for root:
        what they are together, and how many, is held here."""
        if self.end is not None or time.monotonic() - self.weighed_at < 0.25:
            return
        peak, resident = family_of(self.process.pid)
        self.peak_bytes, self.weighed_at = max(self.peak_bytes, peak), time.monotonic()
        bound = self.bounds.memory_bytes
        if len(resident) > TASKS:
            self.put_down(CROWD)
        elif 0 < bound < sum(resident.values()) and not self.bounds.cuda and bound < sum(map(share_of, resident)):
            self.put_down("cage: MemoryError, all processes together")

    def put_down(self, why: str) -> None:
        self.kill()
        self.tail += f"\n{why}\n".encode()

    def ask_to_stop(self) -> None:
        """SIGTERM: keep what is found, then go."""
        self.signal_group(signal.SIGTERM)

    def kill(self) -> None:
        self.signal_group(signal.SIGKILL)

    def signal_group(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def close(self) -> None:
        """Leave nothing behind, however this is reached."""
        if self.end is None:
            self.kill()
            self.gone(wait=True)
            self.bury()
        self.pipes.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def environment(folder: Path, bounds: Bounds) -> dict[str, str]:
    """Everything the child knows of the world. Nothing is inherited: secrets live in the environment of the worker."""
    threads = str(bounds.threads)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "scratch"), "LANG": "C.UTF-8",
        "USER": "cage", "LOGNAME": "cage", "PYTHONPATH": str(folder / "code"), "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
    } | ({} if bounds.cuda else {"CUDA_VISIBLE_DEVICES": ""})


def family_of(pid: int) -> tuple[int, dict[int, int]]:
    """(largest high-water mark of one, what each has resident now), in bytes, of a process and its descendants; nothing where there is
    no /proc to read. Looks no further than one more than TASKS."""
    resident: dict[int, int] = {}
    peak, heap = 0, [pid]
    while heap and len(resident) <= TASKS:
        at = heap.pop()
        try:
            status = Path(f"/proc/{at}/status").read_text()
            for task in os.listdir(f"/proc/{at}/task"):        # any thread may have started one
                heap += map(int, Path(f"/proc/{at}/task/{task}/children").read_text().split())
        except OSError:
            continue
        peak, resident[at] = max(peak, in_bytes(status, "VmHWM:")), in_bytes(status, "VmRSS:")
    return peak, resident


def share_of(pid: int) -> int:
    """Bytes of a process, those it shares with others divided among them; dearer to read than what is resident."""
    try:
        return in_bytes(Path(f"/proc/{pid}/smaps_rollup").read_text(), "\nPss:")
    except OSError:
        return 0


def in_bytes(status: str, name: str) -> int:
    """
    >>> in_bytes("VmHWM:      12 kB\\nVmRSS:      10 kB\\n", "VmRSS:"), in_bytes("Name: zombie", "VmRSS:")
    (10240, 0)
    """
    found = status.partition(name)[2].split(maxsplit=1)
    return int(found[0]) * 1024 if found else 0


def lay_code(folder: Path) -> None:
    """A folder whose only entry is the craft: the child imports from here and never lists the project's own folder."""
    (folder / "code").mkdir()
    (folder / "code" / "optimizers").symlink_to(CODE)


def used_bytes(folder: Path) -> int:
    """What the child has written, inputs aside; links are not followed, and files that vanish meanwhile count nothing."""
    total, heap = 0, [str(folder / name) for name in ("out", "checkpoint", "scratch")]
    deadline = time.monotonic() + 2         # a folder of a million files must not hold the parent up
    while heap and time.monotonic() < deadline:
        try:
            with os.scandir(heap.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        heap.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total
