"""Simplification at work: passes one after another, each kept only if the outputs stay what they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.cards import WEIGHTED
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models import graph as onnx_graph
from optimizers.models.canonical import aim_reshape, equal, fold_constants
from optimizers.models.fold import fold_batch_norm
from optimizers.models.from_onnx import values
from optimizers.models.graph import copied, copy_of, set_nodes, without_unread
from optimizers.models.network import Network
from optimizers.models.tracing import Value

ROWS = 8
SMALL = 1024                # values of a constant that shape arithmetic may leave in the file
RULES = ("add_0", "sub_0", "mul_by_1", "div_by_1", "dropout_inference", "dropout_zero", "no_op_cast", "no_op_expand", "no_op_transpose",
         "cast_cast", "transpose_transpose", "unsqueeze_unsqueeze", "reshape_reshape", "squeeze_reshape_1d", "collapse_slice",
         "collapse_slice2", "successive_relu", "successive_clip", "successive_relu_clip", "successive_clip_relu", "min_min", "max_max",
         "min_max", "max_min", "normalize_pad_format_conv", "fuse_pad_into_conv", "affine_conv_fusion", "conv_affine_fusion",
         "remove_optional_bias_from_conv", "remove_optional_bias_from_gemm")
Pass = Callable[[onnx.ModelProto], onnx.ModelProto]


def simplified(network: Network, data: Dataset, folding: bool, ctx: Context) -> Network:
    """The network with fewer nodes, and notes on what went; the network itself where nothing could."""
    batch = (onnx_graph.extents(onnx_graph.inputs(network.proto)[0]) or (None,))[0]
    fed = [network.feed(np.resize(data.train.x[:ROWS], (batch or min(ROWS, len(data.train)), *data.row_shape)))]
    fed.append(np.random.default_rng([ctx.seed, 5]).normal(size=fed[0].shape).astype(np.float32))
    passes: dict[str, Pass] = {"constants": fold_constants, "shapes": without_shape_arithmetic, "rules": by_rules}
    if folding:
        passes = {"batch norm": fold_batch_norm, **passes}
    proto, dropped = network.proto, []
    want = [onnx_graph.run(proto, x) for x in fed]
    readable = network.why_not_torch() is None
    for number, (name, run) in enumerate(passes.items()):
        ctx.report(number / len(passes), f"pass: {name}")
        made = attempt(run, proto)
        if made is None or len(made.graph.node) > len(proto.graph.node) or not holds(network, made, fed, want, readable):
            dropped.append(name)
        else:
            proto = made
    return network.with_(proto=proto).noting(*told(network.proto, proto, dropped))


def attempt(run: Pass, proto: onnx.ModelProto) -> onnx.ModelProto | None:
    """What a pass makes of a copy, or None where it stumbles."""
    try:
        return named_as(run(copied(proto)), proto)
    except Exception:       # rules evaluate strangers' nodes by hand and raise many kinds; the graph then simply stays as it is
        return None


def holds(network: Network, made: onnx.ModelProto, fed: list[np.ndarray], want: list[list[np.ndarray]], readable: bool) -> bool:
    """Whether the outputs are the same, and torch still reads what it read before."""
    try:
        same = all(equal(before, onnx_graph.run(made, x)) for x, before in zip(fed, want, strict=True))
    except Exception:       # the runtime's own classes, for a graph it refuses
        return False
    return same and (not readable or network.with_(proto=made).why_not_torch() is None)


def without_shape_arithmetic(proto: onnx.ModelProto) -> onnx.ModelProto:
    """What is computed from fixed extents alone becomes stored, and a Reshape whose target varies with the rows only gets -1 there.

    Extents are known from reading the graph for two and for three rows. A graph torch cannot hold stays as it is.
    """
    try:
        known = values(proto)
    except OptimizerError:
        return proto
    made, kept = copied(proto), []
    for node in made.graph.node:
        found = {name: known[name] for name in node.output if name in known}
        if node.op_type != "Constant" and len(found) == len(node.output) and all(fixed(value) for value in found.values()):
            made.graph.initializer.extend(numpy_helper.from_array(value.samples[0].numpy(), name) for name, value in found.items())
            continue
        if node.op_type == "Reshape" and (target := aimed(known.get(node.input[1]))) is not None:
            aim_reshape(made, node, target, f"{node.output[0]}_target")
        kept.append(copy_of(node))
    set_nodes(made, kept)
    return without_unread(made)


def fixed(value: Value) -> bool:
    """Whether it is a small constant that is the same for any number of rows."""
    two, three = value.samples
    return value.node is None and two.shape == three.shape and two.numel() <= SMALL and bool((two == three).all())


def aimed(value: Value | None) -> list[int] | None:
    """A Reshape's target with -1 in the one place that varies with the rows, or None where no such target is known."""
    if value is None or value.node is not None or value.samples[0].shape != value.samples[1].shape:
        return None
    two, three = (sample.reshape(-1).tolist() for sample in value.samples)
    if sum(a != b for a, b in zip(two, three, strict=True)) != 1 or min(two) < 1:
        return None
    return [a if a == b else -1 for a, b in zip(two, three, strict=True)]


