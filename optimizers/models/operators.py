"""ONNX operators as torch functions: the table an uploaded graph is read by. Operators that hold weights are in `layers.py`.

Every function takes the node at hand and returns the Value (or tuple of Values) it makes. Shapes follow the ONNX operator documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from optimizers.errors import OptimizerError

if TYPE_CHECKING:
    from optimizers.models.from_onnx import At

Lowering = Callable[["At"], Any]

DTYPES = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
          10: torch.float16, 11: torch.float64}


# --- pointwise ---------------------------------------------------------------------------------------------------------------------

def plain(function: Callable[..., Tensor]) -> Lowering:
    """An operator whose inputs are the function's arguments, with nothing else to say."""
    return lambda at: at.call(function, *at.inputs)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """ONNX divides whole numbers towards zero."""
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def fold(function: Callable[[Tensor, Tensor], Tensor]) -> Lowering:
    """An operator of one or more inputs that combines them two by two (Max, Min, Sum)."""
    def lower(at: At) -> Any:
        total = at.inputs[0]
        for other in at.inputs[1:]:
            total = at.call(function, total, other)
        return total
    return lower


def clip(at: At) -> Any:
    low, high = at.number("min", 1, -math.inf), at.number("max", 2, math.inf)
    if (low, high) == (0.0, 6.0):
        return at.call(F.relu6, at.x)
    if (low, high) == (0.0, math.inf):
        return at.call(F.relu, at.x)
    return at.call(torch.clamp, at.x, None if low == -math.inf else low, None if high == math.inf else high)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """One slope a channel is what torch knows, and learns three times as fast."""
    if x.dim() > 1 and slope.dim() == x.dim() - 1 and slope.numel() == slope.shape[0] == x.shape[1]:
        return F.prelu(x, slope.reshape(-1))
    return torch.where(x < 0, x * slope, x)


def hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


def cast(at: At) -> Any:
    kind = DTYPES.get(at.attr("to", 1))
    if kind is None:
        raise OptimizerError(f"Cast to element type {at.attr('to')} is not known here.", "", "Export the network in float32.", "cast-type")
    return at.call(torch.Tensor.to, at.x, kind if kind not in (torch.float16, torch.float64) else torch.float32)


def softmax(at: At, function: Callable[..., Tensor] = torch.softmax) -> Any:
    if at.opset >= 13:
        return at.call(function, at.x, at.attr("axis", -1))
    axis = at.attr("axis", 1) % at.x.rank
    if axis == at.x.rank - 1:
        return at.call(function, at.x, axis)
    flat = at.call(torch.flatten, at.x, axis)           # before opset 13: over all axes from `axis` on, taken as one
    return at.call(torch.reshape, at.call(function, flat, axis), list_of_batch(at, at.x))


def list_of_batch(at: At, value: Any) -> Any:
    """The value's own shape as a reshape target, the batch left free."""
    return [-1, *value.shape[1:]]


# --- shape -------------------------------------------------------------------------------------------------------------------------

def shape(at: At) -> Any:
    start, end = at.attr("start", 0), at.attr("end", None)
    return at.constant(*(torch.tensor(list(s.shape)[start:end], dtype=torch.int64) for s in at.x.samples))


def reshape(at: At) -> Any:
    target = at.ints("shape", 1)
    keep_zero = at.attr("allowzero", 0)
    own = at.extents(at.x)
    target = [own[axis] if extent == 0 and not keep_zero else extent for axis, extent in enumerate(target)]
    whole = target and at.batch_first(target, own)
    if whole:
        at.reader.targets[at.node.output[0]] = [0, *target[1:]]
    if whole and len(target) == 2:
        at.reader.flattening.append(at.node.output[0])
        return at.call(torch.flatten, at.x, 1)          # so that losing channels upstream does not break it
    if whole and -1 not in target[1:]:
        target[0] = -1
    return at.call(torch.reshape, at.x, target)


def flatten(at: At) -> Any:
    axis = at.attr("axis", 1)
    axis = axis + at.x.rank if axis < 0 else axis
    if axis == 1:
        return at.call(torch.flatten, at.x, 1)
    own = at.extents(at.x)
    if axis == 0:
        return at.call(torch.reshape, at.x, [1, -1])
    return at.call(torch.reshape, at.x, [-1, math.prod(own[axis:])])


def transpose(at: At) -> Any:
    return at.call(torch.permute, at.x, at.attr("perm", list(range(at.x.rank))[::-1]))


