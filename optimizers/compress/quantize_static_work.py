"""The heavy half of static quantization: prepare the graph, find ranges once, quantize, and count what the runtime really fuses."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from optimizers.candidate import Sensitivity
from optimizers.compress.fused import count
from optimizers.compress.keep_float import shield
from optimizers.compress.mean_to_pool import mean_to_pool
from optimizers.errors import OptimizerError
from optimizers.export.slim import slim
from optimizers.measure import sensitivity
from optimizers.models.fold import fold_batch_norm

if TYPE_CHECKING:
    from optimizers.compress.quantize_static import StaticQuantization
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
WEIGHTED = ("Conv", "Gemm", "MatMul")
BATCH = 32


def quantize(technique: StaticQuantization, model: Network, data: Dataset, ctx: Context) -> Network:
    """int8 weights, activations by the technique; notes tell how many layers run in integers in the runtime."""
    ctx.report(0.0, "folding batch norm, finding ranges")
    with tempfile.TemporaryDirectory(dir=ctx.scratch) as folder, quiet():
        bench = Bench(technique, model, Path(folder), data.calibration(technique.rows, ctx.seed))
        rows = bench.measure_layers(data, ctx) if technique.sensitivity else ()
        ctx.report(0.9, "quantizing")
        asked = (*bench.named(technique.keep_float), *(row.layer for row in rows if row.kept_float))
        narrow = tuple(layer for layer in bench.narrow(technique, ctx.device) if layer not in asked)
        best, notes = choose(technique, bench, tuple(dict.fromkeys(asked)) + narrow, ctx)
        if narrow:
            notes += (f"{narrow[0]} sees under four channels and is faster in float.",)
    return best.with_(state="quantized", notes=model.notes + notes, sensitivity=model.sensitivity + rows)


def choose(technique: StaticQuantization, bench: Bench, kept: tuple[str, ...], ctx: Context) -> tuple[Network, tuple[str, ...]]:
    """The network whose activation type the runtime fuses best, and what there is to say about it."""
    device = ctx.device
    small = device is not None and device.kind == "microcontroller"
    first = technique.activation if technique.activation != "auto" else ("int8" if small else "uint8")
    network = bench.quantized(kept=kept, activation=first)
    if small or (device is not None and "onnxruntime" not in device.runtimes):
        left = f"; in float: {', '.join(kept)}" if kept else ""
        return network, (f"Weights and activations are int8, as {device.title} wants them{left}.",)
    fused = count(network.proto)
    if technique.activation == "auto" and fused.left > len(kept):
        other = bench.quantized(kept=kept, activation="int8")
        if (rival := count(other.proto)).integers > fused.integers:
            ctx.log(f"uint8 activations fuse {fused.integers} layers, int8 ones {rival.integers}: int8 is taken", "quantize")
            network, fused, first = other, rival, "int8"
    notes = [fused.sentence()]
    if technique.activation == "int8" and fused.left > len(kept):
        notes.append("ONNX Runtime fuses more layers with uint8 activations; these int8 ones were asked for.")
    if kept:
        notes.append(f"Kept in float: {', '.join(kept)}.")
    return network, tuple(notes)


@dataclass
class Bench:
    """A float network laid out for quantizing again and again: prepared once, ranges found once."""

    technique: StaticQuantization
    model: Network
    folder: Path
    rows: np.ndarray

    def __post_init__(self) -> None:
        self.prepared = self.folder / "prepared.onnx"
        self.graph = prepare(self.model, self.prepared)
        self.layers = {node.name: node.op_type for node in self.graph.node if node.op_type in WEIGHTED and has_weights(node, self.graph)}
        if not self.layers:
            raise OptimizerError("The network has no Conv, Gemm or MatMul with fixed weights, so there is nothing to run in int8.",
                                 "quantize-static", "Look at its operators on the model's page.", "nothing-to-quantize")

    def named(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Layers of the prepared graph by the names a person knows them under; raises OptimizerError for one that is not there."""
        found = []
        for name in wanted:
            match = next((layer for layer in self.layers if layer == name or layer.startswith(f"{name}/")), None)
            if match is None:
                raise OptimizerError(f"There is no layer named '{name[:80]}'.", "quantize-static.keep_float",
                                     f"Layers: {', '.join(list(self.layers)[:6])}.", "unknown-layer")
            found.append(match)
        return tuple(found)

    def narrow(self, technique: StaticQuantization, device: Device | None) -> tuple[str, ...]:
        """The first convolution, where it sees fewer than four channels and ONNX Runtime runs it.

        Integer kernels multiply in groups of four channels, so such a layer is faster in float: measured on a ResNet-8 with one input
        channel, 1.94 times the speed of fp32 against 1.74, at half a KiB more.
        """
        if technique.first != "auto" or (device is not None and "onnxruntime" not in device.runtimes):
            return ()
        source = self.graph.input[0]
        channels = source.type.tensor_type.shape.dim[1].dim_value if len(source.type.tensor_type.shape.dim) == 4 else 0
        first = next((node for node in self.graph.node if node.op_type == "Conv" and node.input[0] == source.name), None)
        return (first.name,) if first is not None and 0 < channels < 4 and len(self.layers) > 1 else ()

    def quantized(self, kept: Sequence[str] = (), only: str | None = None, activation: str = "uint8") -> Network:
        """A quantized network. kept: layers left in float.  only: the one layer to quantize, everything else in float."""
        target = self.folder / "quantized.onnx"
        ranges = self.folder / "ranges.json"
        quantize_static(
            self.prepared, target, None if ranges.is_file() else Reader(self.model, self.rows, self.graph.input[0]),
            per_channel=self.technique.per_channel, reduce_range=self.technique.reduce_range, activation_type=TYPES[activation],
            weight_type=QuantType.QInt8, calibrate_method=METHODS[self.technique.calibration], calibration_cache_path=ranges,
            nodes_to_exclude=list(kept), nodes_to_quantize=[only] if only else None,
            extra_options={"CalibPercentile": self.technique.percentile})
        proto = onnx.load(target)
        return self.model.with_(proto=slim(shield(proto, kept) if activation == "uint8" else proto), state="quantized")

    def measure_layers(self, data: Dataset, ctx: Context) -> tuple[Sensitivity, ...]:
        """Each layer alone in int8: what it costs on validation, and whether it stays in float for that."""
        device = ctx.device
        activation = "int8" if device is not None and device.kind == "microcontroller" else "uint8"
        found = sensitivity.by_layer(self.layers, lambda layer: self.quantized(only=layer, activation=activation), self.model,
                                     data, ctx, "int8")
        return sensitivity.keep(found, self.technique.keep_above)


