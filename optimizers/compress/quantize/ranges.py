"""Ranges of activations of least squared error: clip a little at the edges, and every step inside becomes finer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData, load_tensors_data, save_tensors_data

from optimizers.models.graph import copied

KEPT = 60_000               # values of each tensor that are looked at
RATIOS = np.linspace(0.3, 1.0, 36)


def narrow(prepared: onnx.ModelProto, cache: Path, batches: Iterable[Mapping[str, np.ndarray]], levels: int = 256) -> None:
    """Rewrite a min-max calibration cache with the ranges of least squared error over the batches' values."""
    values = sampled(prepared, list(load_tensors_data(cache)), batches)
    overlay(cache, {name: best_range(held, levels) for name, held in values.items()})


def overlay(cache: Path, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Rewrite some ranges of a cache; the others stay."""
    whole = load_tensors_data(cache)
    write(cache, {name: ranges[name] if name in ranges else ends(*whole[name].range_value) for name in whole})


def ends(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    return float(np.min(low)), float(np.max(high))


def write(cache: Path, ranges: Mapping[str, tuple[float, float]]) -> None:
    """A calibration cache as the static quantizer reads it: tensor name -> (low, high)."""
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, {name: (np.array(low, np.float32), np.array(high, np.float32))
                                                             for name, (low, high) in ranges.items()}), cache)


def sampled(prepared: onnx.ModelProto, names: list[str], batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """At most KEPT values of each float tensor, spread evenly over all batches."""
    proto = copied(prepared)
    outputs = {value.name for value in proto.graph.output}
    known = {value.name: value for value in proto.graph.value_info}
    proto.graph.output.extend(known[name] for name in names if name in known and name not in outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [value.name for value in session.get_outputs() if value.name in names and value.type == "tensor(float)"]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    batches = list(batches)
    for batch in batches:
        for name, values in zip(wanted, session.run(wanted, dict(batch)), strict=True):
            flat = values.reshape(-1)
            parts[name].append(flat[::max(1, -(-flat.size * len(batches) // KEPT))].copy())
        for name in set(batch) & set(names):
            parts.setdefault(name, []).append(batch[name].reshape(-1)[:KEPT // len(batches) + 1])
    return {name: np.concatenate(values) for name, values in parts.items()}


def best_range(values: np.ndarray, levels: int = 256) -> tuple[float, float]:
    """(low, high) around zero whose rounding and clipping cost least.

    >>> low, high = best_range(np.array([0.0] * 50 + list(np.linspace(0, 1, 10_000)) + [4.0]), 16)
    >>> low, 1.0 < high < 2.0
    (0.0, True)
    """
    low, high = min(float(values.min(initial=0)), 0.0), max(float(values.max(initial=0)), 0.0)
    if low == high:
        return low, high
    best, least = (low, high), np.inf
    for ratio in RATIOS:
        edge = float(low * ratio), float(high * ratio)
        step = (edge[1] - edge[0]) / (levels - 1)
        error = float(((np.clip(np.rint(values / step), np.rint(edge[0] / step), np.rint(edge[1] / step)) * step - values) ** 2).sum())
        if error < least:
            best, least = edge, error
    return best
