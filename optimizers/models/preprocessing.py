"""From a raw row to the tensor a network was trained on: a small value that travels with the network and ends in the recipe."""

from __future__ import annotations

from typing import Literal

import numpy as np

from optimizers.values import Value


class Preprocessing(Value):
    """Applied in this order: resize to size (height, width; nearest for grey, bilinear for colour), channels (1 <-> 3), scale, layout.

    scale: "0-1" divides bytes by 255, "0-255" keeps them, "-1-1" is x / 127.5 - 1, "standard" subtracts mean and divides by std
    (per channel or per feature, in units of the raw row divided by 255 for bytes, of the raw row otherwise), "none" casts only.
    flatten: (n, channels * height * width) for networks that take vectors.
    """

    scale: Literal["0-1", "0-255", "-1-1", "standard", "none"] = "0-1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    channels: int | None = None
    layout: Literal["nchw", "nhwc"] = "nchw"
    flatten: bool = False

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x: raw rows (n, channels, height, width) or (n, features).  Returns float32, contiguous."""
        raise AssertionError("written by the network floor")
