"""Upload and download through jobs.store against a raw psycopg copy of the same bytes, in one run.

    python -m benchmarks.store [--mb 256] [--rounds 3]

Starts its own embedded Postgres in a temporary folder unless DATABASE_URL is set. The raw copy writes the same 1 MB rows into a table of
its own with one prepared statement, and reads them back; it hashes nothing, looks nothing up and keeps no index of places. Rounds are
interleaved, the median is told. Memory is this process's high-water mark above where it stood before the first byte.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

MB = 1024**2


def fresh(mb: int):
    """`mb` pieces of 1 MB that no chunk of the store has yet, made as they are asked for."""
    for _ in range(mb):
        yield os.urandom(MB)


def raw_write(mb: int) -> float:
    import psycopg

    from jobs.chunks import raw

    with raw() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS raw_copy (n int PRIMARY KEY, data bytea)")
        cursor.execute("ALTER TABLE raw_copy ALTER COLUMN data SET STORAGE EXTERNAL")
        cursor.execute("TRUNCATE raw_copy")
        started = time.perf_counter()
        for first in range(0, mb, 8):
            with cursor.connection.transaction():
                for n in range(first, min(mb, first + 8)):
                    cursor.execute("INSERT INTO raw_copy VALUES (%b, %b)", [n, psycopg.Binary(os.urandom(MB))])
    return mb / (time.perf_counter() - started)


def raw_read(mb: int) -> float:
    from jobs.chunks import raw

    started = time.perf_counter()
    with raw() as cursor:
        for first in range(0, mb, 4):
            cursor.execute("SELECT data FROM raw_copy WHERE n >= %b AND n < %b ORDER BY n", [first, first + 4])
            cursor.fetchall()
    return mb / (time.perf_counter() - started)


def store_round(mb: int) -> tuple[float, float, float]:
    """MB/s in, MB/s out, and milliseconds for 64 KB from the middle."""
    from jobs import store

    started = time.perf_counter()
    blob = store.put(fresh(mb))
    written = mb / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in store.read(blob):
        pass
    read = mb / (time.perf_counter() - started)
    started = time.perf_counter()
    b"".join(store.read(blob, blob.size // 2, blob.size // 2 + 65536))
    middle = (time.perf_counter() - started) * 1000
    store.delete(blob)
    return written, read, middle


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else MB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="espalier-bench-")))
        os.environ["ESPALIER_DATA"] = str(data)
        os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
        if not os.environ.get("DATABASE_URL"):
            from webapp.up import postgres
            from webapp.up.embedded import start

            stack.callback(start(postgres.Postgres(data), postgres.START_S, (data / "log").open("ab")).stop)
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0, skip_checks=True)
        stack.callback(connections.close_all)
        compare(options.mb, options.rounds)


def compare(mb: int, rounds: int) -> None:
    raw_write(8), raw_read(8), store_round(8)           # connections, caches, the first WAL segment
    before = peak_mb()
    table: dict[str, list[float]] = {name: [] for name in ("raw in", "raw out", "store in", "store out", "64 KB")}
    for _ in range(rounds):
        table["raw in"].append(raw_write(mb))
        table["raw out"].append(raw_read(mb))
        for name, value in zip(("store in", "store out", "64 KB"), store_round(mb), strict=True):
            table[name].append(value)
    middle = {name: statistics.median(values) for name, values in table.items()}
    print(f"{mb} MB of fresh random bytes, {rounds} interleaved rounds, medians (lowest to highest)\n")
    for way in ("in", "out"):
        low, high = min(table[f"store {way}"]), max(table[f"store {way}"])
        print(f"{way:>4}  store {middle[f'store {way}']:6.0f} MB/s ({low:.0f} to {high:.0f})   raw copy {middle[f'raw {way}']:6.0f} MB/s   "
              f"ratio {middle[f'store {way}'] / middle[f'raw {way}']:.2f}")
    print(f"64 KB from the middle: {middle['64 KB']:.1f} ms")
    print(f"memory added: {peak_mb() - before:.0f} MB")


if __name__ == "__main__":
    main()
