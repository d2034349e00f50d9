"""One terminal, many processes: every line with the name of its speaker, in a colour of its own."""

import os
import sys
import threading
from typing import IO

COLOURS = {"up": "1;37", "postgres": "34", "valkey": "35", "web": "32", "worker": "33", "beat": "36"}


HUSH = {    # lines that alarm a newcomer and mean nothing here
    "valkey": ("Memory overcommit must be enabled", "signal-handler", "ready to exit"),
    "postgres": ("the database system is starting up",),
}


def coloured(stream: IO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


def prefix(name: str, colour: bool) -> str:
    """
    >>> prefix("web", colour=False)
    'web      | '
    """
    text = f"{name:<9}| "
    return f"\033[{COLOURS.get(name, '37')}m{text}\033[0m" if colour else text


def say(name: str, line: str, stream: IO = sys.stdout) -> None:
    """One whole line in one write, so that speakers do not interleave."""
    try:
        stream.write(f"{prefix(name, coloured(stream))}{line}\n")
        stream.flush()
    except (BrokenPipeError, ValueError):           # nobody listens any more: a closed terminal ends no service
        pass


def relay(name: str, source: IO[bytes]) -> threading.Thread:
    """Say every line of a child's output until it ends."""

    def pump() -> None:
        for raw in source:
            line = raw.decode("utf-8", "replace").rstrip()
            if line and not any(words in line for words in HUSH.get(name, ())):
                say(name, line)

    thread = threading.Thread(target=pump, name=f"voice of {name}", daemon=True)
    thread.start()
    return thread
