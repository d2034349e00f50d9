"""Which columns of a layer end in which head: numbers are sent through the Reshapes and Transposes between them, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from optimizers.models.graph import attributes

MOVES = ("Reshape", "Transpose", "Split", "Slice", "Gather", "Squeeze", "Unsqueeze", "Flatten", "Identity")


class Untraceable(Exception):
    """An operator or a setting that numbers cannot be sent through."""


def follow(labels: np.ndarray, chain: Sequence[tuple[onnx.NodeProto, str]], stored: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The labels after each node of a chain. chain: (node, which of its outputs goes on).  Raises Untraceable."""
    found = []
    for node, onward in chain:
        try:
            labels = moved(labels, node, list(node.output).index(onward), stored)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Untraceable(f"{node.op_type} {node.name}") from error
        found.append(labels)
    return found


def moved(x: np.ndarray, node: onnx.NodeProto, output: int, stored: dict[str, np.ndarray]) -> np.ndarray:
    """x after one node that only moves elements."""
    known = attributes(node)

    def ints(name: str, place: int) -> list[int] | None:
        if name in known:
            return list(known[name])
        given = len(node.input) > place and node.input[place]
        return stored[node.input[place]].reshape(-1).tolist() if given else None

    match node.op_type:
        case "Reshape":
            return x.reshape(resolved(stored[node.input[1]].tolist(), x.shape, bool(known.get("allowzero", 0))))
        case "Transpose":
            return x.transpose(known.get("perm", list(range(x.ndim))[::-1]))
        case "Split":
            axis, sizes = known.get("axis", 0), ints("split", 1)
            parts = np.split(x, len(node.output) if sizes is None else np.cumsum(sizes)[:-1], axis)
            return parts[output]
        case "Slice":
            for axis, start, end in spans(x.shape, node, stored):
                x = np.take(x, np.arange(start, end), axis)
            return x
        case "Gather":
            return np.take(x, stored[node.input[1]], known.get("axis", 0))
        case "Squeeze":
            axes = ints("axes", 1)
            return np.squeeze(x, None if axes is None else tuple(axes))
        case "Unsqueeze":
            return np.expand_dims(x, tuple(ints("axes", 1) or ()))
        case "Flatten":
            axis = known.get("axis", 1)
            return x.reshape(int(np.prod(x.shape[:axis])), -1)
        case "Identity" | "Mul" | "Div":         # by one number, which whoever laid the chain made sure of
            return x
    raise Untraceable(f"{node.op_type} {node.name}")


def spans(shape: tuple[int, ...], node: onnx.NodeProto, stored: dict[str, np.ndarray]) -> list[tuple[int, int, int]]:
    """(axis, start, end) of a Slice, both within the extent. Raises Untraceable for one that steps."""
    starts, ends, axes, steps = ([] if not name else stored[name].reshape(-1).tolist() for name in [*node.input[1:], "", ""][:4])
    if any(step != 1 for step in steps):
        raise Untraceable(f"{node.op_type} {node.name}")
    axes = [axis % len(shape) for axis in axes or range(len(starts))]
    bounds = [slice(start, end).indices(shape[axis])[:2] for axis, start, end in zip(axes, starts, ends, strict=True)]
    return [(axis, *bound) for axis, bound in zip(axes, bounds, strict=True)]


def resolved(target: list[int], shape: tuple[int, ...], literal_zero: bool) -> list[int]:
    """A Reshape's target with 0 as "as before".

    >>> resolved([0, 3, -1], (2, 6, 4), False)
    [2, 3, -1]
    """
    return [shape[axis] if extent == 0 and not literal_zero else int(extent) for axis, extent in enumerate(target)]


def shrunk(after: np.ndarray, gone: np.ndarray) -> tuple[int, ...]:
    """The shape without the elements whose label is gone; they must fill whole places of one axis. Raises Untraceable."""
    kept = ~np.isin(after, gone)
    if kept.all():
        return after.shape
    for axis in range(after.ndim):
        others = tuple(other for other in range(after.ndim) if other != axis)
        places = kept.any(axis=others)
        if int(kept.sum()) == int(places.sum()) * kept.size // kept.shape[axis]:
            return (*after.shape[:axis], int(places.sum()), *after.shape[axis + 1:])
    raise Untraceable("heads that are not neighbours on one axis")
