"""What both C forms of trees are made of: thresholds as whole numbers in the order of floats, and leaves that touch one output or several.

A float's bits, read as a sign and a magnitude, are in the order of the numbers. So x <= t is one comparison of integers, on a core without
floating point and in a vector alike, and NaN becomes the least or the greatest of them: where it goes is decided with the column, not at
the node.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizers.models.trees import LEAF, Trees

LEAST, MOST = -(2**31), 2**31 - 1           # keys of NaN that goes left, and that goes right; no number has either


class Columns(NamedTuple):
    """Distinct pairs of feature and way of NaN that some node asks for, and each node's.

    feature (columns,), missing (columns,) int32: the key of NaN.  of_node (nodes,): a node's column; 0 for leaves.
    """

    feature: np.ndarray
    missing: np.ndarray
    of_node: np.ndarray


def ordered(numbers: np.ndarray) -> np.ndarray:
    """float32 -> int32 keys in the same order; 0 and -0 are told apart only on the side of the rows, where it changes nothing.

    >>> ordered(np.array([-1, -0.0, 0, 1e-45, 1], np.float32)).tolist()
    [-1065353217, 0, 0, 1, 1065353216]
    """
    bits = (np.asarray(numbers, np.float32) + np.float32(0)).view(np.int32)        # -0 + 0 is 0: x <= -0 holds for x = 0
    return np.where(bits < 0, bits ^ np.int32(MOST), bits).astype(np.int32)


def columns(trees: Trees) -> Columns:
    inner = trees.feature != LEAF
    pairs = 2 * trees.feature.astype(np.int64) + trees.missing_left
    distinct, inverse = np.unique(pairs[inner], return_inverse=True)
    of_node = np.zeros(trees.nodes, np.int64)
    of_node[inner] = inverse
    return Columns(distinct // 2, np.where(distinct % 2 == 1, LEAST, MOST).astype(np.int32), of_node)


def owners(trees: Trees) -> np.ndarray:
    """(nodes,) the tree of each node of compacted trees."""
    return np.searchsorted(trees.roots, np.arange(trees.nodes), side="right") - 1


def single_output(trees: Trees) -> np.ndarray | None:
    """(trees,) the one output to which a tree's leaves add; None where some tree adds to several. A tree of zeros counts for output 0."""
    owner, leaves = owners(trees), np.flatnonzero(trees.feature == LEAF)
    touched = np.zeros((len(trees.roots), trees.outputs), bool)
    np.logical_or.at(touched, owner[leaves], trees.values[trees.leaf[leaves]] != 0)
    return None if (touched.sum(axis=1) > 1).any() else touched.argmax(axis=1)
