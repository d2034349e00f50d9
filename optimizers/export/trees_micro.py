"""Trees to C99 for microcontrollers: no libc, no malloc, no writable globals, no floating point where the mode needs none.

A node is a threshold, a column and two children, of the narrowest types that hold them; only splits are nodes, a child below zero is a
leaf. Leaves are whole numbers of 32 bits with one scale, so sums are exact and their order does not matter. What is compared depends on
the mode:

    int8, int16     features are whole numbers, so x <= t is x <= floor(t): no decision changes, a row is small, NaN cannot occur
    ordered         float features; each becomes an ordered integer once, then integers are compared: for cores without an FPU
    float           float features compared as they are: for cores with one
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.export.c_text import array, literal, unsigned, wrapped
from optimizers.export.trees_tables import columns, ordered, single_output
from optimizers.models.trees import LEAF, Trees, compacted

Mode = Literal["int8", "int16", "ordered", "float"]
KERNEL = Path(__file__).parent / "c" / "trees_micro.c"
RANGES: dict[Mode, tuple[int, int]] = {"int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1)}
TYPES: dict[Mode, str] = {"int8": "int8_t", "int16": "int16_t", "ordered": "float", "float": "float"}
MOST = 2**31 - 1
MOST_NODES = 65_535


class Choice(NamedTuple):
    """mode and the sentence that says why."""

    mode: Mode
    why: str


def chosen(trees: Trees, rows: np.ndarray, fpu: bool) -> Choice:
    """The narrowest mode that changes no decision. rows (n, features): what features are like; fpu: whether the core adds floats itself."""
    used = np.unique(trees.feature[trees.feature != LEAF])
    seen = np.asarray(rows, np.float64)[:, used]
    whole = bool(np.isfinite(seen).all() and (seen == np.rint(seen)).all())
    for mode, (low, high) in RANGES.items():
        if whole and low <= seen.min(initial=0) and seen.max(initial=0) <= high and fits(trees, mode):
            reach = f"from {seen.min(initial=0):.0f} to {seen.max(initial=0):.0f} in {len(rows)} rows"
            return Choice(mode, f"every feature that is asked for is a whole number {reach}, so rounding thresholds down is exact")
    why = "features lie beyond 16 bits" if whole else "a feature is missing or no whole number in some row"
    return Choice("float", f"{why}, and the core compares floats itself") if fpu else \
        Choice("ordered", f"{why}, and the core has no FPU: each float becomes an ordered integer once")


def fits(trees: Trees, mode: Mode) -> bool:
    """Whether each threshold rounded down lies in the type or above it, where nothing is."""
    thresholds = trees.threshold[trees.feature != LEAF]
    return bool((np.floor(thresholds) >= RANGES[mode][0]).all())


def source(trees: Trees, mode: Mode, name: str = "model", why: str = "it was asked for") -> str:
    """The text of NAME.c: NAME_sums(x, sums), NAME_predict(x, out) before the link, and NAME_class(x).

    x: (features,) of int8_t, int16_t or float.  Raises OptimizerError above 65,535 nodes, or where a threshold lies below the type.
    """
    if trees.nodes > MOST_NODES:
        raise OptimizerError(f"The trees have {trees.nodes:,} nodes; C for microcontrollers is written for at most {MOST_NODES:,}.",
                             "the trees", "Take fewer trees or leaves.", "trees-large")
    if mode in RANGES and not fits(trees, mode):
        raise OptimizerError(f"A threshold lies below what {mode} holds.", "the trees", "Use a wider mode.", "trees-mode")
    trees = compacted(trees)
    single, scale = single_output(trees), scale_of(trees)
    head = {"FEATURES": trees.features, "OUTPUTS": trees.outputs, "TREES": len(trees.roots), "SINGLE": int(single is not None),
            "MODE_ORDERED": int(mode == "ordered"), "MODE_FLOAT": int(mode == "float"), "CUT": cut(trees, scale)}
    told = (f"/* {len(trees.roots)} trees, {trees.nodes} nodes, {trees.features} features, {trees.outputs} outputs; features as {mode}: "
            f"{why}. Written by Espalier. */")
    text = ["\n".join(wrapped(told)) + "\n", "#include <stdint.h>\n", f"typedef {TYPES[mode]} NAME_feature;\n",
            *(f"#define {key} {value}\n" for key, value in head.items()), f"#define SCALE {literal(np.float32(1 / scale))}\n\n",
            *node_tables(trees, mode), *leaf_tables(trees, single, scale), "\n", KERNEL.read_text()]
    return "".join(text).replace("NAME", name)


def scale_of(trees: Trees) -> float:
    """The power of two by which leaves are multiplied, so that no sum leaves 31 bits whatever way a row takes.

    The error of a sum is at most (trees + 1) / (2 scale).
    """
    most = np.zeros(len(trees.roots) + 1)
    leaves = np.flatnonzero(trees.feature == LEAF)
    owner = np.searchsorted(trees.roots, leaves, side="right") - 1
    np.maximum.at(most, owner, np.abs(trees.values[trees.leaf[leaves]].astype(np.float64)).max(axis=1))
    most[-1] = np.abs(trees.base).max()
    room = MOST - len(most)                                                 # each addend rounds by at most a half
    return float(2.0 ** np.floor(np.log2(room / most.sum()))) if most.sum() > 0 else 1.0


def cut(trees: Trees, scale: float) -> int:
    """Of one output: the sum above which the class is 1. A probability without a link turns at a half, a score at zero."""
    leaves = trees.values
    share = trees.link == "none" and trees.outputs == 1 and leaves.min(initial=0) >= 0 and trees.base.min() >= 0
    return round(0.5 * scale) if share else 0


def node_tables(trees: Trees, mode: Mode) -> list[str]:
    """The splits alone; a child is a split's number, or the complement of a leaf's."""
    inner = np.flatnonzero(trees.feature != LEAF)
    number = np.zeros(trees.nodes, np.int64)
    number[inner] = np.arange(len(inner))
    is_leaf = trees.feature == LEAF
    held = leaf_numbers(trees)
    number[is_leaf] = ~held[is_leaf]
    column = columns(trees)
    feature = column.of_node[inner] if mode == "ordered" else trees.feature[inner]
    tables = [f"#define COLUMNS {max(len(column.feature), 1)}\n", array("column_feature", unsigned(trees.features), column.feature),
              array("column_missing", "int32_t", column.missing)] if mode == "ordered" else []
    turns = mode == "float"
    child = "int16_t" if len(inner) < 2**15 and held.max(initial=0) < 2**15 else "int32_t"
    kind = {"int8": "int8_t", "int16": "int16_t", "ordered": "int32_t", "float": "float"}[mode]
    threshold = thresholds(trees.threshold[inner], mode)
    most = max(int(feature.max(initial=0)), 0)
    ways = trees.missing_left[inner].astype(np.int64)
    rows = ", ".join(f"{{{{{left}, {right}}}, {literal(t)}, {f}{f', {w}' if turns else ''}}}" for t, left, right, f, w in
                     zip(threshold, number[trees.left[inner]], number[trees.right[inner]], feature, ways, strict=True))
    none = f"{{{{0, 0}}, 0, 0{', 0' if turns else ''}}}"       # C has no table of nothing
    return [*tables, f"typedef {child} child_t;\n",
            f"struct node {{ child_t child[2]; {kind} threshold; {unsigned(most)} column;{' uint8_t missing_left;' if turns else ''} }};\n",
            "\n".join(wrapped(f"static const struct node nodes[{max(len(inner), 1)}] = {{{rows or none}}};")) + "\n",
            array("roots", "child_t", number[trees.roots])]


def thresholds(values: np.ndarray, mode: Mode) -> np.ndarray:
    if mode == "float":
        return values.astype(np.float32)
    return ordered(values) if mode == "ordered" else np.clip(np.floor(values), *RANGES[mode]).astype(np.int64)


def leaf_numbers(trees: Trees) -> np.ndarray:
    """(nodes,) the row of values of a leaf; equal rows are one row already."""
    return np.where(trees.feature == LEAF, trees.leaf, 0).astype(np.int64)


def leaf_tables(trees: Trees, single: np.ndarray | None, scale: float) -> list[str]:
    values = np.rint(trees.values.astype(np.float64) * scale).astype(np.int64)
    base = np.rint(trees.base.astype(np.float64) * scale).astype(np.int64)
    tables = [array("base", "int32_t", base)]
    if single is None:
        return [*tables, array("leaves", "int32_t", values)]
    return [*tables, array("leaves", "int32_t", values.sum(axis=1)),
            *([array("tree_output", unsigned(trees.outputs), single)] if trees.outputs > 1 else [])]
