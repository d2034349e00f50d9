"""ONNX operators that hold weights as torch modules, so that tools which look for nn.Conv2d or nn.Linear find them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from optimizers.errors import OptimizerError
from optimizers.models.operators import Lowering, flat_pads, pads
from optimizers.models.tracing import Value

if TYPE_CHECKING:
    from optimizers.models.from_onnx import At

CONV = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
TRANSPOSED = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def stored(at: At, index: int) -> Value | None:
    """The input if it is a stored tensor, else None."""
    value = at.inputs[index] if index < len(at.inputs) else None
    return value if value is not None and value.node is None and value.source is not None else None


def path_of(at: At, weight: Value) -> str:
    """Named after its weight ("stem.conv" for "stem.conv.weight"), else after the node."""
    named = re.fullmatch(r"(.+)\.(weight|kernel|w|W)", weight.source or "")
    return at.tracer.path(named[1] if named else at.node.name or weight.source or at.node.op_type)


def conv(at: At) -> Any:
    weight, bias = stored(at, 1), stored(at, 2)
    if weight is None or (len(at.inputs) > 2 and at.inputs[2] is not None and bias is None) or weight.rank not in CONV:
        raise OptimizerError("The convolution's weights are computed inside the graph.", "", "Export with constant weights.",
                             "conv-weights")
    outs, per_group, *kernel = weight.shape
    n = len(kernel)
    stride, dilation, groups = at.attr("strides", [1] * n), at.attr("dilations", [1] * n), at.attr("group", 1)
    widths, x = pads(at, kernel, stride, dilation), at.x
    if widths[:n] != widths[n:]:
        x, widths = at.call(F.pad, x, flat_pads(widths)), [0] * (2 * n)
    module = CONV[weight.rank](per_group * groups, outs, tuple(kernel), tuple(stride), tuple(widths[:n]), tuple(dilation), groups,
                               bias is not None)
    return placed(at, module, x, weight=weight, bias=bias)


def conv_transpose(at: At) -> Any:
    weight, bias = stored(at, 1), stored(at, 2)
    if weight is None or at.attr("output_shape", None) or at.attr("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise OptimizerError("The transposed convolution has computed weights or an automatic shape.", "", "Export it with explicit pads.",
                             "conv-transpose")
    ins, per_group, *kernel = weight.shape
    n = len(kernel)
    stride, dilation, groups = at.attr("strides", [1] * n), at.attr("dilations", [1] * n), at.attr("group", 1)
    widths, extra = at.attr("pads", [0] * (2 * n)), at.attr("output_padding", [0] * n)
    even = widths[:n] == widths[n:]
    module = TRANSPOSED[weight.rank](ins, per_group * groups, tuple(kernel), tuple(stride), tuple(widths[:n]) if even else 0, tuple(extra),
                                     groups,
                                     bias is not None, tuple(dilation))
    y = placed(at, module, at.x, weight=weight, bias=bias)
    return y if even else at.call(F.pad, y, [-width for width in flat_pads(widths)])


def gemm(at: At) -> Any:
    weight, bias = stored(at, 1), at.inputs[2] if len(at.inputs) > 2 else None
    unit = at.attr("alpha", 1.0) == 1.0 and at.attr("beta", 1.0) == 1.0 and not at.attr("transA", 0)
    turned = bool(at.attr("transB", 0))
    if weight is not None and unit and weight.rank == 2 and at.x.rank == 2:
        outs = weight.shape[0 if turned else 1]
        if bias is None or (bias.source is not None and bias.samples[0].numel() == outs):
            return linear(at, at.x, weight, bias, turned)
    a = at.call(torch.transpose, at.x, 0, 1) if at.attr("transA", 0) else at.x
    b = at.call(torch.transpose, at.inputs[1], 0, 1) if turned else at.inputs[1]
    y = at.call(torch.mul, at.call(torch.matmul, a, b), at.attr("alpha", 1.0))
    return y if bias is None else at.call(torch.add, y, at.call(torch.mul, bias, at.attr("beta", 1.0)))


def matmul(at: At) -> Any:
    weight = stored(at, 1)
    if weight is None or weight.rank != 2 or at.x.node is None:
        return at.call(torch.matmul, *at.inputs)
    outs = weight.shape[1]
    added = at.following("Add")         # MatMul then Add of a vector is one linear layer
    bias = added and added.other
    if bias is not None and bias.source is not None and bias.samples[0].numel() == outs == bias.shape[-1] and bias.rank <= at.x.rank:
        added.swallow()
        return linear(at, at.x, weight, bias, False)
    return linear(at, at.x, weight, None, False)


def linear(at: At, x: Value, weight: Value, bias: Value | None, turned: bool) -> Value:
    outs, ins = weight.shape if turned else weight.shape[::-1]
    module = nn.Linear(ins, outs, bias is not None)
    path = path_of(at, weight)
    at.tracer.bind(module, path, "weight", weight, "same" if turned else "transposed")
    if bias is not None:
        at.tracer.bind(module, path, "bias", bias, "same" if bias.rank == 1 else "row")
    return at.tracer.layer(path, module, x)


def batch_norm(at: At) -> Any:
    scale, shift, mean, variance = (stored(at, index) for index in (1, 2, 3, 4))
    if scale is None or shift is None or mean is None or variance is None or at.x.rank not in NORM:
        raise OptimizerError("The batch norm's statistics are computed inside the graph.", "", "Export the network in eval mode.",
                             "norm-weights")
    module = NORM[at.x.rank](scale.shape[0], at.attr("epsilon", 1e-5), 1 - at.attr("momentum", 0.9))
    return placed(at, module, at.x, weight=scale, bias=shift, running_mean=mean, running_var=variance)


def layer_norm(at: At) -> Any:
    axis, scale, shift = at.attr("axis", -1), stored(at, 1), stored(at, 2)
    axes = at.x.shape[axis % at.x.rank:]
    if scale is None or scale.shape != axes:
        raise OptimizerError("The layer norm's scale is computed inside the graph.", "", "Export with constant weights.", "norm-weights")
    return placed(at, nn.LayerNorm(axes, at.attr("epsilon", 1e-5), bias=shift is not None), at.x, weight=scale, bias=shift)


def instance_norm(at: At) -> Any:
    return at.call(F.instance_norm, at.x, weight=at.inputs[1], bias=at.inputs[2], eps=at.attr("epsilon", 1e-5))


def group_norm(at: At) -> Any:
    return at.call(F.group_norm, at.x, at.attr("num_groups"), at.inputs[1], at.inputs[2], at.attr("epsilon", 1e-5))


def dropout(at: At) -> Any:
    """Nothing at inference; while training it drops as the graph says."""
    ratio = at.number("ratio", 1, 0.5)
    if at.x.node is None or not 0 < ratio < 1:
        return at.x
    return at.tracer.layer(at.tracer.path(at.node.name or "dropout"), nn.Dropout(ratio), at.x)


def placed(at: At, module: nn.Module, x: Value, **fields: Value | None) -> Value:
    """The module with its stored tensors, called on x."""
    path = path_of(at, fields["weight"])        # type: ignore[arg-type]
    for field, value in fields.items():
        if value is not None:
            at.tracer.bind(module, path, field, value)
    return at.tracer.layer(path, module, x)


LAYERS: dict[str, Lowering] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": matmul, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "InstanceNormalization": instance_norm, "GroupNormalization": group_norm, "Dropout": dropout,
}
