"""One tidy form for every float graph: weights are not inputs, constants are folded, opset 13 or newer, batch axis free where that is safe.

The numbers do not change: each rewriting is kept only if ONNX Runtime gives the same outputs before and after.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from optimizers.export.slim import NAMED
from optimizers.models import graph
from optimizers.models.float32 import in_float32, other_floats
from optimizers.models.graph import constants, copied, extents, inputs, opset, set_nodes, uses, without_unread

OPSET = 17                  # what older files are raised to: per-channel quantization needs 13, LayerNormalization 17
FOLDED = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Concat", "Slice",
          "Gather", "Flatten", "Reciprocal", "Pow", "Exp", "Shape", "ConstantOfShape"}
LARGEST = 2**26             # values a folded constant may have


def canonical(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The tidy graph and one sentence for each thing that was changed on the way."""
    notes: list[str] = []
    if (apart := told_apart(proto)) is not proto:
        notes.append("Nodes that went by one name got a number behind it: ONNX Runtime refuses names that are given twice.")
        proto = apart
    if kinds := other_floats(proto):
        proto = in_float32(proto)
        notes.append(f"Its {' and '.join(kinds)} tensors were turned into float32, in which networks are trained and compared here.")
    tidy = fold_constants(without_weight_inputs(proto))
    if opset(tidy) < 13 and (raised := raise_opset(tidy)) is not None:
        notes.append(f"Raised from operator set {opset(tidy)} to {OPSET}; outputs compared equal.")
        tidy = raised
    if fixed_batch(tidy) and (freed := free_batch(tidy)) is not None:
        notes.append("The batch axis was fixed to 1 and was made free; three rows at once gave the same outputs as one by one.")
        tidy = freed
    if (settled := settle_reshapes(tidy)) is not None:
        tidy = settled
    return named(tidy), tuple(notes)


def named(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which each layer with weights has a name, which is then the same on its card, in recipes and in compressed files."""
    fresh = copied(proto)
    taken = {node.name for node in fresh.graph.node}
    for node in fresh.graph.node:
        if node.op_type in NAMED and not node.name and node.output[0] not in taken:
            node.name = node.output[0]
            taken.add(node.name)
    return fresh


def told_apart(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which no two nodes have one name, or the graph itself where none do."""
    taken = {node.name for node in proto.graph.node}
    if len([node for node in proto.graph.node if node.name]) == len(taken - {""}):
        return proto
    fresh, seen = copied(proto), set()
    for node in fresh.graph.node:
        name, number = node.name, 2
        while node.name in seen or (node.name != name and node.name in taken):
            node.name, number = f"{name}_{number}", number + 1
        seen |= {node.name} - {""}
    return fresh


def without_weight_inputs(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Initializers leave the list of inputs, where IR 3 had to name them."""
    fresh = copied(proto)
    kept = inputs(fresh)
    del fresh.graph.input[:]
    fresh.graph.input.extend(kept)
    fresh.ir_version = max(fresh.ir_version, 4)
    return fresh


def fold_constants(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Nodes that only read constants become initializers; Identity of a weight becomes the weight."""
    fresh, known = copied(proto), constants(proto)
    kept, folded = [], []
    for node in fresh.graph.node:
        names = [name for name in node.input if name]
        if node.op_type in FOLDED and names and node.domain in ("", "ai.onnx") and all(name in known for name in names) \
                and sum(known[name].size for name in names) <= LARGEST and made_size(node, known) <= LARGEST:
            value = evaluate(node, known, opset(proto))
            if value is not None and value.size <= LARGEST:
                known[node.output[0]] = value
                folded.append(node.output[0])
                continue
        kept.append(node)
    set_nodes(fresh, kept)
    read = uses(fresh)
    fresh.graph.initializer.extend(numpy_helper.from_array(known[name], name) for name in folded if read[name])
    return without_unread(fresh)


def made_size(node: onnx.NodeProto, known: dict[str, np.ndarray]) -> float:
    """How many values a ConstantOfShape would make; others make no more than they read, or are looked at afterwards."""
    return float(np.prod(known[node.input[0]], dtype=np.float64)) if node.op_type == "ConstantOfShape" else 0.0


def evaluate(node: onnx.NodeProto, known: dict[str, np.ndarray], version: int) -> np.ndarray | None:
    """The node's one output by the reference implementation, or None where it cannot say."""
    from onnx.reference import ReferenceEvaluator

    names = list(dict.fromkeys(name for name in node.input if name))
    values = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(known[name].dtype), known[name].shape) for name in names]
    small = helper.make_graph([node], "constant", values, [helper.make_tensor_value_info(node.output[0], TensorProto.UNDEFINED, None)])
    try:
        model = helper.make_model(small, opset_imports=[helper.make_opsetid("", version)])
        return np.asarray(ReferenceEvaluator(model).run(None, {name: known[name] for name in names})[0])
    except Exception:       # the reference lacks forms of some operators; the node then simply stays
        return None


