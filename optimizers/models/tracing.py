"""Building a torch.fx graph by running it: every value carries two samples, for batches of 2 and 3 rows.

What differs between the samples depends on the batch, what does not is fixed: so shapes computed inside the graph (Shape, Gather,
Concat, Reshape) resolve to numbers and multiples of the batch, with no rule per operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from optimizers.errors import OptimizerError

TAKEN = frozenset(dir(nn.Module()))        # what a module has already: a constant may be named "half" or "type"
BATCHES = (2, 3)


@dataclass(frozen=True)
class Extent:
    """`times` batches: an extent that grows with the number of rows."""

    times: int


@dataclass
class Value:
    """samples: the tensor for each of BATCHES.  node: where the graph computes it, None for a constant.  source: its name if stored."""

    samples: tuple[Tensor, Tensor]
    node: fx.Node | None = None
    source: str | None = None

    @property
    def rank(self) -> int:
        return self.samples[0].dim()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first sample: axis 0 is BATCHES[0] where it is the batch."""
        return tuple(self.samples[0].shape)

    @property
    def weight(self) -> bool:
        """A stored tensor of several floats: a parameter wherever it is used in arithmetic."""
        return self.node is None and self.source is not None and self.samples[0].is_floating_point() and self.samples[0].numel() > 1


@dataclass(frozen=True)
class Binding:
    """path: parameter or buffer of the module.  name: the ONNX tensor.  layout: "same", "transposed" (2-D), or "row" (1, n held as n)."""

    path: str
    name: str
    layout: str = "same"


