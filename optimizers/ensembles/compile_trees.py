"""Trees as compiled C: leaves as bits in vectors, after QuickScorer, Lucchese et al. 2015, doi:10.1145/2766462.2767733."""

from __future__ import annotations

import platform
from typing import ClassVar, Literal

from optimizers import refusals
from optimizers.errors import Refusal
from optimizers.technique import State, Technique

TREES = ("ai.onnx.ml.TreeEnsembleRegressor", "ai.onnx.ml.TreeEnsembleClassifier")       # as cards name them


class TreeCompilation(Technique):
    """Writes the trees as C and ships the library gcc makes of it. The same answers many times faster; it runs on one kind of processor.

    Only for graphs of trees, their weighted sums and a link: a linear model or neighbours in a vote stay in ONNX.
    """

    name: ClassVar[str] = "compile-trees"
    title: ClassVar[str] = "compiled"
    family: ClassVar[str] = "ensembles"
    takes: ClassVar[tuple[State, ...]] = ("estimator",)
    gives: ClassVar[State | Literal["same"]] = "same"
    needs: ClassVar[tuple[str, ...]] = ()
    last: ClassVar[bool] = True
    paper: ClassVar[str] = "Lucchese et al. 2015, doi:10.1145/2766462.2767733"

    def refuse(self, model, dataset, device):
        if model is not None and (refusal := refusals.lacking(model, TREES, "there is nothing to compile", "no-trees")):
            return refusal
        if not device.here and device.isa.replace("-", "_") != platform.machine().lower():
            return Refusal(wrong=f"{device.title} has another processor ({device.isa}) than this server, which compiles for its own.",
                           where="device", mend="Leave this step out, or choose this server as the device.", code="other-processor")
        return None

    def seconds(self, model, dataset):
        """The compiler takes about two seconds for a hundred trees of 31 leaves (measured)."""
        return 4.0

    def apply(self, model, data, ctx):
        from optimizers.ensembles.compile_trees_work import library_of

        ctx.report(0.2, "writing and compiling C")
        library = library_of(model.proto)
        return model.with_(library=library).noting(
            f"It is C, compiled for {library.target}: on an older processor, or another system than Linux, run make beside it once.")