def raise_opset(proto: onnx.ModelProto) -> onnx.ModelProto | None:
    """The graph in operator set 17, or None where conversion fails or changes an output."""
    try:
        raised = without_unread(fold_constants(version_converter.convert_version(proto, OPSET)))
        x = example(proto, 1)
        return raised if x is not None and equal(graph.run(proto, x), graph.run(raised, x)) else None
    except Exception:       # the converter raises many kinds; the file is then used as it came
        return None


def fixed_batch(proto: onnx.ModelProto) -> bool:
    found = inputs(proto)
    shape = extents(found[0]) if len(found) == 1 else None
    return bool(shape) and shape[0] == 1 and len(shape) > 1


def free_batch(proto: onnx.ModelProto) -> onnx.ModelProto | None:
    """The graph with a free first axis, or None unless three rows at once give what one by one gives."""
    fresh = copied(proto)
    for value in [*inputs(fresh), *fresh.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims:
            dims[0].Clear()
            dims[0].dim_param = "batch"
    del fresh.graph.value_info[:]
    free_reshapes(fresh)
    x = example(proto, 3)
    if x is None:
        return None
    try:
        single = [graph.run(proto, x[row:row + 1]) for row in range(3)]
        together = graph.run(fresh, x)
    except Exception:       # the runtime's own classes; any failure means it is not safe
        return None
    return fresh if equal([np.concatenate(rows) for rows in zip(*single, strict=True)], together) else None


def free_reshapes(proto: onnx.ModelProto) -> None:
    """Reshape targets that begin with a constant 1 take the batch of their input instead, in place."""
    known = constants(proto)
    for at, node in enumerate(proto.graph.node):
        target = known.get(node.input[1]) if node.op_type == "Reshape" else None
        if target is not None and target.ndim == 1 and len(target) > 1 and target[0] == 1 and 0 not in target:
            aim_reshape(proto, node, [0 if -1 in target else -1, *target[1:].tolist()], f"{node.input[1]}_free_{at}")
    without_unread(proto)


def settle_reshapes(proto: onnx.ModelProto) -> onnx.ModelProto | None:
    """The graph with constant Reshape targets where they were computed from shapes; None where nothing was won, or an output changed.

    Compilers and quantizers stumble over Shape, Gather and Concat; reading the graph into torch tells what they come to.
    """
    known = constants(proto)
    computed = [node for node in proto.graph.node if node.op_type == "Reshape" and node.input[1] not in known]
    if not computed:
        return None
    from optimizers.models.from_onnx import read

    try:
        targets = read(proto).meta["targets"]
        fresh = copied(proto)
        for at, node in enumerate(fresh.graph.node):
            if node.op_type == "Reshape" and node.input[1] not in known and node.output[0] in targets:
                aim_reshape(fresh, node, targets[node.output[0]], f"{node.output[0]}_target_{at}")
        without_unread(fresh)
        x = example(proto, 2)
        return fresh if x is not None and equal(graph.run(proto, x), graph.run(fresh, x)) else None
    except Exception:       # a graph torch cannot hold, or a runtime that objects: it stays as it came
        return None


def aim_reshape(proto: onnx.ModelProto, node: onnx.NodeProto, target: list[int], name: str) -> None:
    """Give a Reshape a constant target, where 0 means "as before", in place."""
    proto.graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), name))
    node.input[1] = name
    del node.attribute[:]


def example(proto: onnx.ModelProto, rows: int) -> np.ndarray | None:
    """Random float32 rows for the first input, or None where its extents are free."""
    found = inputs(proto)
    shape = extents(found[0]) if found else None
    if not shape or None in shape[1:] or found[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        return None
    if np.prod([int(extent or 1) for extent in shape[1:]], dtype=np.float64) > LARGEST:
        return None
    return np.random.default_rng(0).random((rows, *shape[1:]), np.float32)


def equal(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    """Same shapes and, to float32's rounding, the same numbers."""
    def close(a: np.ndarray, b: np.ndarray) -> bool:
        scale = max(1.0, float(np.abs(np.nan_to_num(a)).max(initial=0)))
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-5 * scale, equal_nan=True)

    return len(before) == len(after) and all(close(a, b) for a, b in zip(before, after, strict=True))
