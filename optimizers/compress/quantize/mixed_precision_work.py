"""Mixed precision at work: measure each layer at each width, order the savings by what they cost, and go as far as is allowed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from optimizers.compress.quantize.bench import Bench, quiet
from optimizers.compress.quantize.static_work import activation_type, kept_layers, lowered, reduced
from optimizers.measure import sensitivity

if TYPE_CHECKING:
    from optimizers.candidate import Sensitivity
    from optimizers.compress.quantize.mixed_precision import MixedPrecision
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network


class Saving(NamedTuple):
    """One layer made narrower. error: how far the outputs move for it, as a share of their variance.  bytes: saved."""

    layer: str
    bits: int
    error: float
    bytes: float


def mix(technique: MixedPrecision, model: Network, data: Dataset, ctx: Context) -> Network:
    """The network with bits by layer; its sensitivity has a row for each layer and width that was measured."""
    static = technique.static()
    with tempfile.TemporaryDirectory(dir=ctx.scratch) as folder, quiet():
        bench = Bench(static, model, Path(folder), data.calibration(technique.rows, ctx.seed), reduced(static, ctx.device))
        alone = bench.measure_layers(data, ctx, technique.keep_above)
        kept, narrow = kept_layers(bench, ctx.device, (row.layer for row in alone if row.kept_float))
        whole = bench.bits_of(kept)
        activation = activation_type(static, ctx.device)
        plain = bench.quantized(kept, activation=activation)
        rows, savings = measured(technique, bench, plain, kept, activation, data, ctx)
        sizes = {name: bench.floats[name].weight.size for name in whole}
        # the last saving on a layer in an order is the one that counts: a layer goes from 8 to 4 and then from 4 to 2
        ordered = in_order(savings)

        def at(count: int) -> dict[str, int]:
            return whole | {saving.layer: saving.bits for saving in ordered[:count]}

        if technique.weights_kib:
            count = enough(at, sizes, technique.weights_kib * 1024, len(ordered))
        else:
            count = bearable(at, bench, plain, kept, activation, technique.max_loss, len(ordered), data, ctx)
        bits = at(count)
        ctx.report(0.8, "rounding")
        best, notes = lowered(bench, kept, narrow, bench.coded(kept, ctx, bits), ctx)
    notes += spelled(bits, sizes, technique)
    return best.with_(notes=model.notes + notes, sensitivity=model.sensitivity + alone + rows)


def measured(technique: MixedPrecision, bench: Bench, plain: Network, kept: Sequence[str], activation: str, data: Dataset,
             ctx: Context) -> tuple[tuple[Sensitivity, ...], list[Saving]]:
    """Each layer alone at 4 and at 2 bits, the rest in 8."""
    rows: tuple[Sensitivity, ...] = ()
    savings = []
    layers = {name: kind for name, kind in bench.layers.items() if name not in kept}
    for bits in (4, 2):
        if bits < technique.narrowest:
            continue
        def narrowed(layer: str, bits: int = bits) -> Network:
            return bench.quantized(kept, activation=activation, codes={layer: bench.nearest(layer, bits)})

        found = sensitivity.by_layer(layers, narrowed, plain, data, ctx, f"{bits} bits")
        rows += found
        savings += [Saving(row.layer, bits, row.error, bench.floats[row.layer].weight.size * (8 - bits) / 8) for row in found]
    return rows, savings


def in_order(savings: Sequence[Saving]) -> list[Saving]:
    """Cheapest first, by error for each byte saved; a layer's 2 bits come only after its 4.

    >>> [(s.layer, s.bits) for s in in_order([Saving("a", 4, 1.0, 10), Saving("a", 2, 1.1, 15), Saving("b", 4, 0.2, 10)])]
    [('b', 4), ('a', 4), ('a', 2)]
    """
    first = {saving.layer: saving for saving in savings if saving.bits == 4}
    steps = []
    for saving in savings:
        before = first[saving.layer] if saving.bits == 2 and saving.layer in first else Saving(saving.layer, 8, 0.0, 0.0)
        price = max(saving.error - before.error, 0.0) / max(saving.bytes - before.bytes, 1e-9)
        own = price if before.bits == 8 else max(price, before.error / max(before.bytes, 1e-9))
        steps.append((own, -saving.bits, saving))
    return [saving for *_, saving in sorted(steps, key=lambda step: step[:2])]


def enough(at: Callable[[int], Mapping[str, int]], sizes: Mapping[str, int], budget: float, most: int) -> int:
    """The fewest savings that bring the weights within the budget, in bytes; all of them where even those do not."""
    return next((count for count in range(most + 1) if weight_bytes(at(count), sizes) <= budget), most)


def bearable(at: Callable[[int], Mapping[str, int]], bench: Bench, plain: Network, kept: Sequence[str], activation: str, allowed: float,
             most: int, data: Dataset, ctx: Context) -> int:
    """The most savings that lose no more than `allowed` points on validation, found by halving (rounded to nearest, as a lower bound)."""
    gauge, low, high = sensitivity.Gauge(plain, data, ctx.metric), 0, most
    while low < high:
        middle = (low + high + 1) // 2
        ctx.report(0.75, f"{middle} of {most} savings")
        codes = {name: bench.nearest(name, bits) for name, bits in at(middle).items() if bits < 7}
        lost = gauge.cost(bench.quantized(kept, activation=activation, codes=codes)).lost
        low, high = (middle, high) if lost <= allowed else (low, middle - 1)
    return low


def weight_bytes(bits: Mapping[str, int], sizes: Mapping[str, int]) -> float:
    """Bytes of the codes; 7 bits are stored in 8."""
    return sum(sizes[name] * (8 if few == 7 else few) / 8 for name, few in bits.items())


def spelled(bits: Mapping[str, int], sizes: Mapping[str, int], technique: MixedPrecision) -> tuple[str, ...]:
    groups: dict[int, list[str]] = {}
    for name, few in bits.items():
        groups.setdefault(8 if few == 7 else few, []).append(name)
    words = "; ".join(f"{few} bits: {', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}"
                      for few, names in sorted(groups.items(), reverse=True))
    kib = weight_bytes(bits, sizes) / 1024
    said = [f"Weights by layer: {words}. {kib:.1f} KiB in all."]
    if technique.weights_kib and kib > technique.weights_kib:
        said.append(f"{technique.weights_kib:g} KiB were asked for; at {technique.narrowest} bits everywhere it does not go lower.")
    return tuple(said)
