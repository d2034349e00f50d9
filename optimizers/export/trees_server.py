"""Trees to C99 for servers: small trees by their false nodes, 32 rows at a time; large ones walked, eight rows at a time.

QuickScorer (Lucchese et al. 2015, doi:10.1145/2766462.2767733) keeps a bit for each leaf of a tree. All nodes of all trees lie sorted by
feature and threshold; a node that sends a row right clears the bits of the leaves to its left, and the first bit that is left is the leaf.
A row that passes one threshold passes all after it, so each column is read up to there. Here rows go in vectors (as in V-QuickScorer,
Lucchese et al. 2016, doi:10.1145/2911451.2914758), leaves lie in words of 32 so that most nodes touch one word, and thresholds that are
equal are compared once for all trees.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from optimizers.errors import OptimizerError
from optimizers.export.c_text import array, literal, unsigned, wrapped
from optimizers.export.trees_tables import columns, ordered, owners, single_output
from optimizers.models.trees import LEAF, Trees, compacted

KERNEL = Path(__file__).parent / "c" / "trees_server.c"
SCORED = 512            # leaves of the largest tree kept as bits: of 31 leaves that is ten times faster than walking, of 511 1.3 times
GROUP = 192             # words of bits worked on together: 24 KiB for 32 rows, which the first cache holds
MOST_NODES = 250_000    # the compiler needs about a minute for each 700,000
MOST_OUTPUTS = 4096     # 32 rows of sums lie on the stack: half a megabyte
MOST_VALUES = 1_000_000
LINKS = {"none": 0, "sigmoid": 1, "softmax": 2}


def source(trees: Trees, name: str = "model") -> str:
    """The text of NAME.c: NAME_predict(x, out) for one row, NAME_predict_rows(x, rows, out) for many.  x (rows, features) float32 row by
    row, out (rows, outputs) float32 after the link.

    Raises OptimizerError above MOST_NODES, MOST_OUTPUTS or MOST_VALUES.
    """
    for count, most, what in ((trees.nodes, MOST_NODES, "nodes"), (trees.outputs, MOST_OUTPUTS, "outputs")):
        require(count, most, what)
    trees = compacted(trees)
    require(trees.values.size, MOST_VALUES, "numbers at their leaves")
    walked = leaves_of(trees) > SCORED
    trees = sorted_by(trees, walked)
    scored = int((~walked).sum())
    single = single_output(trees)
    head = {"FEATURES": trees.features, "OUTPUTS": trees.outputs, "TREES": len(trees.roots), "SCORED": scored, "LINK": LINKS[trees.link],
            "SINGLE": int(single is not None)}
    text = ["\n".join(wrapped(f"/* {told(trees, scored)} */")) + "\n", "#include <stddef.h>\n#include <stdint.h>\n",
            "#include <math.h>\n" if trees.link != "none" else "",
            *(f"#define {key} {value}\n" for key, value in head.items()), "\n",
            array("base", "float", trees.base.astype(np.float32)),
            *leaf_tables(trees, single), *(scored_tables(trees, scored) if scored else ()),
            *(walked_tables(trees, scored, single is not None) if scored < len(trees.roots) else ()), "\n", KERNEL.read_text()]
    return "".join(text).replace("NAME", name)


def require(count: int, most: int, what: str) -> None:
    if count > most:
        raise OptimizerError(f"The trees have {count:,} {what}, and C is written for at most {most:,}.", "compile-trees",
                             "Take fewer trees, leaves or classes, or keep the ONNX file.", "trees-large")


def told(trees: Trees, scored: int) -> str:
    walked = len(trees.roots) - scored
    ways = [f"{scored} of at most {SCORED} leaves by bits of leaves, thresholds as ordered integers" if scored else "",
            f"{walked} larger ones walked, thresholds as floats" if walked else ""]
    return (f"{len(trees.roots)} trees, {trees.nodes} nodes, {trees.features} features, {trees.outputs} outputs: "
            f"{'; '.join(way for way in ways if way)}. Written by Espalier.")


def leaves_of(trees: Trees) -> np.ndarray:
    """(trees,) leaves of each."""
    return np.bincount(owners(trees)[trees.feature == LEAF], minlength=len(trees.roots))


def sorted_by(trees: Trees, walked: np.ndarray) -> Trees:
    """The same sum with the trees that are walked behind the others."""
    return compacted(replace(trees, roots=trees.roots[np.argsort(walked, kind="stable")])) if walked.any() else trees


def leaf_tables(trees: Trees, single: np.ndarray | None) -> list[str]:
    """Rows of values that leaves point at, each stored once; trees of one output hold their values where the leaf is found."""
    if single is None:
        return [array("values", "float", trees.values.astype(np.float32))]
    return [array("tree_output", unsigned(trees.outputs), single)] if trees.outputs > 1 else []


def scored_tables(trees: Trees, scored: int) -> list[str]:
    """Groups of trees; in each the columns, their thresholds in rising order, and what each clears in which word."""
    owner, is_leaf = owners(trees), trees.feature == LEAF
    before = np.cumsum(is_leaf) - is_leaf                                  # leaves to the left of a node, over all trees
    rank = before - before[trees.roots][owner]                             # within its tree
    words = np.concatenate([[0], np.cumsum(-(-leaves_of(trees)[:scored] // 32))])
    group_of = grouped(words)
    column = columns(trees)
    node = np.flatnonzero(~is_leaf & (owner < scored))
    begin, end, tree = rank[trees.left[node]], rank[trees.right[node]], owner[node]
    parts = []
    for word in range(SCORED // 32):
        low, high = np.clip(begin - 32 * word, 0, 32), np.clip(end - 32 * word, 0, 32)
        bits = (np.left_shift(1, high) - np.left_shift(1, low)).astype(np.int64)
        found = np.stack([group_of[tree], column.of_node[node], ordered(trees.threshold[node]), words[tree] + word, bits])
        parts.append(found[:, bits != 0])
    entry = merged(np.concatenate(parts, axis=1))
    return [*entry_tables(entry, column.feature, column.missing), *tree_tables(words, group_of),
            *scored_leaves(trees, owner, rank, words, scored)]


def grouped(words: np.ndarray) -> np.ndarray:
    """(trees,) the group of each: at most GROUP words in one, trees in order. words (trees + 1,): where each tree's begin."""
    found, begin = [], 0
    group = 0
    for end, start in zip(words[1:], words[:-1], strict=True):
        if end - begin > GROUP:
            group, begin = group + 1, start
        found.append(group)
    return np.array(found, np.int64)


