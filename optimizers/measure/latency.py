"""How long one call takes: contestants take turns in one run, so a busy moment hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizers.measure import host, statistics
from optimizers.measure.shipped import Shipped
from optimizers.measurement import Measurement

REPEATS = 41
SAMPLE_SECONDS = 0.002      # calls are grouped until a sample takes this long, so the clock's own cost vanishes
BATCHES = {1: "latency_ms", 64: "latency_b64_ms"}
OF_TABLES = {1000: "latency_b1000_ms"}      # where a row is short, many are asked at once
THROUGHPUTS = {1: "rows_s", 1000: "rows_b1000_s"}


def batches(row_shape: tuple[int, ...]) -> dict[int, str]:
    """Rows in a call -> the measurement's name, for rows of a shape."""
    return BATCHES | OF_TABLES if len(row_shape) == 1 else BATCHES


@dataclass(frozen=True)
class Race:
    """samples: contestant -> (repeats,) milliseconds a call; row i of every contestant was taken within the same few milliseconds.

    runtimes: contestant -> what executes it.
    """

    samples: dict[str, np.ndarray]
    batch: int
    threads: int
    runtimes: dict[str, str]

    def median(self, name: str) -> Measurement:
        middle, low, high = statistics.median_interval(self.samples[name])
        return Measurement(value=middle, unit="ms", origin="measured", low=low, high=high, n=len(self.samples[name]),
                           how=f"{self.how()}, {self.runtimes[name]}")

    def throughput(self, name: str) -> Measurement:
        """Rows a second: batch / median."""
        found = self.median(name)
        rows = [None if value is None else 1e3 * self.batch / value for value in (found.value, found.high, found.low)]
        return Measurement(value=rows[0] or 0.0, unit="rows/s", origin="measured", low=rows[1], high=rows[2], n=found.n,
                           how=f"Batch / latency. {found.how}")

    def speedup(self, name: str, baseline: str) -> Measurement:
        """Median of baseline / name over the repeats: above 1 is faster."""
        middle, low, high = statistics.median_interval(self.samples[baseline] / self.samples[name])
        return Measurement(value=middle, unit="times", origin="measured", low=low, high=high, n=len(self.samples[name]),
                           how=f"Ratio of interleaved repeats in the same run, {self.runtimes[baseline]} / {self.runtimes[name]}; "
                               f"{self.how()}")

    def how(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        clock = "processor time" if self.threads == 1 else "wall time"
        repeats = len(next(iter(self.samples.values())))
        return f"Median {clock} of {repeats} interleaved repeats, batch {self.batch}, {threads}, {host.name()}"


def race(contestants: dict[str, Shipped], rows: np.ndarray, batch: int = 1, repeats: int = REPEATS, seconds: float = 2.0) -> Race:
    """Time each contestant in turn, `repeats` times. rows: raw, at least one; repeated up to the batch.

    Feeding is not timed.  seconds: about how long it may take; repeats shrink to no fewer than 7.
    One thread is timed by its own processor time, which other work on the machine does not lengthen; more threads by the wall.
    """
    threads = max(shipped.threads for shipped in contestants.values())
    calls = {name: ready(shipped, rows, batch) for name, shipped in contestants.items()}
    clock = time.thread_time if threads == 1 else time.perf_counter
    counts, each = {}, 0.0
    for name, call in calls.items():
        call()
        took = min(timed(call, 1, clock), timed(call, 3, clock))
        counts[name] = max(1, round(SAMPLE_SECONDS / max(took, 1e-7)))
        each += took * counts[name]
    repeats = int(min(repeats, max(7, seconds / max(each, 1e-6))))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for turn in range(repeats):
        for name in order if turn % 2 == 0 else reversed(order):        # nobody always runs first
            taken[name].append(1e3 * timed(calls[name], counts[name], clock))
    return Race({name: np.array(values) for name, values in taken.items()}, batch, threads,
                {name: shipped.runtime for name, shipped in contestants.items()})


def ready(shipped: Shipped, rows: np.ndarray, batch: int) -> Callable[[], object]:
    size = shipped.fixed_batch or batch
    inputs = shipped.feed(np.resize(rows[:size], (size, *rows.shape[1:])))
    session, outputs = shipped.session, list(shipped.outputs)
    return lambda: session.run(outputs, inputs)


def timed(call: Callable[[], object], times: int, clock: Callable[[], float]) -> float:
    """Seconds of one call, averaged over `times` of them."""
    start = clock()
    for _ in range(times):
        call()
    return (clock() - start) / times
