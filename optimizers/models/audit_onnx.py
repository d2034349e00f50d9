"""Stage A of an ONNX file: the protobuf is walked, then held against limits and rules. No library reads it before this has passed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from math import prod
from pathlib import Path

from optimizers.errors import OptimizerError
from optimizers.models.audit_protobuf import Message, packed, walk

LARGEST = 2 << 30
MOST_NODES = 100_000
MOST_LEVELS = 30            # graphs inside graphs
MOST_TURNS = 10_000         # of a Loop
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 40
ANEW = "Export the model anew."
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8,
        20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2}        # data_type -> bits an element; 8, text, has none
INT64, STRING = 7, 8

Scope = dict[str, Message]          # name -> Tensor, or the Attribute of a Constant node


def looks_like_onnx(head: bytes) -> bool:
    """ir_version first, then a field of ModelProto, as every known exporter writes it."""
    return len(head) > 2 and head[0] == 0x08 and head[1] < 0x40 and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72, 0xCA)


def audit_onnx(path: Path) -> None:
    """Raises OptimizerError, naming the node, tensor or byte.  At most some seconds for 100,000 nodes."""
    size = path.stat().st_size
    if size > LARGEST:
        raise OptimizerError(f"The file has {size:,} bytes; a protobuf ends at 2 GB.", path.name, "Upload a smaller model.", "too-large")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        model = walk(data, path.name)
        refuse_model(model, path.name)
        functions = {(f.text(10), f.text(1)): f for f in model.messages(25)}
        refuse_cycles(functions)
        total = 0
        for graph, level, scope in graphs_of(model, data):
            total += len(graph.messages(nodes_field(graph)))
            if total > MOST_NODES:
                raise OptimizerError(f"The graph has more than {MOST_NODES:,} nodes.", path.name, "Upload a smaller model.",
                                     "too-many-nodes")
            if level > MOST_LEVELS:
                raise OptimizerError(f"Graphs are nested more than {MOST_LEVELS} deep.", path.name, ANEW, "too-deep")
            for tensor in (*graph.messages(5), *sparse_parts(graph.messages(15))):
                refuse_tensor(tensor, "initializer")
            for value in (*graph.messages(11), *graph.messages(12), *graph.messages(13)):
                refuse_value(value)
            for node in graph.messages(nodes_field(graph)):
                refuse_node(node, set(functions), scope, data)


def refuse_model(model: Message, where: str) -> None:
    if not model.messages(7):
        raise OptimizerError("There is no graph in the file, so it is no ONNX model, or it was cut off.", where,
                             "Check the file with onnx.checker.check_model('model.onnx').", "no-graph")
    if len(model.messages(7)) > 1:
        raise OptimizerError("The file holds more than one graph.", where, ANEW, "damaged")
    if not model.messages(8):
        raise OptimizerError("The file names no operator set, so it was cut off or never complete.", where,
                             "Export the model anew; opset 9 to the newest are read.", "truncated")
    if not model.messages(7)[0].messages(1):
        raise OptimizerError("The graph has no nodes.", where, ANEW, "empty")


def first(message: Message, number: int) -> str:
    return (message.texts(number) or [""])[0]


def nodes_field(graph: Message) -> int:
    return 7 if graph.kind == "Function" else 1


def graphs_of(model: Message, data: mmap.mmap) -> Iterator[tuple[Message, int, Scope]]:
    """Every graph and function body with its level and the constants it can see, outermost first."""
    waiting: list[tuple[Message, int, Scope]] = [(graph, 0, {}) for graph in (*model.messages(7), *model.messages(25))]
    waiting += [(graph, 0, {}) for training in model.messages(20) for graph in (*training.messages(1), *training.messages(2))]
    while waiting:
        graph, level, outer = waiting.pop()
        scope = outer if not graph.messages(5) else {**outer, **{t.text(8): t for t in graph.messages(5)}}
        nodes = graph.messages(nodes_field(graph))
        constants = {first(node, 2): node.messages(5)[0] for node in nodes
                     if node.text(4) == "Constant" and node.messages(5)}
        scope = {**scope, **constants} if constants else scope
        yield graph, level, scope
        if level > MOST_LEVELS:
            continue
        for node in nodes:
            for attribute in node.messages(5):
                waiting += [(inner, level + 1, scope) for inner in (*attribute.messages(6), *attribute.messages(11))]


NAMES = {"Node": (1, 2, 3, 4, 7), "Tensor": (8,), "Value": (1,), "Attribute": (1,)}


def refuse_names(message: Message) -> None:
    """Names are UTF-8, as the format demands; libraries behave oddly where they are not."""
    for number in NAMES[message.kind]:
        for raw in message.raw(number):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as fault:
                raise OptimizerError("A name is not UTF-8 text, so the file is damaged.", f"{message.kind.lower()} '{raw[:40]!r}'",
                                     ANEW, "damaged") from fault


def refuse_node(node: Message, functions: set[tuple[str, str]], scope: Scope, data: mmap.mmap) -> None:
    refuse_names(node)
    operator, domain = node.text(4), node.text(7)
    where = f"node '{node.text(3) or first(node, 2)}' ({operator})"[:200]
    if domain not in DOMAINS and (domain, operator) not in functions:
        fused = domain.startswith("com.microsoft")
        raise OptimizerError(
            f"The operator {operator[:80]} belongs to '{domain[:80]}', which is not part of ONNX.", where,
            "Export without the optimizations of ONNX Runtime, which fuse nodes into its own." if fused else
            "Export with standard operators only.", "custom-domain")
    for attribute in node.messages(5):
        refuse_names(attribute)
        for tensor in (*attribute.messages(5), *attribute.messages(10), *sparse_parts(attribute.messages(22) + attribute.messages(23))):
            refuse_tensor(tensor, f"attribute '{attribute.text(1)}' of {where}")
    if operator == "Loop" and domain in DOMAINS:
        refuse_loop(node, where, scope, data)


def refuse_loop(node: Message, where: str, scope: Scope, data: mmap.mmap) -> None:
    """A Loop needs a constant count: without, nobody can say that it ends."""
    name = first(node, 1)
    turns = constant(scope[name], data) if name in scope else None
    if turns is None:
        raise OptimizerError("The Loop has no constant number of turns, so nobody can say that it ends.", where,
                             f"Export it with a fixed count of at most {MOST_TURNS:,}, or unroll it.", "endless-loop")
    if not 0 <= turns <= MOST_TURNS:
        raise OptimizerError(f"The Loop takes {turns:,} turns; at most {MOST_TURNS:,} are run.", where, "Use fewer turns.", "endless-loop")


def constant(holder: Message, data: mmap.mmap) -> int | None:
    """The whole number that a tensor, or the attribute of a Constant, holds."""
    if holder.kind == "Attribute":
        if holder.text(1) == "value_int":
            return holder.number(3)
        if not holder.messages(5):
            return None
        holder = holder.messages(5)[0]
    if prod(packed(holder, 1)) != 1 or holder.number(2) != INT64:
        return None
    raw = (holder.raw(9) or [b""])[0]
    if len(raw) == 8:
        return int.from_bytes(raw, "little", signed=True)
    values = packed(holder, 7)
    return values[0] if len(values) == 1 else None


def sparse_parts(found: list[Message]) -> Iterator[Message]:
    """Values and indices of sparse tensors."""
    for sparse in found:
        yield from sparse.messages(1)
        yield from sparse.messages(2)


def refuse_tensor(tensor: Message, what: str) -> None:
    refuse_names(tensor)
    name = tensor.text(8)
    where = f"{what} '{name}'"[:200] if name else what
    if tensor.number(14) == 1 or tensor.messages(13):
        entries = {entry.text(1): entry.text(2) for entry in tensor.messages(13)}
        raise OptimizerError(f"The values of the tensor lie outside of the file, in '{entries.get('location', '?')[:200]}'.", where,
                             "Save it as one file: onnx.save(onnx.load('model.onnx'), 'single.onnx').", "external-data")
    extents = packed(tensor, 1)
    refuse_extents(extents, where)
    kind, held = tensor.number(2), tensor.size(9)
    if kind not in BITS and kind != STRING:
        raise OptimizerError(f"The tensor has the unknown type {kind}.", where, ANEW, "unknown-dtype")
    needed = (prod(extents) * BITS.get(kind, 0) + 7) // 8
    if held and held != needed:
        raise OptimizerError(f"The tensor of shape {extents} needs {needed:,} bytes and has {held:,}.", where, ANEW, "size-differs")


def refuse_value(value: Message) -> None:
    """Declared names and shapes of inputs, outputs and values between."""
    refuse_names(value)
    for kind in value.messages(2):
        for tensor in (*kind.messages(1), *kind.messages(8)):
            for shape in tensor.messages(2):
                extents = [extent.number(1, 1) for extent in shape.messages(1)]
                refuse_extents([1 if n == -1 else n for n in extents], f"value '{value.text(1)}'"[:200])


def refuse_extents(extents: list[int], where: str) -> None:
    if len(extents) > MOST_DIMENSIONS:
        raise OptimizerError(f"The shape has more than {MOST_DIMENSIONS} dimensions.", where, ANEW, "shape-too-large")
    if any(not 0 <= n < 1 << 31 for n in extents) or prod(extents) >= MOST_ELEMENTS:
        raise OptimizerError(f"The shape {extents} is larger than any machine's memory.", where, ANEW, "shape-too-large")


def refuse_cycles(functions: dict[tuple[str, str], Message]) -> None:
    """Functions must not call themselves, nor grow beyond the limit of nodes when they are put in place of their calls."""
    calls = {key: [(node.text(7), node.text(4)) for node in inner_nodes(body)] for key, body in functions.items()}
    grown: dict[tuple[str, str], int] = {}
    for first in calls:
        path = [(first, iter(calls[first]))]
        open_now = {first}
        while path and first not in grown:
            key, rest = path[-1]
            step = next((call for call in rest if call in calls and call not in grown), None)
            if step is None:
                grown[key] = sum(grown.get(call, 1) for call in calls[key])
                open_now.discard(key)
                path.pop()
                if grown[key] > MOST_NODES:
                    raise OptimizerError(f"The function grows to more than {MOST_NODES:,} nodes when its calls are put in.",
                                         f"function '{key[1]}'"[:200], ANEW, "too-many-nodes")
            elif step in open_now:
                raise OptimizerError("The function calls itself.", f"function '{step[1]}'"[:200], ANEW,
                                     "recursive-function")
            else:
                open_now.add(step)
                path.append((step, iter(calls[step])))


def inner_nodes(body: Message) -> Iterator[Message]:
    """Nodes of a body and of the graphs inside it."""
    waiting = [body]
    while waiting:
        graph = waiting.pop()
        for node in graph.messages(nodes_field(graph)):
            yield node
            for attribute in node.messages(5):
                waiting += [*attribute.messages(6), *attribute.messages(11)]
