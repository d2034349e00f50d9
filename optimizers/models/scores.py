"""Which outputs look like class scores, so that an arg-max means something."""

from __future__ import annotations

import numpy as np


def looks_like_scores(array: np.ndarray) -> bool:
    """(n, k) with k >= 2; with more axes, shares along the last one that add up to 1, as a softmax gives them.

    >>> looks_like_scores(np.zeros((2, 10))), looks_like_scores(np.full((2, 5, 4), 0.25)), looks_like_scores(np.zeros((2, 5, 4)))
    (True, True, False)
    """
    if array.dtype.kind != "f" or array.ndim < 2 or array.shape[-1] < 2 or not array.size:
        return False
    if array.ndim == 2:
        return True
    total = array.sum(axis=-1, dtype=np.float64)
    return bool(array.min() >= -1e-3 and array.max() <= 1 + 1e-3 and np.abs(total - 1).max() < 1e-2)