def by_rules(proto: onnx.ModelProto) -> onnx.ModelProto:
    """onnxscript's constant folding and the rules named here, until they settle; then equal nodes and settings once."""
    import onnx_ir as ir
    from onnx_ir.passes import common
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common as rules

    model = ir.serde.deserialize_model(proto)
    for _ in range(2):
        optimizer.fold_constants(model)
        model = rewriter.rewrite(model, [getattr(rules, f"{name}_rule") for name in RULES])
    last = ir.passes.Sequential(common.IdentityEliminationPass(), common.CommonSubexpressionEliminationPass(),
                                common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
                                common.RemoveUnusedNodesPass())
    return once(ir.serde.serialize_model(last(model).model))


def once(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Equal settings (axes, shapes, single numbers) are stored once, in place. Equal weights are not made one tensor: fresh biases and
    scales are equal by chance, would be trained as one from then on, and their layers could no longer be pruned.
    """
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same = {}
    outputs = {value.name for value in proto.graph.output}
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if (array.dtype.kind in "iub" or array.ndim == 0) and tensor.name not in outputs:
            same[tensor.name] = first.setdefault((tensor.data_type, array.shape, array.tobytes()), tensor.name)
    for node in proto.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
    return without_unread(proto)


def named_as(made: onnx.ModelProto, before: onnx.ModelProto) -> onnx.ModelProto:
    """Layers that a rule rebuilt get back the names a person knows them by, wherever their weight is still the same tensor."""
    names = {node.input[1]: node.name for node in before.graph.node if node.op_type in WEIGHTED and len(node.input) > 1}
    for node in made.graph.node:
        if node.op_type in WEIGHTED and len(node.input) > 1:
            node.name = names.get(node.input[1], node.name)
    return made


def told(before: onnx.ModelProto, after: onnx.ModelProto, dropped: list[str]) -> list[str]:
    """Counts of nodes by operator before and after, and the bytes of the file."""
    old, new = counted(before), counted(after)
    changed = [f"{kind} {old[kind]} \u2192 {new[kind]}" for kind in sorted(old | new) if old[kind] != new[kind]]
    if not changed:
        return ["Nothing in the graph could be simplified."]
    sentences = [f"Nodes {sum(old.values())} \u2192 {sum(new.values())}, file {before.ByteSize():,} \u2192 {after.ByteSize():,} bytes; "
                 f"{', '.join(changed)}. Outputs compared equal on train rows and on noise."]
    return sentences + ([f"Left out, because outputs would change or nodes be gained: {', '.join(dropped)}."] if dropped else [])


def counted(proto: onnx.ModelProto) -> Counter[str]:
    """Nodes by operator, Constants left out: they hold what others compute."""
    return Counter(node.op_type for node in proto.graph.node if node.op_type != "Constant")
