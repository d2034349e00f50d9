"""Numbers for the XNOR kernels in `c/xnor.c`: weights in words, and thresholds that stand for batch norm and sign."""

from __future__ import annotations

from pathlib import Path

import numpy as np

C = Path(__file__).parent / "c"         # xnor.h, xnor.c; int8.c is what they are compared with
LANES = 16                              # XNOR_LANES of xnor.h


def words_of(positive: np.ndarray) -> np.ndarray:
    """(..., channels) bool -> (..., ceil(channels / 32)) uint32, channel c in bit c % 32; unused bits are 0.

    >>> words_of(np.array([True, False, True, True]))
    array([13], dtype=uint32)
    """
    channels = positive.shape[-1]
    padded = np.zeros((*positive.shape[:-1], -(-channels // 32) * 32), bool)
    padded[..., :channels] = positive
    return np.packbits(padded, axis=-1, bitorder="little").view("<u4").astype(np.uint32)


def filters(signs: np.ndarray, lanes: int = LANES) -> np.ndarray:
    """Weights as ONNX holds them, (outs, channels, *kernel) of +1 and -1, as words (groups, *kernel, words, lanes).

    A dense layer's are (outs, ins) and become (groups, words, lanes). Filters that the last group lacks are zeros.
    """
    words = words_of(np.moveaxis(signs, 1, -1) > 0)
    outs = len(words)
    padded = np.zeros((-(-outs // lanes) * lanes, *words.shape[1:]), np.uint32)
    padded[:outs] = words
    return np.ascontiguousarray(np.moveaxis(padded.reshape(-1, lanes, *words.shape[1:]), 1, -1))


def thresholds(factor: np.ndarray, summand: np.ndarray, at: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """(threshold int32, flip uint8) of each channel, so that (sum >= threshold) ^ flip says: factor * sum + summand >= at, in float32.

    reach: the largest sum, channels times places of the kernel. Every sum from -reach to reach is tried in the graph's own arithmetic, so
    rounding is the graph's too; float32 rounds without changing order, so there is one place where the answer changes.
    """
    sums = np.arange(-reach, reach + 1, dtype=np.float32)
    factor, summand, at = (np.asarray(values, np.float32).reshape(-1, 1) for values in (factor, summand, at))
    above = ~(factor * sums + summand < at)
    falling = above[:, 0] & ~above[:, -1]
    rising = above ^ falling[:, None]                     # False ... False True ... True
    return (rising.shape[1] - rising.sum(1) - reach).astype(np.int32), falling.astype(np.uint8)
