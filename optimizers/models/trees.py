"""Decision trees of every library in one form: arrays of nodes, one comparison, and a row of outputs at each leaf.

A row goes left where x[feature] <= threshold, both float32: the one comparison of ONNX and of the C that is made of this. What a library
compares otherwise is turned into it without changing one decision: `floor32` for a double threshold, `below` for "less than".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimizers.errors import OptimizerError

Link = Literal["none", "sigmoid", "softmax"]
LEAF = -1
ROWS = 2048             # walked together by `predict`
MOST_NODES, MOST_VALUES = 2_000_000, 1 << 26        # of a file that a stranger brings


@dataclass(frozen=True)
class Trees:
    """An ensemble: link(base + sum over trees of the values at the leaf a row falls into).

    feature (nodes,) int32: LEAF for a leaf.  threshold (nodes,) float32.  left, right (nodes,) int32: nodes.  missing_left (nodes,) bool:
    where NaN goes.  leaf (nodes,) int32: row of values, for leaves.  values (distinct leaves, outputs) float32.  roots (trees,) int32.
    base (outputs,) float32.  features: width of a row.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    leaf: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    base: np.ndarray
    features: int
    link: Link = "none"

    @property
    def outputs(self) -> int:
        return self.values.shape[1]

    @property
    def nodes(self) -> int:
        return len(self.feature)

    @property
    def depths(self) -> np.ndarray:
        """(trees,) comparisons on the longest way of each tree: what a row costs at worst."""
        node, tree, deep, found = self.roots, np.arange(len(self.roots)), 0, np.zeros(len(self.roots), np.int64)
        while (inner := self.feature[node] != LEAF).any():
            node, tree, deep = node[inner], tree[inner], deep + 1
            found[tree] = deep
            node, tree = np.concatenate([self.left[node], self.right[node]]), np.concatenate([tree, tree])
        return found

    def raw(self, x: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 before the link, for rows x (n, features): the numpy reference of every export."""
        found = np.empty((len(x), self.outputs), np.float32)
        for start in range(0, len(x), ROWS):
            rows = np.ascontiguousarray(x[start:start + ROWS], np.float32)
            found[start:start + ROWS] = self.base + self.values[self.leaf[self.reached(rows)]].sum(axis=1, dtype=np.float32)
        return found

    def reached(self, rows: np.ndarray) -> np.ndarray:
        """(n, trees) the leaf node of each row in each tree."""
        node = np.repeat(self.roots[None, :].astype(np.int64), len(rows), axis=0)
        while (inside := self.feature[node] != LEAF).any():
            who, tree = np.nonzero(inside)
            here = node[who, tree]
            value = rows[who, self.feature[here]]
            with np.errstate(invalid="ignore"):
                left = np.where(np.isnan(value), self.missing_left[here], value <= self.threshold[here])
            node[who, tree] = np.where(left, self.left[here], self.right[here])
        return node

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 after the link."""
        return linked(self.raw(x), self.link)

    def first(self, trees: int) -> Trees:
        """The ensemble of the first trees alone; nodes that nobody reaches any more are gone."""
        return compacted(replace(self, roots=self.roots[:trees]))


def linked(raw: np.ndarray, link: Link) -> np.ndarray:
    """Sums (n, outputs) as answers."""
    if link == "sigmoid":
        with np.errstate(over="ignore"):        # to infinity, which makes the answer 0
            return 1 / (1 + np.exp(-raw))
    if link == "softmax":
        grown = np.exp(raw - raw.max(axis=1, keepdims=True))
        return grown / grown.sum(axis=1, keepdims=True)
    return raw


def floor32(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 that is at most the double: x <= t means the same for every float32 x.

    >>> bool(floor32(np.array([0.1]))[0] <= 0.1)
    True
    """
    near = np.asarray(threshold, np.float64).astype(np.float32)
    return np.where(near.astype(np.float64) > threshold, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)


def below(threshold: np.ndarray) -> np.ndarray:
    """x < t as x <= t': the float32 just under t."""
    return np.nextafter(np.asarray(threshold, np.float32), np.float32(-np.inf))


def seen_through(trees: Trees, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Trees:
    """Trees that decide on x as the given ones do on float32((x - shift) / scale), one pair after the other, worked out in float64.

    pairs: shift and scale, (features,) each, all scales above zero.
    Each threshold becomes the largest float32 that still goes left: scaling never turns an order round, so bisection finds it.
    """
    split = np.flatnonzero(trees.feature != LEAF)
    threshold, feature = trees.threshold.copy(), trees.feature[split]
    low, high = (np.full(len(split), int(ordered(np.array([end], np.float32))[0])) for end in (-np.inf, np.inf))
    while (high - low > 1).any():
        middle = (low + high) // 2
        value = unordered(middle).astype(np.float64)
        for shift, scale in pairs:
            value = (value - shift[feature]) / scale[feature]
        left = value.astype(np.float32) <= threshold[split]
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    threshold[split] = unordered(low)
    return replace(trees, threshold=threshold)


def ordered(x: np.ndarray) -> np.ndarray:
    """int64 that follow each other as the float32s do.

    >>> ordered(np.array([-1e-45, -0.0, 0.0, 1e-45], np.float32)).tolist()
    [-1, 0, 0, 1]
    """
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def unordered(place: np.ndarray) -> np.ndarray:
    """The float32s of such places."""
    return np.where(place < 0, -(np.abs(place).astype(np.int32).view(np.float32)), np.abs(place).astype(np.int32).view(np.float32))


def checked(trees: Trees, where: str = "") -> Trees:
    """The same trees, once it is certain that a walk stays inside and ends.  Raises OptimizerError: files of trees crash their own
    libraries on less.
    """
    split = trees.feature != LEAF
    ends = [(trees.roots, trees.nodes, "tree begins at"), (trees.left[split], trees.nodes, "node leads to"),
            (trees.right[split], trees.nodes, "node leads to"), (trees.feature[split], trees.features, "node asks for feature"),
            (trees.leaf[~split], len(trees.values), "leaf points at value")]
    for places, most, what in ends:
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < most:
            raise broken(f"A {what} {int(places.max()) if places.max() >= most else int(places.min())}, and there are {most:,}.", where)
    if not len(trees.roots):
        raise broken("There is no tree in it.", where)
    if not (np.isfinite(trees.values).all() and np.isfinite(trees.base).all()) or np.isnan(trees.threshold[split]).any():
        raise broken("A leaf or a threshold is not a finite number.", where)
    children = np.concatenate([trees.roots, trees.left[split], trees.right[split]])
    if len(np.unique(children)) != len(children):           # each node has one way in: no circle can be reached from a root
        raise broken("A node has two parents, so the trees are no trees.", where)
    return trees


def refuse_size(nodes: int, outputs: int, where: str) -> None:
    """Raises OptimizerError before memory is taken for more than MOST_NODES nodes or MOST_VALUES values at them."""
    if nodes > MOST_NODES or max(1, nodes) * outputs > MOST_VALUES:
        raise OptimizerError(f"It has {nodes:,} nodes of {outputs:,} outputs; at most {MOST_NODES:,} nodes and {MOST_VALUES:,} values are "
                             "read.", where, "Train fewer or shallower trees.", "too-many-nodes")


def broken(wrong: str, where: str) -> OptimizerError:
    return OptimizerError(wrong, where, "Save the model again with its own library.", "bad-trees")


def compacted(trees: Trees) -> Trees:
    """Nodes in the order a walk meets them, tree by tree, unreached ones left out; equal leaves stored once."""
    order: list[int] = []
    stack = [int(root) for root in trees.roots[::-1]]
    while stack:
        node = stack.pop()
        order.append(node)
        if trees.feature[node] != LEAF:
            stack += [int(trees.right[node]), int(trees.left[node])]
    kept = np.array(order, np.int64)
    place = np.full(trees.nodes, -1, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    feature = trees.feature[kept]
    used = trees.values[np.where(feature == LEAF, trees.leaf[kept], 0)]
    values, inverse = np.unique(used[feature == LEAF], axis=0, return_inverse=True)
    leaf = np.zeros(len(kept), np.int32)
    leaf[feature == LEAF] = inverse.ravel()
    inner = feature != LEAF
    return replace(trees, feature=feature, threshold=trees.threshold[kept], missing_left=trees.missing_left[kept], leaf=leaf, values=values,
                   left=np.where(inner, place[trees.left[kept]], 0).astype(np.int32),
                   right=np.where(inner, place[trees.right[kept]], 0).astype(np.int32), roots=place[trees.roots])


def gathered(parts: list[Trees]) -> Trees:
    """Several ensembles as one: sums add up.  All have the same features, outputs and link; bases are added."""
    shift = np.cumsum([0] + [part.nodes for part in parts])
    rows = np.cumsum([0] + [len(part.values) for part in parts])
    join = lambda name: np.concatenate([getattr(part, name) for part in parts])
    moved = lambda name, by: np.concatenate([getattr(part, name) + by[i] for i, part in enumerate(parts)]).astype(np.int32)
    return compacted(Trees(
        feature=join("feature"), threshold=join("threshold"), left=moved("left", shift), right=moved("right", shift),
        missing_left=join("missing_left"), leaf=moved("leaf", rows), values=join("values"), roots=moved("roots", shift),
        base=np.stack([part.base for part in parts]).sum(axis=0, dtype=np.float32), features=parts[0].features, link=parts[0].link))
