"""Recipes that are known to work, by name: the planner tries them, and people begin with them.

A chain holds only what differs from the defaults of its techniques. Epochs follow the rows and the minutes where the planner runs it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from optimizers.recipe import Recipe, build

Step = tuple[str, dict[str, Any]]


class Chain(NamedTuple):
    """why: one sentence on when to take it, with the paper where it has one."""

    title: str
    why: str
    steps: tuple[Step, ...]

    def recipe(self, seed: int = 0) -> Recipe:
        from optimizers.catalogue import TECHNIQUES

        return Recipe(tuple(build(TECHNIQUES[name], params) for name, params in self.steps), seed)


def prune(share: float) -> Step:
    return ("prune-channels", {"share": share})


TUNE: Step = ("fine-tune", {})
INT8: Step = ("quantize-static", {})

CHAINS: dict[str, Chain] = {
    "small-and-fast": Chain("Small and fast", "Fewer channels, taught again, then int8: smaller and faster on every runtime.",
                            (prune(0.3), TUNE, INT8)),
    "half": Chain("Half of the work", "Half of the multiply-accumulates, then int8.", (prune(0.5), TUNE, INT8)),
    "four-bits": Chain("Four bits", "Weights of 4 bits, trained: a quarter of int8's loss at half its bytes. Esser et al. 2020, "
                       "arXiv:1902.08153.", (("quantize-aware", {"bits": 4}),)),
    "one-scale": Chain("One scale for a tensor", "For runtimes without scales by channel: equalized first, biases corrected. Nagel et al. "
                       "2019, arXiv:1906.04721.",
                       (("equalize", {}), ("quantize-static", {"per_channel": False, "bias_correction": True}))),
    "one-bit": Chain("One bit", "Hidden layers of one bit, packed; fast only on kernels that know XNOR. Liu et al. 2020, arXiv:2003.03488.",
                     (("binarize", {}),)),
    "few-bytes": Chain("Few bytes to send", "Weights share 32 values a layer, and the file travels coded: the download shrinks, nothing "
                       "else does. Han et al. 2015, arXiv:1510.00149.", (("cluster-weights", {}), ("entropy-code", {}))),
}
