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
DISTILL: Step = ("distill", {})
INT8: Step = ("quantize-static", {})
FOUR_BITS: Step = ("quantize-aware", {"bits": 4})
CODE: Step = ("entropy-code", {})

CHAINS: dict[str, Chain] = {
    "small-and-fast": Chain("Small and fast", "A third of the channels' work goes, the original teaches the rest, then int8.",
                            (prune(0.3), DISTILL, INT8)),
    "half": Chain("Half of the work", "Half of the multiply-accumulates, taught by the original, then int8.", (prune(0.5), DISTILL, INT8)),
    "quarter": Chain("A quarter of the work", "Three quarters of the multiply-accumulates go: give it minutes, it needs epochs.",
                     (prune(0.75), DISTILL, INT8)),
    "factored": Chain("Factored", "Layers as products of thinner ones: half of the work without a smaller width anywhere. Lebedev et al. "
                      "2014, arXiv:1412.6553.", (("low-rank", {"share": 0.5}), TUNE, INT8)),
    "thin-filters": Chain("Thin filters", "K x K convolutions become depthwise and pointwise ones. Howard et al. 2017, arXiv:1704.04861.",
                          (("compact-filters", {}), DISTILL, INT8)),
    "four-bits": Chain("Four bits", "Weights of 4 bits, trained as such: half the bytes of int8 at its speed. Esser et al. 2020, "
                       "arXiv:1902.08153.", (FOUR_BITS,)),
    "smallest": Chain("As small as it gets", "Half of the channels' work, weights of 4 bits by training, and a coded download.",
                      (prune(0.5), DISTILL, FOUR_BITS, CODE)),
    "deep-compression": Chain("Deep Compression", "Four of five weights become zero, the rest share 32 values a layer, and the file "
                              "travels coded. Han et al. 2015, arXiv:1510.00149.",
                              (("prune-weights", {"share": 0.8}), TUNE, ("cluster-weights", {"bits": 5}), CODE)),
    "few-bytes": Chain("Few bytes to send", "Weights share 16 values a layer, and the file travels coded: file and download shrink, memory "
                       "and time do not. Han et al. 2015, arXiv:1510.00149.", (("cluster-weights", {"bits": 4}), CODE)),
    "one-scale": Chain("One scale for a tensor", "For runtimes without scales by channel: equalized first, biases corrected. Nagel et al. "
                       "2019, arXiv:1906.04721.",
                       (("equalize", {}), ("quantize-static", {"per_channel": False, "bias_correction": True}))),
    "one-bit": Chain("One bit", "Hidden layers of one bit, packed; fast only on kernels that know XNOR. Liu et al. 2020, arXiv:2003.03488.",
                     (("binarize", {}),)),
}
