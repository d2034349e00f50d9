"""One way to measure every candidate of a job: the same rows, the same baseline, the same device, the same rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optimizers.candidate import ClassRow, Dependence, Fidelity, Importance, Scores
from optimizers.coding.transfer import NO_GAIN
from optimizers.goal import Breach, Goal
from optimizers.measure import device_model, explain, latency, sparse_size
from optimizers.measure.judge import judge_of
from optimizers.measure.memory import arithmetic, needs
from optimizers.measure.shipped import Shipped
from optimizers.measurement import Change, Measurement
from optimizers.search import gate
from optimizers.search.evidence import demand

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network


@dataclass(frozen=True)
class Figures:
    """What was measured of one file. likely: as many resamplings of validation keep the floor as `evidence.demand` asks."""

    measurements: dict[str, Measurement]
    validation: float
    fits: bool
    broke: tuple[Breach, ...]
    floor_held_on_test: bool | None
    change: Change | None = None
    classes: tuple[ClassRow, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    fidelity: tuple[Fidelity, ...] = ()
    importance: tuple[Importance, ...] = ()
    dependence: tuple[Dependence, ...] = ()
    scores: tuple[Scores, ...] = ()
    residuals: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()
    likely: bool = False


@dataclass
class Yardstick:
    """The baseline is whatever is measured first; everything later is compared with it on the same rows, in the same races."""

    data: Dataset
    device: Device | None
    goal: Goal
    seed: int = 0
    baseline: Shipped | None = None
    answers: dict[str, Any] = field(default_factory=dict)        # of the baseline, by split
    scores: dict[str, float] = field(default_factory=dict)
    costs: dict[str, Measurement] = field(default_factory=dict)         # of the baseline
    explain_seconds: float = explain.SECONDS                            # for each file, about

    def __post_init__(self) -> None:
        self.judge = judge_of(self.data, self.goal.metric, self.seed, self.explain_seconds)

    def validation(self, shipped: Shipped) -> float:
        """The goal's metric on the validation split: what every choice is made by."""
        return self.judge.score("validation", self.judge.answers(shipped, "validation"))

    def measure(self, shipped: Shipped) -> Figures:
        """Everything about one file. The test split is touched here, once, and nothing is chosen by it."""
        validation, test = (self.judge.answers(shipped, split) for split in ("validation", "test"))
        first = self.baseline is None
        if first:
            self.become_baseline(shipped, validation, test)
        measured = self.judge.measurements(test, shipped.runtime) | self.cost(shipped)
        if first:
            self.costs = measured
        held, broke = self.gate(shipped, validation, test, measured)
        details = self.judge.details(shipped, self.answers["test"], test)
        measured |= details.pop("measurements", {})
        notes = (*self.notes(measured, shipped, first), *details.pop("notes", ()))
        return Figures(measured, self.judge.score("validation", validation), not broke, broke, held, notes=notes,
                       likely=self.likely(validation), change=None if first else self.judge.change(self.answers["test"], test), **details)

    def become_baseline(self, shipped: Shipped, validation: Any, test: Any) -> None:
        self.baseline, self.answers = shipped, {"validation": validation, "test": test}
        self.scores = {name: self.judge.score(name, answers) for name, answers in self.answers.items()}

    def cost(self, shipped: Shipped) -> dict[str, Measurement]:
        """Size, download, time, memory and energy; what cannot be told is left out rather than guessed."""
        found = {"size_kib": Measurement(value=shipped.bytes / 1024, unit="KiB", origin="measured", how=f"Bytes of {shipped.name} / 1024")}
        found["download_kib"] = Measurement(value=shipped.transfer.size / 1024, unit="KiB", origin="measured", how=shipped.transfer.how)
        found |= self.time(shipped)
        need = needs(shipped.network)
        if need.total_macs:
            found["macs"] = Measurement(value=need.total_macs, unit="MACs", origin="modelled",
                                        how="Multiply-accumulates of one row, counted in the graph's shapes")
        if self.device is not None:
            found |= self.on_device(need, shipped, found["latency_ms"])
        return found

    def time(self, shipped: Shipped) -> dict[str, Measurement]:
        found = {}
        contestants = {"baseline": self.baseline, "this": shipped} if self.baseline is not shipped else {"this": shipped}
        for batch, name in latency.batches(self.data.row_shape).items():
            if batch > 1 and shipped.fixed_batch:
                continue
            race = latency.race(contestants, self.data.test.x, batch, seconds=1.5)
            found[name] = race.median("this")
            if self.data.kind == "table" and batch in latency.THROUGHPUTS:
                found[latency.THROUGHPUTS[batch]] = race.throughput("this")
            if len(contestants) > 1:
                found["speedup" if batch == 1 else f"speedup_b{batch}"] = race.speedup("this", "baseline")
        return found

    def on_device(self, need, shipped: Shipped, here: Measurement) -> dict[str, Measurement]:
        device, found = self.device, {}
        found["flash_kib"] = device_model.flash(need.weight_bytes, shipped.bytes, device)
        if need.peak_bytes is not None:
            found["ram_kib"] = device_model.ram(need.peak_bytes, shipped.bytes, device)
        if device.here:
            took: Measurement | None = here
        elif need.comparisons:
            took = device_model.walking(need.comparisons, device)
        else:
            took = device_model.latency(need.macs, device) if need.macs else None
        if took is not None:
            found["device_latency_ms"] = took
            found["energy_mj"] = device_model.energy(took, device)
        return {name: value for name, value in found.items() if value is not None}

    def gate(self, shipped: Shipped, validation: Any, test: Any,
             measured: dict[str, Measurement]) -> tuple[bool | None, tuple[Breach, ...]]:
        """Whether the floor held on test (told, never used), and every line that is broken; the floor is judged on validation."""
        least, on_test = (gate.floor(self.goal, self.scores[split]) for split in ("validation", "test"))
        quality = self.judge.score("validation", validation)
        broke = (*gate.dtype_breach((arithmetic(shipped.network),), self.device), *gate.floor_breach(quality, least),
                 *gate.budget_breaches(measured, self.goal, self.device))
        held = None if on_test is None else not gate.floor_breach(self.judge.score("test", test), on_test)
        return held, broke

    def likely(self, validation: Any) -> bool:
        """Whether the floor is kept on validation, and in most paired resamplings of it: a point estimate alone favours the lucky."""
        least = gate.floor(self.goal, self.scores["validation"])
        if least is None:
            return True
        room = 100 * (self.scores["validation"] - least)
        return self.judge.keeps(self.answers["validation"], validation, room) >= demand(len(self.data.validation)).share

    def slower(self, measured: dict[str, Measurement]) -> str | None:
        """The sentence on a file that is slower than the original where it will run: as measured here, else as modelled for the device."""
        if self.device is None or self.device.here:
            speedup, where = measured.get("speedup"), "on this machine"
            factor = 1 / speedup.value if speedup is not None else 0.0
        else:
            before, now = self.costs.get("device_latency_ms"), measured.get("device_latency_ms")
            factor, where = now.value / before.value if before and now and before.value else 0.0, f"on {self.device.title}, as modelled"
        return f"Slower than the original {where}: {factor:.2g} times." if factor > 1.05 else None

    def notes(self, measured: dict[str, Measurement], shipped: Shipped, first: bool) -> tuple[str, ...]:
        said = []
        if first and self.judge.chance(self.scores["validation"]):
            said.append("The network answers little better than chance here: look at the preprocessing and the order of the classes.")
        if slower := self.slower(measured):
            said.append(slower)
        if shipped.network.coded and shipped.transfer.content is None:
            said.append(NO_GAIN)
        return (*said, *(sparse_size.sentences(shipped) if shipped.network.sparse and not shipped.network.shared else ()))


def shipped(network: Network) -> Shipped:
    """The network as the file that would leave: batch norm folded, shared weights in codes, slimmed, no name changed that a person chose.
    """
    from optimizers.export.codebook import with_books
    from optimizers.export.slim import slim
    from optimizers.models.fold import fold_batch_norm

    proto = fold_batch_norm(network.proto) if network.state == "float" else network.proto
    return Shipped(network.with_(proto=slim(with_books(proto) if network.shared else proto, rename=False)))