def merged(entry: np.ndarray) -> np.ndarray:
    """Entries (5, n) of group, column, key, word and bits, sorted; what one threshold clears in one word is one entry."""
    entry = entry[:, np.lexsort(entry[3::-1])]
    first = np.append(True, (np.diff(entry[:4], axis=1) != 0).any(axis=0)) if entry.shape[1] else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    bits = np.bitwise_or.reduceat(entry[4], starts) if len(starts) else entry[4]
    return np.concatenate([entry[:4, starts], bits[None]])


def entry_tables(entry: np.ndarray, feature: np.ndarray, missing: np.ndarray) -> list[str]:
    """A table for each level: group -> columns -> thresholds -> entries, each holding where the next begin."""
    group, column, key, word, bits = entry
    total = len(group)
    new_column = np.flatnonzero(np.append(True, (np.diff(entry[:2], axis=1) != 0).any(axis=0))[:total])
    new_key = np.flatnonzero(np.append(True, (np.diff(entry[:3], axis=1) != 0).any(axis=0))[:total])
    groups = int(group.max()) + 1 if total else 1
    column_keys = np.append(np.searchsorted(new_key, new_column), len(new_key))
    key_entries = np.append(new_key, total)
    group_columns = np.searchsorted(group[new_column], np.arange(groups + 1))
    return [array("group_columns", unsigned(len(new_column)), group_columns),
            array("column_feature", unsigned(int(feature.max(initial=0))), feature[column[new_column]]),
            array("column_missing", "int32_t", missing[column[new_column]]),
            array("column_keys", unsigned(len(new_key)), column_keys), array("keys", "int32_t", key[new_key]),
            array("key_entries", unsigned(total), key_entries), array("entry_word", unsigned(int(word.max(initial=0))), word),
            array("entry_clears", "uint32_t", bits)]


