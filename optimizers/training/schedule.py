"""The learning rate over the steps of a run, as a share of its top."""

import math


def share(step: int, total: int, warm: int, kind: str) -> float:
    """step: 0 ... total - 1.  warm: steps of linear rise.  kind: "cosine", "step" or "constant".

    >>> [round(share(step, 10, 2, "cosine"), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    >>> [share(step, 8, 0, "step") for step in (0, 4, 6)]
    [1.0, 0.1, 0.01]
    """
    if step < warm:
        return (step + 1) / warm
    if kind == "constant":
        return 1.0
    done = (step - warm) / max(1, total - warm)
    if kind == "step":
        return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
