"""The architectures of the zoo, each drawn as its paper's table. Every one takes (row_shape, outputs, seed) and gives an ONNX graph.

All keep batch norm apart from the convolution before it: folded weights train badly. `fold.fold_batch_norm` joins them for shipping.
"""

from __future__ import annotations

import numpy as np
import onnx

from optimizers.models.draft import Draft, Flow


def conv_bn(net: Draft, x: Flow, name: str, outs: int, kernel: tuple[int, int] = (3, 3), stride: int = 1, groups: int = 1,
            act: bool = True) -> Flow:
    """Convolution, batch norm, and a ReLU unless told otherwise."""
    x = net.conv(x, f"{name}.conv", outs, kernel, stride, groups)
    x = net.batch_norm(x, f"{name}.bn")
    return net.relu(x, f"{name}.relu") if act else x


def halving(x: Flow, least: int = 4) -> int:
    """Stride 2 while the picture is larger than `least` on its shorter side, else 1."""
    return 2 if min(x.shape[1:]) > least else 1


def tiny_cnn(row_shape: tuple[int, ...], outputs: int, seed: int) -> onnx.ModelProto:
    """Three convolutions for small pictures such as 8x8 digits."""
    net = Draft(row_shape, seed)
    x = conv_bn(net, net.input, "stem", 16)
    x = conv_bn(net, x, "middle", 32, stride=halving(x))
    x = conv_bn(net, x, "top", 64, stride=halving(x))
    return net.finish(net.linear(net.pool(x, "pool"), "head", outputs), "tiny-cnn")


def resnet8(row_shape: tuple[int, ...], outputs: int, seed: int) -> onnx.ModelProto:
    """Three residual blocks of 16, 32 and 64 channels: the image classifier of MLPerf Tiny (Banbury et al. 2021, arXiv:2106.07597)."""
    net = Draft(row_shape, seed)
    x = conv_bn(net, net.input, "stem", 16)
    for number, width in enumerate((16, 32, 64), 1):
        stride = 2 if number > 1 else 1
        y = conv_bn(net, x, f"block{number}.first", width, stride=stride)
        y = conv_bn(net, y, f"block{number}.second", width, act=False)
        if stride == 2 or x.shape[0] != width:
            x = conv_bn(net, x, f"block{number}.shortcut", width, (1, 1), stride, act=False)
        x = net.relu(net.add(x, y, f"block{number}.add"), f"block{number}.relu")
    return net.finish(net.linear(net.pool(x, "pool"), "head", outputs), "resnet8")


def dscnn(row_shape: tuple[int, ...], outputs: int, seed: int) -> onnx.ModelProto:
    """Four depthwise-separable blocks of 64 channels (Zhang et al. 2017, arXiv:1711.07128); spectrograms get the tall first kernel."""
    net = Draft(row_shape, seed)
    tall = net.input.shape[1] >= 2.5 * net.input.shape[2]
    x = conv_bn(net, net.input, "stem", 64, (11, 5) if tall else (3, 3), stride=halving(net.input))
    for number in range(1, 5):
        x = conv_bn(net, x, f"block{number}.depthwise", 64, groups=64)
        x = conv_bn(net, x, f"block{number}.pointwise", 64, (1, 1))
    return net.finish(net.linear(net.pool(x, "pool"), "head", outputs), "dscnn")


def mobilenet_small(row_shape: tuple[int, ...], outputs: int, seed: int) -> onnx.ModelProto:
    """MobileNet at a quarter of its width (Howard et al. 2017, arXiv:1704.04861), halving only while there is a picture left to halve."""
    net = Draft(row_shape, seed)
    x = conv_bn(net, net.input, "stem", 8, stride=2 if min(net.input.shape[1:]) >= 48 else 1)
    plan = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1))
    for number, (width, stride) in enumerate(plan, 1):
        x = conv_bn(net, x, f"block{number}.depthwise", x.shape[0], stride=halving(x) if stride == 2 else 1, groups=x.shape[0])
        x = conv_bn(net, x, f"block{number}.pointwise", width, (1, 1))
    return net.finish(net.linear(net.pool(x, "pool"), "head", outputs), "mobilenet-small")


def mlp(row_shape: tuple[int, ...], outputs: int, seed: int) -> onnx.ModelProto:
    """Two hidden layers of 64 and 32 for tables and vectors; pictures are laid flat."""
    net = Draft(row_shape, seed)
    x = net.flatten(net.input, "rows")
    for number, width in enumerate((64, 32), 1):
        x = net.relu(net.linear(x, f"hidden{number}", width, scale=6**0.5), f"hidden{number}.relu")
    return net.finish(net.linear(x, "head", outputs), "mlp")


def vit_small(row_shape: tuple[int, ...], outputs: int, seed: int, width: int = 64, depth: int = 4, heads: int = 4) -> onnx.ModelProto:
    """A vision transformer of four blocks with mean pooling (Dosovitskiy et al. 2020, arXiv:2010.11929; Beyer et al. 2022, 2205.01580)."""
    net = Draft(row_shape, seed)
    least = min(row_shape[1:])
    side = next(side for side in range(max(1, least // 7), 0, -1) if least % side == 0)         # about seven patches each way
    patches = net.conv(net.input, "patches", width, (side, side), side, bias=True, pad=False)
    tokens = patches.shape[1] * patches.shape[2]
    x = net.transpose(net.reshape(patches, "tokens", (width, tokens)), "sequence", (0, 2, 1))
    place = net.store("positions", net.rng.normal(0, 0.02, (1, tokens, width)))
    x = net.node("Add", "placed", [x.name, place], x.shape)
    for number in range(1, depth + 1):
        x = net.add(x, attention(net, net.layer_norm(x, f"block{number}.norm1"), f"block{number}.attention", heads), f"block{number}.add1")
        y = net.gelu(net.linear(net.layer_norm(x, f"block{number}.norm2"), f"block{number}.up", 2 * width), f"block{number}.gelu")
        x = net.add(x, net.linear(y, f"block{number}.down", width), f"block{number}.add2")
    x = net.layer_norm(x, "norm")
    mean = net.node("ReduceMean", "mean", [x.name], (width,), axes=[1], keepdims=0)
    return net.finish(net.linear(mean, "head", outputs), "vit-small")


def attention(net: Draft, x: Flow, name: str, heads: int) -> Flow:
    """Multi-head self-attention; x: (tokens, width)."""
    tokens, width = x.shape
    size = width // heads

    def part(which: str, perm: tuple[int, ...]) -> Flow:
        split = net.reshape(net.linear(x, f"{name}.{which}", width), f"{name}.{which}.heads", (tokens, heads, size))
        return net.transpose(split, f"{name}.{which}.turned", perm)

    query, key, value = part("query", (0, 2, 1, 3)), part("key", (0, 2, 3, 1)), part("value", (0, 2, 1, 3))
    scores = net.node("MatMul", f"{name}.scores", [query.name, key.name], (heads, tokens, tokens))
    scaled = net.node("Mul", f"{name}.scaled", [scores.name, net.store(f"{name}.scale", np.array(size**-0.5))],
                      scores.shape)
    weights = net.node("Softmax", f"{name}.weights", [scaled.name], scores.shape, axis=-1)
    mixed = net.node("MatMul", f"{name}.mixed", [weights.name, value.name], (heads, tokens, size))
    joined = net.reshape(net.transpose(mixed, f"{name}.back", (0, 2, 1, 3)), f"{name}.joined", (tokens, width))
    return net.linear(joined, f"{name}.out", width)
