"""A short chain of layers that stands in for one: built in torch, where it is fitted, and written as ONNX nodes in the old one's place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from optimizers.models.graph import attributes
from optimizers.models.modules import CONVS
from optimizers.models.rewrite import Layer, Part, fresh


class Ghost(nn.Module):
    """Channels x, and cheap ones made from each by a depthwise kernel, put in order. Han et al. 2020, arXiv:1911.11907.

    order: (outs,) whole numbers: which of [x, cheap(x)] each output channel is.
    """

    order: Tensor

    def __init__(self, cheap: nn.Module, order: np.ndarray) -> None:
        super().__init__()
        self.cheap = cheap
        self.register_buffer("order", torch.from_numpy(np.asarray(order, np.int64)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.cheap(x)], 1).index_select(1, self.order)


def convolution(old: nn.Module, weight: np.ndarray, first: bool = False, groups: int = 1, bias: np.ndarray | None = None) -> nn.Module:
    """A layer of a chain that replaces `old`. weight: (outs, ins / groups, *kernel), or (outs, ins) which is 1x1 or a matrix product.

    Of the old stride, padding and dilation it takes what belongs to the axes it spans (see `spanned`).
    """
    if isinstance(old, nn.Linear):
        return filled(nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight, bias)
    assert isinstance(old, CONVS)
    weight = weight.reshape(*weight.shape, *[1] * (len(old.kernel_size) + 2 - weight.ndim))
    kernel, mine = weight.shape[2:], spanned(weight.shape[2:], old.kernel_size, first)
    stride, dilation = (tuple(value if at in mine else 1 for at, value in enumerate(values)) for values in (old.stride, old.dilation))
    padding = tuple(int(value) if at in mine else 0 for at, value in enumerate(old.padding))     # type: ignore[call-overload]
    made = type(old)(weight.shape[1] * groups, weight.shape[0], kernel, stride, padding, dilation, groups, bias is not None)  # type: ignore[arg-type]
    return filled(made, weight, bias)


def filled(layer: nn.Module, weight: np.ndarray, bias: np.ndarray | None) -> nn.Module:
    with torch.no_grad():
        layer.get_parameter("weight").copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        if bias is not None:
            layer.get_parameter("bias").copy_(torch.from_numpy(np.ascontiguousarray(bias)))
    return layer


def spanned(kernel: Sequence[int], old: Sequence[int], first: bool) -> tuple[int, ...]:
    """The axes on which a layer does the old one's stepping: where it has the old extent; an extent of 1 is left to the first layer.

    >>> spanned((3, 1), (3, 3), True), spanned((1, 3), (3, 3), False), spanned((1, 1), (3, 3), True), spanned((1, 1), (1, 1), True)
    ((0,), (1,), (), (0, 1))
    """
    return tuple(at for at, extent in enumerate(kernel) if extent == old[at] and (extent > 1 or first))


def written(proto: onnx.ModelProto, layer: Layer, chain: nn.Sequential, row: Sequence[int], begin: str | None = None,
            skip: int = 0) -> tuple[Part, list[str]]:
    """The chain as nodes in the place of `layer`, and the name of what each makes.

    row: the shape of one output row, for a shuffle.  begin: what the first node reads, else what the layer read.  skip: layers at the
    chain's beginning that another part already makes. A bias behind a MatMul is the following Add's, and is not written here.
    """
    writer = Writer(proto, layer, begin or layer.node.input[0], row)
    for at, module in list(enumerate(chain))[skip:]:
        writer.add(module, at, first=at == 0, last=at == len(chain) - 1)
    return Part(writer.nodes, writer.tensors), writer.made


class Writer:
    """nodes, tensors: of the part so far.  made: the values its steps make, in order."""

    def __init__(self, proto: onnx.ModelProto, layer: Layer, begin: str, row: Sequence[int]) -> None:
        self.proto, self.layer, self.reading, self.row = proto, layer, begin, row
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.made: list[str] = []

    def add(self, module: nn.Module, at: int, first: bool, last: bool) -> None:
        name = fresh(self.proto, f"{self.layer.name}.{at}")
        if isinstance(module, Ghost):
            self.ghost(module, name, last)
        elif isinstance(module, nn.ChannelShuffle):
            self.shuffle(module.groups, name, last)
        else:
            self.weighted(module, name, self.output(name, last), first)
        self.made.append(self.reading)

    def output(self, name: str, last: bool) -> str:
        return self.layer.node.output[0] if last else f"{name}.out"

    def node(self, kind: str, name: str, inputs: list[str], output: str, **known: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **known))
        self.reading = output

    def tensor(self, name: str, array: np.ndarray) -> str:
        self.tensors[name] = array
        return name

    def weighted(self, module: nn.Module, name: str, output: str, first: bool) -> None:
        weight, bias = array(module, "weight"), array(module, "bias")
        assert weight is not None
        if isinstance(module, nn.Linear):
            inputs = [self.reading, self.tensor(f"{name}.weight", weight.T)]
            inputs += [self.tensor(f"{name}.bias", bias)] if bias is not None and self.layer.kind == "Gemm" else []
            self.node(self.layer.kind, name, inputs, output)
            return
        inputs = [self.reading, self.tensor(f"{name}.weight", weight)]
        inputs += [self.tensor(f"{name}.bias", bias)] if bias is not None else []
        self.node("Conv", name, inputs, output, **self.stepping(module, first))

    def stepping(self, module: nn.Module, first: bool) -> dict[str, object]:
        """Attributes of one convolution: the old node's on the axes that it spans."""
        assert isinstance(module, CONVS)
        old, n = attributes(self.layer.node), len(module.kernel_size)
        found: dict[str, object] = {"kernel_shape": list(module.kernel_size), "strides": list(module.stride),
                                    "dilations": list(module.dilation), "group": module.groups}
        mine = spanned(module.kernel_size, self.layer.kernel, first)
        if mine and old.get("auto_pad", "NOTSET") != "NOTSET":
            return found | {"auto_pad": old["auto_pad"]}         # of an axis with extent 1 and stride 1 it pads nothing
        pads = old.get("pads", [0] * 2 * n)
        return found | {"pads": [pad if at % n in mine else 0 for at, pad in enumerate(pads)]}

    def shuffle(self, groups: int, name: str, last: bool) -> None:
        """Channels as a table of groups by rest, read the other way round. The extents behind the channels are those of the output."""
        channels = self.nodes_outs()
        split, whole = [0, groups, channels // groups, math.prod(self.row[1:])], [0, channels, *self.row[1:]]
        for step, (kind, target) in enumerate((("Reshape", split), ("Transpose", None), ("Reshape", whole))):
            label = f"{name}.{step}"
            inputs = [self.reading] + ([self.tensor(f"{label}.shape", np.array(target, np.int64))] if target else [])
            known = {} if target else {"perm": [0, 2, 1, 3]}
            self.node(kind, label, inputs, self.output(label, last and step == 2), **known)

    def nodes_outs(self) -> int:
        """Channels of the last convolution so far."""
        return len(self.tensors[self.nodes[-1].input[1]])

    def ghost(self, module: Ghost, name: str, last: bool) -> None:
        x, cheap = self.reading, module.cheap
        assert isinstance(cheap, CONVS)
        inputs = [x, self.tensor(f"{name}.weight", array(cheap, "weight")), self.tensor(f"{name}.bias", array(cheap, "bias"))]     # type: ignore[arg-type]
        widths = [int(pad) for pad in cheap.padding]
        self.node("Conv", name, inputs, f"{name}.cheap", kernel_shape=list(cheap.kernel_size), group=cheap.groups, pads=widths * 2)
        self.node("Concat", f"{name}.all", [x, f"{name}.cheap"], f"{name}.all", axis=1)
        order = self.tensor(f"{name}.order", module.order.numpy())
        self.node("Gather", f"{name}.order", [f"{name}.all", order], self.output(name, last), axis=1)


def array(module: nn.Module, field: str) -> np.ndarray | None:
    found = getattr(module, field, None)
    return None if found is None else found.detach().cpu().numpy()
