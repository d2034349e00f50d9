"""Quantization-aware training at work: the static quantizer says where integers stand, training learns the steps, and it writes them."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from optimizers.compress.quantize.bench import Bench, quiet
from optimizers.compress.quantize.reconstruct import places_of
from optimizers.compress.quantize.static_work import activation_type, kept_layers, lowered, reduced
from optimizers.compress.quantize.weight_grid import Codes, best_scales, rounded, top
from optimizers.models.axes import across, unfolded
from optimizers.models.rewrite import weighted
from optimizers.training.callback import Callback
from optimizers.training.loop import fit

if TYPE_CHECKING:
    from optimizers.compress.quantize.aware import QuantizationAwareTraining
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network


def train(technique: QuantizationAwareTraining, model: Network, data: Dataset, ctx: Context) -> Network:
    """The network in integers whose steps and weights were trained together; notes tell what the runtime fuses."""
    static = technique.static()
    with tempfile.TemporaryDirectory(dir=ctx.scratch) as folder:
        with quiet():
            bench = Bench(static, model, Path(folder), data.calibration(technique.rows, ctx.seed), reduced(static, ctx.device))
            kept, narrow = kept_layers(bench, ctx.device, ())
            points = points_of(bench.written(kept, activation=activation_type(static, ctx.device)))
        prepared = model.with_(proto=onnx.load(bench.prepared))
        learner = Learner(prepared, points, bench.bits_of(kept), technique.per_channel)
        tuned = fit(prepared, data, technique, ctx, learner)
        with quiet():
            bench.retrained(tuned.proto, learner.ranges())
            made, notes = lowered(bench, kept, narrow, learner.codes(tuned), ctx)
    return made.with_(notes=tuned.notes + notes)


@dataclass(frozen=True)
class Point:
    """Where a value is rounded. tensor: its name in the float graph.  key: points with one key share their step."""

    tensor: str
    key: str
    scale: float
    zero: int
    low: int
    high: int


def points_of(proto: onnx.ModelProto) -> list[Point]:
    """Every QuantizeLinear of a graph the static quantizer wrote."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    found = []
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = stored[node.input[2]]
            limits = np.iinfo(zero.dtype)
            found.append(Point(node.input[0], node.input[1], float(stored[node.input[1]].reshape(-1)[0]), int(zero.reshape(-1)[0]),
                               int(limits.min), int(limits.max)))
    return found


class Learner(Callback):
    """Rounds weights and activations in the forward pass, with steps that learn."""

    def __init__(self, prepared: Network, points: list[Point], bits: dict[str, int], per_channel: bool) -> None:
        self.prepared, self.points, self.bits, self.per_channel = prepared, points, bits, per_channel
        self.steps: dict[str, Rounding] = {}
        self.layers: dict[str, tuple[WeightGrid, str]] = {}         # layer -> its grid, and how the graph lays its weight out

    def begin(self, module: fx.GraphModule) -> None:
        self.round_values(module)
        grids: dict[nn.Parameter, WeightGrid] = {}      # layers that share a weight share its grid
        for name, path, layout in places_of(self.prepared, module, self.bits):
            layer = module.get_submodule(path)
            weight = layer.get_parameter("weight")
            grid = grids.setdefault(weight, WeightGrid(weight.detach().numpy(), self.bits[name], self.per_channel))
            parametrize.register_parametrization(layer, "weight", grid)
            self.layers[name] = grid, layout

    def round_values(self, module: fx.GraphModule) -> None:
        """Insert a rounding behind every value that will be quantized."""
        nodes = {node.name: node for node in module.graph.nodes}
        for number, point in enumerate(self.points):
            node = nodes.get(module.meta["values"].get(point.tensor, ""))
            if node is None:
                continue
            rounding = self.steps.setdefault(point.key, Rounding(point))
            path = f"rounding_{number}"
            module.add_submodule(path, rounding)
            with module.graph.inserting_after(node):
                made = module.graph.call_module(path, (node,))
            node.replace_all_uses_with(made, delete_user_cb=lambda user, made=made: user is not made)
        module.recompile()

    def end(self, module: fx.GraphModule) -> None:
        for name, path, _ in places_of(self.prepared, module, self.bits):
            layer = module.get_submodule(path)
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
            self.layers[name][0].cpu()

    def ranges(self) -> dict[str, tuple[float, float]]:
        """(low, high) of each value as the trained steps have it."""
        return {point.tensor: self.steps[point.key].edges() for point in self.points if point.key in self.steps}

    def codes(self, tuned: Network) -> dict[str, Codes]:
        """The trained weights of each layer as integers."""
        held = {layer.name: layer for layer in weighted(tuned.proto)}
        found = {}
        for name, (grid, layout) in self.layers.items():
            scales, axis = grid.scales().detach().numpy().reshape(-1), 1 if layout == "transposed" else 0
            found[name] = Codes(rounded(held[name].weight, scales, grid.bits, axis), scales, axis, grid.bits, held[name].bias)
        return found


class Rounding(nn.Module):
    """Values as an 8-bit integer holds them, its zero fixed and its step learned."""

    def __init__(self, point: Point) -> None:
        super().__init__()
        self.point = point
        self.step = nn.Parameter(torch.tensor([math.log(max(point.scale, 1e-12))]))     # its logarithm: Adam then moves it by shares

    def forward(self, x: Tensor) -> Tensor:
        scale, point = self.step.exp(), self.point
        scale = gentle(scale, 1 / math.sqrt(x[0].numel() * point.high))
        return (through(x / scale + point.zero).clamp(point.low, point.high) - point.zero) * scale

    def edges(self) -> tuple[float, float]:
        scale = float(self.step.detach().exp())
        return (self.point.low - self.point.zero) * scale, (self.point.high - self.point.zero) * scale


class WeightGrid(nn.Module):
    """A weight rounded to `bits`, one step for each output channel (axis 0), learned."""

    def __init__(self, weight: np.ndarray, bits: int, per_channel: bool) -> None:
        super().__init__()
        self.bits = bits
        first = best_scales(unfolded(weight, 0) if per_channel else weight.reshape(1, -1), bits)
        self.step = nn.Parameter(torch.from_numpy(np.log(across(first, weight.ndim, 0)).astype(np.float32)).reshape(-1))

    def scales(self) -> Tensor:
        return self.step.exp()

    def forward(self, weight: Tensor) -> Tensor:
        scale = gentle(self.scales(), 1 / math.sqrt(weight[0].numel() * top(self.bits)))
        scale = scale.reshape([-1] + [1] * (weight.dim() - 1))
        return through((weight / scale).clamp(-top(self.bits), top(self.bits))) * scale


def through(x: Tensor) -> Tensor:
    """Rounded, with the gradient of the identity (straight-through estimator)."""
    return x + (x.round() - x).detach()


def gentle(x: Tensor, share: float) -> Tensor:
    """x, with its gradient times `share`: a step is moved by every value it rounds."""
    return x * share + (x - x * share).detach()
