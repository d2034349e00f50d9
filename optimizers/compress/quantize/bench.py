"""A float network laid out for quantizing again and again: prepared once, ranges found once, then any mix of layers, types and codes."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from optimizers.candidate import Sensitivity
from optimizers.compress.quantize import ranges
from optimizers.compress.quantize.codes import place
from optimizers.compress.quantize.keep_float import shield
from optimizers.compress.quantize.mean_to_pool import mean_to_pool
from optimizers.compress.quantize.reconstruct import reconstruct
from optimizers.compress.quantize.unbounded import unbounded
from optimizers.compress.quantize.weight_grid import Codes, on_grid
from optimizers.errors import OptimizerError
from optimizers.export.slim import slim
from optimizers.measure import sensitivity
from optimizers.measure.shipped import Shipped
from optimizers.models.fold import fold_batch_norm
from optimizers.models.graph import as_input
from optimizers.models.rewrite import Layer, weighted
from optimizers.refusals import must_know

if TYPE_CHECKING:
    from optimizers.compress.quantize.static import StaticQuantization
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

METHODS = {"minmax": CalibrationMethod.MinMax, "mse": CalibrationMethod.MinMax,       # mse narrows what min-max found
           "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8, "int16": QuantType.QInt16}
WEIGHTED = ("Conv", "Gemm", "MatMul")
BATCH = 32


@dataclass
class Bench:
    """technique: how to quantize.  rows: raw calibration rows.  reduced: weights keep to 7 bits."""

    technique: StaticQuantization
    model: Network
    folder: Path
    rows: np.ndarray
    reduced: bool = False

    def __post_init__(self) -> None:
        self.prepared, self.cache = self.folder / "prepared.onnx", self.folder / "ranges.json"
        self.graph = prepare(self.model, self.prepared)
        self.unbounded = unbounded(self.graph)
        self.layers = {node.name: node.op_type for node in self.graph.node
                       if node.op_type in WEIGHTED and has_weights(node, self.graph) and node.name not in self.unbounded}
        if not self.layers:
            raise OptimizerError("The network has no Conv, Gemm or MatMul with fixed weights, so there is nothing to run in int8.",
                                 "quantize-static", "Look at its operators on the model's page.", "nothing-to-quantize")

    def named(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Layers of the prepared graph by the names a person knows them under; raises OptimizerError for one that is not there."""
        found = []
        for name in wanted:
            match = next((layer for layer in self.layers if layer == name or layer.startswith(f"{name}/")), None)
            if match is None:
                must_know(self.layers, [name], "keep_float")
            else:
                found.append(match)
        return tuple(found)

    def narrow(self, device: Device | None) -> tuple[str, ...]:
        """The first convolution, where it sees fewer than four channels and ONNX Runtime runs it.

        Integer kernels multiply in groups of four channels, so such a layer is faster in float: measured on a ResNet-8 with one input
        channel, 1.94 times the speed of fp32 against 1.74, at half a KiB more.
        """
        if self.technique.first != "auto" or (device is not None and "onnxruntime" not in device.runtimes):
            return ()
        source = self.graph.input[0]
        channels = source.type.tensor_type.shape.dim[1].dim_value if len(source.type.tensor_type.shape.dim) == 4 else 0
        first = next((node for node in self.graph.node if node.op_type == "Conv" and node.input[0] == source.name), None)
        return (first.name,) if first is not None and 0 < channels < 4 and len(self.layers) > 1 else ()

    def coded(self, kept: Sequence[str], ctx: Context, bits: Mapping[str, int] | None = None) -> dict[str, Codes]:
        """Codes for the layers whose weights the quantizer would not round as was asked; none for plain rounding to 8 bits.

        bits: by layer, where they are not the technique's own.
        """
        technique = self.technique
        learns = technique.rounding == "adaptive" or technique.bias_correction
        bits = bits or self.bits_of(kept)
        if learns:
            prepared = self.model.with_(proto=onnx.load(self.prepared))
            return reconstruct(prepared, self.model.feed(self.rows), bits, ctx, per_channel=technique.per_channel,
                               iterations=technique.iterations if technique.rounding == "adaptive" else 0,
                               correct=technique.bias_correction)
        return {name: self.nearest(name, few) for name, few in bits.items() if few < 7}

    def bits_of(self, kept: Sequence[str]) -> dict[str, int]:
        """Bits of each layer's weights; the first and the last keep eight."""
        names, whole = list(self.layers), 7 if self.reduced else 8
        return {name: whole if self.technique.bits == 8 or name in (names[0], names[-1]) else self.technique.bits
                for name in names if name not in kept}

    def nearest(self, name: str, bits: int) -> Codes:
        """A layer's weights rounded to nearest on a grid of so many bits."""
        return on_grid(self.floats[name].weight, bits, self.floats[name].channels, self.technique.per_channel)

    @cached_property
    def floats(self) -> dict[str, Layer]:
        """The prepared graph's layers with their weights."""
        return {layer.name: layer for layer in weighted(onnx.load(self.prepared))}

    def quantized(self, kept: Sequence[str] = (), only: str | None = None, activation: str = "uint8",
                  codes: Mapping[str, Codes] | None = None) -> Network:
        """A quantized network. kept: layers left in float.  only: the one layer to quantize, everything else in float.

        codes: of layers that are not rounded to nearest in 8 bits.
        """
        proto = self.written(kept, only, activation)
        if codes:
            proto = place(proto, codes, {name: bias for name in codes if (bias := self.floats[name].bias) is not None})
        return self.model.with_(proto=slim(shield(proto, kept) if activation == "uint8" else proto), state="quantized")

    def written(self, kept: Sequence[str] = (), only: str | None = None, activation: str = "uint8") -> onnx.ModelProto:
        """The graph as the quantizer writes it, every value under its own name. Ranges are found at the first call."""
        target = self.folder / "quantized.onnx"
        first = not self.cache.is_file()
        try:
            quantize_static(
                self.prepared, target, self.reader() if first else None,
                per_channel=self.technique.per_channel, reduce_range=self.reduced, activation_type=TYPES[activation],
                weight_type=QuantType.QInt8, calibrate_method=METHODS[self.technique.calibration], calibration_cache_path=self.cache,
                nodes_to_exclude=[*kept, *self.unbounded], nodes_to_quantize=[only] if only else None,
                extra_options={"CalibPercentile": self.technique.percentile})
        except Exception as fault:          # it asserts, divides and indexes its way through strangers' graphs; no class is common to all
            why = (str(fault).strip().splitlines() or [type(fault).__name__])[0][:160]
            raise OptimizerError(f"ONNX Runtime's quantizer cannot lay this network out in integers: {why}.", "the whole graph",
                                 "Use 'simplify' before it, 'quantize-dynamic' or 'half-precision' in its place.", "quantizer") from fault
        if first and self.technique.calibration == "mse":
            ranges.narrow(onnx.load(self.prepared), self.cache, self.reader().batches)
            return self.written(kept, only, activation)
        return onnx.load(target)

    def reader(self) -> Reader:
        return Reader(self.model, self.rows, self.graph.input[0])

    def retrained(self, tuned: onnx.ModelProto, steps: Mapping[str, tuple[float, float]]) -> None:
        """Take the weights of a network that was trained from the prepared graph, and the ranges that were trained with them."""
        onnx.save(tuned, self.prepared)
        self.__dict__.pop("floats", None)
        ranges.overlay(self.cache, steps)

    def measure_layers(self, data: Dataset, ctx: Context, above: float | None = None) -> tuple[Sensitivity, ...]:
        """Each layer alone in int8: what it costs on validation, and whether it stays in float for that."""
        device = ctx.device
        activation = "int8" if device is not None and device.kind == "microcontroller" else "uint8"
        found = sensitivity.by_layer(self.layers, lambda layer: self.quantized(only=layer, activation=activation), self.model,
                                     data, ctx, "int8")
        return sensitivity.keep(found, self.technique.keep_above if above is None else above)


class Reader(CalibrationDataReader):
    """Feeds calibration rows in batches of 32, or of what a graph with a fixed batch insists on; with the state that the float network
    carries to each, where it carries any.
    """

    def __init__(self, model: Network, rows: np.ndarray, value: onnx.ValueInfoProto) -> None:
        self.batches: Iterator[dict[str, np.ndarray]]
        if model.preprocessing.carried:
            self.batches = (fed for fed, _ in Shipped(model).sequence(rows, ()))
            return
        first = value.type.tensor_type.shape.dim[0]
        self.size = first.dim_value if first.HasField("dim_value") and first.dim_value > 0 else min(BATCH, len(rows))
        whole = max(1, len(rows) // self.size) * self.size     # histograms want every batch of one size
        rows = np.resize(rows, (whole, *rows.shape[1:]))
        kind = f"tensor({onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name})"
        self.batches = ({value.name: as_input(model.feed(rows[start:start + self.size]), kind)}
                        for start in range(0, len(rows), self.size))

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
    disabled, level, handlers = logging.root.manager.disable, logging.root.level, list(logging.root.handlers)
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        logging.root.setLevel(level)                # one of its modules configures the root logger when it is imported
        logging.root.handlers[:] = handlers