def squeeze(at: At) -> Any:
    axes = at.ints("axes", 1)
    if axes is None:
        axes = [axis for axis, extent in enumerate(at.x.shape) if extent == 1]
    return at.call(torch.squeeze, at.x, tuple(axes))


def unsqueeze_all(x: Tensor, axes: list[int]) -> Tensor:
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def split(at: At) -> Any:
    axis, sizes = at.attr("axis", 0), at.ints("split", 1)
    if sizes is None:
        extent, parts = at.x.shape[axis], at.attr("num_outputs", at.outputs)
        size = -(-extent // parts)
        sizes = [min(size, extent - size * part) for part in range(parts)]
    return at.call(torch.split, at.x, sizes, axis)


def sliced(x: Tensor, spans: list[tuple[int, int, int, int]]) -> Tensor:
    """spans: (axis, start, end, step); a negative step walks backwards."""
    for axis, start, end, step in spans:
        extent = x.shape[axis]
        if step > 0:
            where = [slice(None)] * x.dim()
            where[axis] = slice(start, end, step)
            x = x[tuple(where)]
        else:
            x = x.index_select(axis, torch.tensor(list(range(extent))[start:max(end, -extent - 1) if end < 0 else end:step],
                                                  device=x.device,
                                                  dtype=torch.int64))
    return x


def slice_(at: At) -> Any:
    starts, ends = at.ints("starts", 1), at.ints("ends", 2)
    axes, steps = at.ints("axes", 3), at.ints("steps", 4)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    clamp = 2**62
    return at.call(sliced, at.x, [(a, s, e if not isinstance(e, int) else max(-clamp, min(clamp, e)), t)
                                  for a, s, e, t in zip(axes, starts, ends, steps, strict=True)])


def gather(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """x with the axis replaced by the shape of index."""
    axis %= x.dim()
    flat = torch.where(index < 0, index + x.shape[axis], index).reshape(-1).long()
    return x.index_select(axis, flat).reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1:]])


def expand(at: At) -> Any:
    target = at.ints("shape", 1)
    own = [1] * (len(target) - at.x.rank) + at.extents(at.x)
    return at.call(torch.Tensor.expand, at.x, [want if mine == 1 else mine for want, mine in zip(target, own[-len(target):], strict=True)]
                   if len(own) == len(target) else own)


def filled(size: list[int], value: float, dtype: torch.dtype) -> Tensor:
    return torch.full(tuple(size), value, dtype=dtype)


def constant_of_shape(at: At) -> Any:
    size, value = at.ints("shape", 0), at.tensor_attr("value", torch.zeros(1))
    return at.call(filled, size, value.reshape(-1)[0].item(), value.dtype)


def arange(at: At) -> Any:
    return at.constant(*(torch.arange(*(v.samples[i].item() for v in at.inputs)) for i in (0, 1)))


def pad(at: At) -> Any:
    widths, mode = at.ints("pads", 1), at.attr("mode", "constant")
    axes = at.ints("axes", 3) if at.opset >= 18 else None
    axes = list(range(at.x.rank)) if axes is None else [axis % at.x.rank for axis in axes]
    before, after = dict(zip(axes, widths, strict=False)), dict(zip(axes, widths[len(axes):], strict=True))
    flat = [side for axis in reversed(range(at.x.rank)) for side in (before.get(axis, 0), after.get(axis, 0))]
    while len(flat) >= 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    if not flat:
        return at.x
    if mode == "constant":
        return at.call(F.pad, at.x, flat, "constant", at.number("value", 2, 0.0))
    return at.call(F.pad, at.x, flat, {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode])


# --- reductions and products -------------------------------------------------------------------------------------------------------

def reduce(function: Callable[..., Tensor]) -> Lowering:
    def lower(at: At) -> Any:
        axes = at.ints("axes", 1)
        if axes is None:
            if at.attr("noop_with_empty_axes", 0):
                return at.x
            axes = list(range(at.x.rank))
        return at.call(function, at.x, dim=tuple(axes), keepdim=bool(at.attr("keepdims", 1)))
    return lower


def root_sum_square(x: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return x.square().sum(dim, keepdim).sqrt()


def product(x: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in dim), reverse=True):
        x = x.prod(axis, keepdim)
    return x


def arg(function: Callable[..., Tensor]) -> Lowering:
    return lambda at: at.call(function, at.x, at.attr("axis", 0), bool(at.attr("keepdims", 1)))


# --- pooling and resizing ----------------------------------------------------------------------------------------------------------

