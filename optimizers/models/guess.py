"""What a network was fed while it was trained, guessed from its input's shape and from how well it then does on validation rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models import graph
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing

ROWS = 500                  # validation rows each candidate is tried on
CLEAR = 0.02                # points of quality another scale must win by to beat the plain one
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def guess(network: Network, data: Dataset, ctx: Context) -> Preprocessing:
    """Size, channels and layout follow from the shapes alone; the scale is the one with the best quality on at most 500 validation rows.

    Raises OptimizerError when rows cannot be brought to the network's input. Says in the log what was chosen, and why.
    """
    base = shaped(network, data.train.x)
    if data.task == "unlabelled":
        ctx.log(f"Rows are scaled as {named(base)}: without labels nothing tells which scale the network was trained on.", "preprocessing")
        return base
    split = data.validation if len(data.validation) else data.train
    step = max(1, len(split) // ROWS)
    x, y = np.asarray(split.x[::step][:ROWS]), np.asarray(split.y[::step][:ROWS])
    tried: list[tuple[float, Preprocessing]] = []
    for scale in scales(base, data):
        quality = score(network.with_(preprocessing=scale), x, y, data.task == "regression")
        if quality is None:
            return scale
        tried.append((quality, scale))
    best_quality, best = tried[0]
    for quality, scale in tried[1:]:
        if quality > best_quality + CLEAR:
            best_quality, best = quality, scale
    others = ", ".join(f"{named(scale)} {quality:.3f}" for quality, scale in tried)
    ctx.log(f"Rows are scaled as {named(best)}; validation quality by scale: {others}.", "preprocessing")
    return best


def completed(network: Network, x: np.ndarray) -> Preprocessing:
    """What was said of the network's preprocessing, and for what was not, what follows from the shapes of its input and of rows x."""
    given = network.preprocessing
    if given.model_fields_set >= {"scale", "size", "channels", "layout", "flatten"}:
        return given
    return shaped(network, x).model_copy(update={name: getattr(given, name) for name in given.model_fields_set})


def named(scale: Preprocessing) -> str:
    return scale.scale if scale.scale != "standard" else f"standard (mean {', '.join(f'{m:.3g}' for m in scale.mean[:3])})"


def shaped(network: Network, x: np.ndarray) -> Preprocessing:
    """Size, channels, layout and flattening that bring rows x to the network's input, with the plain scale."""
    wanted = (graph.extents(graph.inputs(network.proto)[0]) or ())[1:]
    plain = network.preprocessing.model_copy(update={**Preprocessing().model_dump(exclude={"constants", "carried"}),
                                                     "scale": "0-1" if x.dtype == np.uint8 else "none"})
    if x.ndim == 4 and x.shape[1] == 1 and len(wanted) == 2 and same(wanted, x.shape[2:]):
        return plain.model_copy(update={"layout": "nhw"})
    if x.ndim != 4 and same(wanted, x.shape[1:]):
        return plain
    if x.ndim == 4 and len(wanted) == 3:
        nhwc = wanted[2] in (1, 3) and wanted[0] not in (1, 3)
        channels, height, width = (wanted[2], wanted[0], wanted[1]) if nhwc else wanted
        size = (height, width) if height and width and (height, width) != x.shape[2:] else None
        return plain.model_copy(update={"size": size, "channels": channels if channels != x.shape[1] else None,
                                        "layout": "nhwc" if nhwc else "nchw"})
    if x.ndim == 4 and len(wanted) == 1:
        return plain.model_copy(update={"flatten": True, **flat_size(wanted[0], x.shape[1:])})
    raise OptimizerError(f"The network takes rows of shape {shown(wanted)} and the dataset's rows have {shown(x.shape[1:])}.", "input",
                         "Choose the dataset the network was made for.", "shapes-differ")


def same(wanted: tuple[int | None, ...], have: tuple[int, ...]) -> bool:
    return len(wanted) == len(have) and all(w in (None, h) for w, h in zip(wanted, have, strict=True))


def flat_size(width: int | None, row: tuple[int, ...]) -> dict[str, object]:
    """Size and channels for which channels * height * width is the network's width; squares only, when the picture must change."""
    if width in (None, math.prod(row)):
        return {}
    assert width is not None
    for channels in (row[0], 1, 3):
        side = math.isqrt(width // channels)
        if side * side * channels == width:
            return {"size": (side, side), "channels": channels if channels != row[0] else None}
    raise OptimizerError(f"The network takes vectors of {width}, and no picture size gives that.", "input",
                         "Choose the dataset the network was made for.", "shapes-differ")


def scales(base: Preprocessing, data: Dataset) -> Iterator[Preprocessing]:
    """The scales worth trying, the plainest first."""
    yield base
    x = data.train.x
    if x.ndim == 4:
        if x.dtype == np.uint8:
            yield base.model_copy(update={"scale": "-1-1"})
            yield base.model_copy(update={"scale": "0-255"})
        channels = base.channels or x.shape[1]
        yield base.model_copy(update={"scale": "standard", **statistics(x, channels)})
        if channels == 3 and x.dtype == np.uint8:
            yield base.model_copy(update={"scale": "standard", **IMAGENET})
        if x.dtype != np.uint8 and float(np.max(x[:1000])) > 1.5:
            yield base.model_copy(update={"scale": "standard", "mean": (0.0,) * channels, "std": (float(np.max(x[:5000])),) * channels})
    else:
        yield base.model_copy(update={"scale": "standard", **statistics(x, x.shape[1])})


def statistics(x: np.ndarray, channels: int) -> dict[str, tuple[float, ...]]:
    """Mean and deviation of the train split per channel or feature; colour statistics are averaged for a network that takes grey."""
    sample = np.asarray(x[:10_000], np.float64) / (255.0 if x.dtype == np.uint8 else 1.0)
    across = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean, spread = sample.mean(across), sample.std(across)
    if len(mean) != channels:
        mean, spread = np.full(channels, mean.mean()), np.full(channels, spread.mean())
    return {"mean": tuple(round(float(m), 9) for m in mean), "std": tuple(round(float(s), 9) if s > 1e-8 else 1.0 for s in spread)}


def score(network: Network, x: np.ndarray, y: np.ndarray, regression: bool) -> float | None:
    """Top-1 or R² (not below -1) in ONNX Runtime, or None where outputs and labels cannot be compared."""
    parts = [graph.run(network.proto, network.feed(x[at:at + step]))[0] for step in (batch_of(network),) for at in range(0, len(x), step)]
    out = np.concatenate(parts)
    if out.ndim > 2:
        return None                     # no scores of classes and no amounts: labels say nothing about them
    out = out.reshape(len(x), -1)
    if regression:
        spread = float(np.var(y))
        return max(-1.0, 1 - float(np.mean((out[:, 0] - y) ** 2)) / spread) if out.shape[1] == 1 and spread else None
    if out.shape[1] <= int(y.max()) or not np.isfinite(out).all():
        return None
    return float((out.argmax(1) == y).mean())


def batch_of(network: Network) -> int:
    """Rows in one run: what the graph fixes, else 100."""
    shape = graph.extents(graph.inputs(network.proto)[0]) or (None,)
    return shape[0] or 100


def shown(shape: tuple[int | None, ...]) -> str:
    return "x".join("any" if extent is None else str(extent) for extent in shape) or "no axes"
