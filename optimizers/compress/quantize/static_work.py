"""The heavy half of static quantization: choose what stays in float, round, and count what the runtime really fuses."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from optimizers.compress.quantize.bench import Bench, quiet
from optimizers.compress.quantize.fused import count
from optimizers.measure import host

if TYPE_CHECKING:
    from optimizers.compress.quantize.static import StaticQuantization
    from optimizers.compress.quantize.weight_grid import Codes
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

SEVEN = "Weights keep to 7 bits: x86 processors without VNNI would overflow with 8."
FEW = 8                 # calibration rows below which the page is told


def quantize(technique: StaticQuantization, model: Network, data: Dataset, ctx: Context) -> Network:
    """int8 weights, activations by the technique; notes tell how many layers run in integers in the runtime."""
    ctx.report(0.0, "folding batch norm, finding ranges")
    with tempfile.TemporaryDirectory(dir=ctx.scratch) as folder, quiet():
        bench = Bench(technique, model, Path(folder), data.calibration(technique.rows, ctx.seed), reduced(technique, ctx.device))
        rows = bench.measure_layers(data, ctx) if technique.sensitivity else ()
        kept, narrow = kept_layers(bench, ctx.device, (row.layer for row in rows if row.kept_float))
        codes = bench.coded(kept, ctx)
        ctx.report(0.9, "quantizing")
        best, notes = lowered(bench, kept, narrow, codes, ctx)
        if len(bench.rows) < FEW:
            notes += (f"Ranges were found on {len(bench.rows)} row{'s' if len(bench.rows) > 1 else ''}: other rows may go beyond them.",)
    return best.with_(state="quantized", notes=model.notes + notes, sensitivity=model.sensitivity + rows)


def reduced(technique: StaticQuantization, device: Device | None) -> bool:
    """Whether weights keep to 7 bits. On AVX2 a ResNet-8 whose first layer runs in 8 bits loses 5.4 points, and in 7 bits nothing."""
    return overflows(device) if technique.weight_range == "auto" else technique.weight_range == "reduced"


def overflows(device: Device | None) -> bool:
    """Whether the device is an x86 processor, of which those without VNNI add 8-bit products in 16 bits."""
    return host.is_x86() if device is None or device.here else device.isa == "x86-64"


def kept_layers(bench: Bench, device: Device | None, costly: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All layers that stay in float, and those of them that are only faster so. costly: layers that lose too much."""
    asked = (*bench.named(bench.technique.keep_float), *costly)
    narrow = tuple(layer for layer in bench.narrow(device) if layer not in asked)
    return tuple(dict.fromkeys(asked)) + narrow, narrow


def activation_type(technique: StaticQuantization, device: Device | None) -> str:
    """What activations are held in before it is known which of two types the runtime fuses better."""
    if technique.activation != "auto":
        return technique.activation
    return "int8" if device is not None and device.kind == "microcontroller" else "uint8"


def lowered(bench: Bench, kept: tuple[str, ...], narrow: tuple[str, ...], codes: dict[str, Codes],
            ctx: Context) -> tuple[Network, tuple[str, ...]]:
    """The network whose activation type the runtime fuses best, and what there is to say about it."""
    network, notes = choose(bench, kept, codes, ctx)
    notes += narrow_words(codes)
    if bench.reduced:
        notes += (SEVEN,)
    elif host.overflows():
        notes += ("This server's processor has no VNNI and may overflow where 8-bit products are added, so the quality measured here can "
                  "be lower than on the device.",)
    if narrow:
        notes += (f"{narrow[0]} sees under four channels and is faster in float.",)
    return network, notes


def choose(bench: Bench, kept: tuple[str, ...], codes: dict[str, Codes], ctx: Context) -> tuple[Network, tuple[str, ...]]:
    technique, device = bench.technique, ctx.device
    first = activation_type(technique, device)
    network = bench.quantized(kept=kept, activation=first, codes=codes)
    if device is not None and (device.kind == "microcontroller" or "onnxruntime" not in device.runtimes):
        left = f"; in float: {', '.join(kept)}" if kept else ""
        return network, (f"Weights and activations are int8, as {device.title} wants them{left}.",)
    fused = count(network.proto)
    if technique.activation == "auto" and fused.left > len(kept):
        other = bench.quantized(kept=kept, activation="int8", codes=codes)
        if (rival := count(other.proto)).integers > fused.integers:
            ctx.log(f"uint8 activations fuse {fused.integers} layers, int8 ones {rival.integers}: int8 is taken", "quantize")
            network, fused, first = other, rival, "int8"
    notes = [fused.sentence()]
    if first == "int16":
        notes.append("ONNX Runtime has no kernels for 16-bit activations: it computes in float between them.")
    if technique.activation == "int8" and fused.left > len(kept):
        notes.append("ONNX Runtime fuses more layers with uint8 activations; these int8 ones were asked for.")
    if kept:
        notes.append(f"Kept in float: {', '.join(kept)}.")
    return network, tuple(notes)


def narrow_words(codes: dict[str, Codes]) -> tuple[str, ...]:
    """What the page says of layers that hold fewer than 8 bits."""
    counts = Counter(given.bits for given in codes.values() if given.bits < 7)
    return tuple(f"{count} layer{'s' if count > 1 else ''} hold{'' if count > 1 else 's'} {bits}-bit weights; "
                 f"the runtime widens them to int8 when it opens the file." for bits, count in sorted(counts.items()))