class Tracer:
    """Grows one fx graph. `call` adds a function, `layer` a module, `weight` a parameter; constants are computed at once."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.root: dict[str, Any] = {}
        self.bindings: list[Binding] = []
        self.shared: dict[tuple[str, str], nn.Parameter] = {}
        self.stored: dict[int | str, tuple[fx.Node, Value]] = {}
        self.batch_node: fx.Node | None = None

    def input(self, name: str, row: tuple[int, ...]) -> Value:
        """The one placeholder; row: its shape without the batch axis."""
        node = self.graph.placeholder(tidy(name).replace(".", "_"))
        random = torch.Generator().manual_seed(0)
        samples = [torch.rand((batch, *row), generator=random) for batch in BATCHES]
        self.batch_node = self.graph.call_method("size", (node, 0))
        return Value((samples[0], samples[1]), node)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Value (or tuple of them) of function(*args, **kwargs); args may hold Values, Extents, lists of them, and plain things."""
        with torch.no_grad():
            results = [function(*sample(args, at), **sample(kwargs, at)) for at in (0, 1)]
        node = None
        if any(value.node is not None or value.weight for value in values_in((args, kwargs))):
            node = self.graph.call_function(function, self.held(args), self.held(kwargs))
        if isinstance(results[0], (tuple, list)):
            parts = zip(results[0], results[1], strict=True)
            return tuple(Value(pair, node and self.graph.call_function(pick, (node, at))) for at, pair in enumerate(parts))
        return Value((results[0], results[1]), node)

    def layer(self, path: str, module: nn.Module, x: Value) -> Value:
        """Value of module(x), the module standing at `path`. Samples run in eval mode."""
        module.eval()
        self.root[path] = module
        with torch.no_grad():
            results = (module(x.samples[0]), module(x.samples[1]))
        return Value(results, self.graph.call_module(path, (self.held(x),)))

    def path(self, wish: str) -> str:
        """A free module path near the wish; no path is the beginning of another."""
        base = tidy(wish)
        path, number = base, 1
        while any(path == other or path.startswith(other + ".") or other.startswith(path + ".") for other in self.root):
            number += 1
            path = f"{base.replace('.', '_')}_{number}"
        return path

    def bind(self, module: nn.Module, path: str, field: str, value: Value, layout: str = "same") -> None:
        """Fill module.field with a stored tensor and remember where it came from; one tensor is one Parameter, however often used."""
        tensor = laid_out(value.samples[0], layout)
        if field in module._buffers:
            getattr(module, field).copy_(tensor)
        elif value.source is not None:
            key = (value.source, layout)
            self.shared.setdefault(key, nn.Parameter(tensor.detach().clone().contiguous()))
            setattr(module, field, self.shared[key])
        else:
            setattr(module, field, nn.Parameter(tensor.detach().clone().contiguous()))
        if value.source is not None:
            self.bindings.append(Binding(f"{path}.{field}", value.source, layout))

    def ints(self, value: Value) -> list[int | Extent]:
        """A constant list of whole numbers, with Extents where the batch is meant."""
        if value.node is not None:
            raise OptimizerError("A shape is computed from the data itself.", "", "Export the network with fixed extents.",
                                 "shape-from-data")
        found: list[int | Extent] = []
        for two, three in zip(*(s.reshape(-1).tolist() for s in value.samples), strict=True):
            times = int(three) - int(two)
            if times and int(two) != BATCHES[0] * times:
                raise OptimizerError("A shape depends on the number of rows in a way that is not a multiple.", "",
                                     "Export the network with a batch axis that stays whole.", "shape-from-batch")
            found.append(Extent(times) if times else int(two))
        return found

    def held(self, thing: Any) -> Any:
        """Arguments as fx holds them: nodes for values, get_attr for stored tensors, batch * k for Extents."""
        if isinstance(thing, Value):
            return thing.node if thing.node is not None else self.kept(thing)
        if isinstance(thing, Extent):
            return self.batch_node if thing.times == 1 else self.graph.call_function(times, (self.batch_node, thing.times))
        if isinstance(thing, dict):
            return {key: self.held(part) for key, part in thing.items()}
        if isinstance(thing, (tuple, list)):
            return type(thing)(self.held(part) for part in thing)
        return thing

    def kept(self, value: Value) -> fx.Node:
        """The get_attr node of a constant: a parameter if it is a weight, else a buffer."""
        first, second = value.samples
        if first.shape != second.shape or not torch.equal(first, second):
            raise OptimizerError("A number computed from the batch size is used as data.", "", "Export the network with a free batch axis.",
                                 "batch-as-data")
        key = value.source if value.source is not None else id(first)
        if key not in self.stored:
            path = self.path(f"constants.{value.source or len(self.stored)}")
            if value.weight:
                self.root[path] = self.shared.setdefault((str(value.source), "same"), nn.Parameter(first.detach().clone()))
                self.bindings.append(Binding(path, str(value.source)))
            else:
                self.root[path] = first.detach().clone()
            self.stored[key] = (self.graph.get_attr(path), value)       # the value is held so that its id stays its own
        return self.stored[key][0]


def pick(parts: Any, at: int) -> Any:
    """One of several results."""
    return parts[at]


def times(batch: int, factor: int) -> int:
    return batch * factor


def sample(thing: Any, at: int) -> Any:
    """Arguments with every Value and Extent replaced by its sample."""
    if isinstance(thing, Value):
        return thing.samples[at]
    if isinstance(thing, Extent):
        return thing.times * BATCHES[at]
    if isinstance(thing, dict):
        return {key: sample(part, at) for key, part in thing.items()}
    if isinstance(thing, (tuple, list)):
        return type(thing)(sample(part, at) for part in thing)
    return thing


def values_in(thing: Any) -> list[Value]:
    if isinstance(thing, Value):
        return [thing]
    parts = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, (tuple, list)) else ()
    return [value for part in parts for value in values_in(part)]


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """A stored tensor as the module wants it."""
    return tensor.t() if layout == "transposed" else tensor.reshape(-1) if layout == "row" else tensor


def tidy(name: str) -> str:
    """A dotted path of identifiers.

    >>> tidy("/stem/conv.0.weight:0")
    'stem_conv.0.weight_0'
    """
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in name.split(".")]
    return ".".join(f"{part}_" if part in TAKEN else part for part in parts if part) or "value"
