"""Both embedded servers, started together and stopped in order; what `manage.py up` and the test session stand on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from webapp.up import postgres, valkey
from webapp.up.child import Child, wait_until


def start(server, seconds: float, output: int | IO | None = None) -> Child:
    """Prepare and start one server; returns its child once it answers. Raises RuntimeError when it does not in time."""
    server.prepare()
    child = server.child()
    child.start(output)
    if not wait_until(server.ready, child.process, seconds):
        child.stop()
        raise RuntimeError(f"{server.name} did not answer within {seconds:.0f} s; its log is above")
    server.settle()
    return child


@contextmanager
def embedded(data: Path, output: int | IO | None = None) -> Iterator[tuple[str, str]]:
    """Yield (DATABASE_URL, REDIS_URL) of a Postgres and a Valkey that live as long as the block."""
    children: list[Child] = []
    try:
        servers = postgres.Postgres(data), valkey.Valkey(data)
        for server, seconds in zip(servers, (postgres.START_S, valkey.START_S), strict=True):
            children.append(start(server, seconds, output))
        yield servers[0].url, servers[1].url
    finally:
        for child in reversed(children):
            child.stop()