def tree_tables(words: np.ndarray, group_of: np.ndarray) -> list[str]:
    groups = int(group_of.max()) + 1
    begins = np.searchsorted(group_of, np.arange(groups + 1))
    sizes = {"GROUPS": groups, "GROUP_WORDS": np.diff(words[begins]).max(), "DEEPEST": np.diff(words).max()}
    return [*(f"#define {name} {size}\n" for name, size in sizes.items()),
            array("group_trees", unsigned(len(group_of)), begins), array("tree_words", unsigned(int(words[-1])), words)]


def scored_leaves(trees: Trees, owner: np.ndarray, rank: np.ndarray, words: np.ndarray, scored: int) -> list[str]:
    """Leaf i of a tree at 32 times its first word + i: its value, or the row of values it points at."""
    leaves = np.flatnonzero((trees.feature == LEAF) & (owner < scored))
    place = 32 * words[owner[leaves]] + rank[leaves]
    if single_output(trees) is None:
        held = np.zeros(32 * words[-1], np.int64)
        held[place] = trees.leaf[leaves]
        return [array("leaf", unsigned(len(trees.values)), held)]
    found = np.zeros(32 * words[-1], np.float32)
    found[place] = trees.values[trees.leaf[leaves]].sum(axis=1)             # all but one of them are zero
    return [array("leaf", "float", found)]


def walked_tables(trees: Trees, scored: int, single: bool) -> list[str]:
    """Nodes whose children lie side by side, so that the next is first child + (x > t). A leaf's child is itself, and nothing is above
    its threshold: rows that arrived stay while others walk.
    """
    first = int(trees.roots[scored])
    order, place = side_by_side(trees, first)
    leaf = trees.feature[order] == LEAF
    child = np.where(leaf, np.arange(len(order)), place[np.where(leaf, 0, trees.left[order]) - np.where(leaf, 0, first)])
    threshold = np.where(leaf, np.inf, trees.threshold[order]).astype(np.float32)
    asks = np.where(leaf, 0, 2 * trees.feature[order].astype(np.int64) + ~trees.missing_left[order])
    rows = "".join(f"{{{literal(t)}, {c}u, {a}u}}, " for t, c, a in zip(threshold, child, asks, strict=True))
    held = trees.values[trees.leaf[order]].sum(axis=1) if single else trees.leaf[order]
    held = np.where(leaf, held, 0)
    return ["struct node { float threshold; uint32_t child; uint32_t asks; };\n",
            "\n".join(broken_lines(f"static const struct node nodes[{len(order)}] = {{{rows.rstrip(', ')}}};")) + "\n",
            array("walked_leaf", "float" if single else unsigned(len(trees.values)), held.astype(np.float32) if single else held),
            array("roots", "uint32_t", place[trees.roots[scored:] - first])]


def side_by_side(trees: Trees, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The nodes from `first` on, children in pairs, a subtree close together; and the place of each."""
    order: list[int] = []
    left, right, inner = trees.left.tolist(), trees.right.tolist(), (trees.feature != LEAF).tolist()
    for root in trees.roots[np.searchsorted(trees.roots, first):].tolist():
        order.append(root)
        stack = [root]
        while stack:
            node = stack.pop()
            if inner[node]:
                order += [left[node], right[node]]
                stack += [right[node], left[node]]
    place = np.zeros(trees.nodes - first, np.int64)
    place[np.array(order) - first] = np.arange(len(order))
    return np.array(order), place


def broken_lines(line: str) -> list[str]:
    """Lines of at most 140, cut behind a node: textwrap takes minutes for a million of them."""
    parts: list[str] = []
    held: list[str] = []
    length = 0
    for piece in line.split("}, {"):
        if length + len(piece) > 130:
            parts.append("}, {".join(held) + "},")
            held, length = [], 0
        held.append(piece if held or not parts else "    {" + piece)
        length += len(piece) + 4
    return [*parts, "}, {".join(held)]