def same_pads(size: tuple[int, ...], kernel: list[int], stride: list[int], dilation: list[int], upper: bool) -> list[int]:
    """Begin and end widths that make ceil(size / stride) outputs, as auto_pad SAME_UPPER / SAME_LOWER ask."""
    begin, end = [], []
    for extent, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-extent // s) - 1) * s + (k - 1) * d + 1 - extent, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if upper else large)
        end.append(large if upper else small)
    return begin + end


def pads(at: At, kernel: list[int], stride: list[int], dilation: list[int]) -> list[int]:
    """All begins, then all ends."""
    auto = at.attr("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        return same_pads(at.x.shape[2:], kernel, stride, dilation, auto == "SAME_UPPER")
    return [0] * (2 * len(kernel)) if auto == "VALID" else at.attr("pads", [0] * (2 * len(kernel)))


def flat_pads(widths: list[int]) -> list[int]:
    """ONNX order (all begins, then all ends) as F.pad wants it: last axis first.

    >>> flat_pads([0, 1, 2, 3])
    [1, 3, 0, 2]
    """
    half = len(widths) // 2
    return [widths[side * half + axis] for axis in reversed(range(half)) for side in (0, 1)]


def max_pool(at: At) -> Any:
    kernel = at.attr("kernel_shape")
    n = len(kernel)
    stride, dilation = at.attr("strides", [1] * n), at.attr("dilations", [1] * n)
    widths, x = pads(at, kernel, stride, dilation), at.x
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[n - 1]
    if widths[:n] != widths[n:] or any(2 * p > k for p, k in zip(widths, kernel * 2, strict=True)):
        x, widths = at.call(F.pad, x, flat_pads(widths), "constant", -math.inf), [0] * (2 * n)
    return at.call(function, x, kernel, stride, widths[:n], dilation, bool(at.attr("ceil_mode", 0)))


def average_pool(at: At) -> Any:
    kernel = at.attr("kernel_shape")
    n = len(kernel)
    stride = at.attr("strides", [1] * n)
    widths, counted, x = pads(at, kernel, stride, [1] * n), bool(at.attr("count_include_pad", 0)), at.x
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[n - 1]
    ceil = bool(at.attr("ceil_mode", 0))
    if widths[:n] == widths[n:] and all(2 * p <= k for p, k in zip(widths, kernel * 2, strict=True)):
        return at.call(function, x, kernel, stride, widths[:n], ceil, counted)
    padded = at.call(F.pad, x, flat_pads(widths))
    means = at.call(function, padded, kernel, stride, [0] * n, ceil, True)
    if counted:
        return means
    ones = torch.ones(1, 1, *at.x.shape[2:])
    share = function(F.pad(ones, flat_pads(widths)), kernel, stride, [0] * n, ceil, True)
    return at.call(torch.div, means, at.constant(share, share))


def global_pool(function: Callable[..., Tensor]) -> Lowering:
    """Mean or maximum over the spatial axes, which stay with extent 1."""
    return lambda at: at.call(function, at.x, dim=tuple(range(2, at.x.rank)), keepdim=True)


def resize(at: At) -> Any:
    mode = at.attr("mode", "nearest")
    place = at.attr("coordinate_transformation_mode", "half_pixel" if at.node.op_type == "Resize" else "asymmetric")
    spatial = at.x.rank - 2
    sizes = at.ints(None, 3) if len(at.inputs) > 3 and at.inputs[3] is not None else None
    if sizes is None:
        scales = at.floats("scales", 2 if at.node.op_type == "Resize" and at.opset > 10 else 1)
        sizes = [math.floor(extent * scale) for extent, scale in zip(at.x.shape, scales, strict=True)]
    target = sizes[-spatial:]
    if mode == "nearest" and place in ("asymmetric", "half_pixel") and all(t % s == 0 for t, s in zip(target, at.x.shape[2:], strict=True)):
        return at.call(F.interpolate, at.x, target, mode="nearest")
    if mode == "linear" and place in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        kind = {1: "linear", 2: "bilinear", 3: "trilinear"}[spatial]
        return at.call(F.interpolate, at.x, target, mode=kind, align_corners=place == "align_corners")
    raise OptimizerError(f"Resize with mode {mode} and {place} coordinates has no equal in torch.", "",
                         "Export with whole-number nearest or half-pixel linear resizing.", "resize-mode")


def depth_to_space(at: At) -> Any:
    block = at.attr("blocksize")
    _, c, h, w = at.x.shape
    if at.attr("mode", "DCR") == "CRD":
        return at.call(F.pixel_shuffle, at.x, block)
    x = at.call(torch.reshape, at.x, [-1, block, block, c // block**2, h, w])
    x = at.call(torch.permute, x, [0, 3, 4, 1, 5, 2])
    return at.call(torch.reshape, x, [-1, c // block**2, h * block, w * block])


def space_to_depth(at: At) -> Any:
    block = at.attr("blocksize")
    _, c, h, w = at.x.shape
    x = at.call(torch.reshape, at.x, [-1, c, h // block, block, w // block, block])
    x = at.call(torch.permute, x, [0, 3, 5, 1, 2, 4])
    return at.call(torch.reshape, x, [-1, c * block**2, h // block, w // block])


def lrn(x: Tensor, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


def same(at: At) -> Any:
    return at.x


OPERATORS: dict[str, Lowering] = {
    "Relu": plain(F.relu), "Sigmoid": plain(torch.sigmoid), "Tanh": plain(torch.tanh), "Erf": plain(torch.erf), "Exp": plain(torch.exp),
    "Log": plain(torch.log), "Sqrt": plain(torch.sqrt), "Neg": plain(torch.neg), "Abs": plain(torch.abs), "Floor": plain(torch.floor),
    "Ceil": plain(torch.ceil), "Round": plain(torch.round), "Sign": plain(torch.sign), "Reciprocal": plain(torch.reciprocal),
    "Sin": plain(torch.sin), "Cos": plain(torch.cos), "Softplus": plain(F.softplus), "Softsign": plain(F.softsign),
    "HardSwish": plain(F.hardswish), "Mish": plain(F.mish), "Add": plain(torch.add), "Sub": plain(torch.sub), "Mul": plain(torch.mul),
    "Div": plain(divide), "Pow": plain(torch.pow), "Mod": plain(torch.remainder), "MatMul": plain(torch.matmul),
    "Not": plain(torch.logical_not),
    "And": plain(torch.logical_and), "Or": plain(torch.logical_or), "Equal": plain(torch.eq), "Less": plain(torch.lt),
    "LessOrEqual": plain(torch.le), "Greater": plain(torch.gt), "GreaterOrEqual": plain(torch.ge), "Where": plain(torch.where),
    "PRelu": plain(prelu), "Max": fold(torch.maximum), "Min": fold(torch.minimum), "Sum": fold(torch.add),
    "Clip": clip, "Cast": cast, "Softmax": softmax, "LogSoftmax": partial(softmax, function=torch.log_softmax),
    "LeakyRelu": lambda at: at.call(F.leaky_relu, at.x, at.attr("alpha", 0.01)),
    "Elu": lambda at: at.call(F.elu, at.x, at.attr("alpha", 1.0)),
    "Celu": lambda at: at.call(F.celu, at.x, at.attr("alpha", 1.0)),
    "Selu": plain(F.selu),
    "Gelu": lambda at: at.call(F.gelu, at.x, approximate=at.attr("approximate", "none")),
    "HardSigmoid": lambda at: at.call(hard_sigmoid, at.x, at.attr("alpha", 0.2), at.attr("beta", 0.5)),
    "Identity": same, "Shape": shape, "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze,
    "Unsqueeze": lambda at: at.call(unsqueeze_all, at.x, at.ints("axes", 1)),
    "Concat": lambda at: at.call(torch.cat, list(at.inputs), at.attr("axis")),
    "Split": split, "Slice": slice_, "Gather": lambda at: at.call(gather, at.x, at.inputs[1], at.attr("axis", 0)),
    "Expand": expand, "ConstantOfShape": constant_of_shape, "Range": arange, "Pad": pad,
    "Tile": lambda at: at.call(torch.Tensor.repeat, at.x, at.ints("repeats", 1)),
    "ReduceMean": reduce(torch.mean), "ReduceSum": reduce(torch.sum), "ReduceMax": reduce(torch.amax), "ReduceMin": reduce(torch.amin),
    "ReduceL2": reduce(root_sum_square), "ReduceProd": reduce(product), "ArgMax": arg(torch.argmax), "ArgMin": arg(torch.argmin),
    "MaxPool": max_pool, "AveragePool": average_pool, "GlobalAveragePool": global_pool(torch.mean),
    "GlobalMaxPool": global_pool(torch.amax),
    "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
    "LRN": lambda at: at.call(lrn, at.x, at.attr("size"), at.attr("alpha", 1e-4), at.attr("beta", 0.75), at.attr("bias", 1.0)),
}