class Reader(CalibrationDataReader):
    """Feeds calibration rows in batches of 32, or of what a graph with a fixed batch insists on."""

    def __init__(self, model: Network, rows: np.ndarray, value: onnx.ValueInfoProto) -> None:
        first = value.type.tensor_type.shape.dim[0]
        self.size = first.dim_value if first.HasField("dim_value") and first.dim_value > 0 else min(BATCH, len(rows))
        whole = max(1, len(rows) // self.size) * self.size     # histograms want every batch of one size
        rows = np.resize(rows, (whole, *rows.shape[1:]))
        self.batches = ({value.name: model.feed(rows[start:start + self.size])} for start in range(0, len(rows), self.size))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def prepare(model: Network, target: Path) -> onnx.ModelProto:
    """Batch norm folded, shapes inferred, means over pictures as pooling, every node named; written to `target`."""
    source = target.with_name("source.onnx")
    onnx.save(mean_to_pool(fold_batch_norm(model.proto)), source)
    quant_pre_process(source, target, skip_symbolic_shape=True)
    graph = onnx.load(target)
    for number, node in enumerate(graph.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    onnx.save(graph, target)
    return graph.graph


def has_weights(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    constants = {tensor.name for tensor in graph.initializer}
    return any(name in constants for name in node.input[:2])


@contextmanager
def quiet() -> Iterator[None]:
    """The quantizer logs a line for each node, prints, and its sessions warn; none of it helps anybody."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
