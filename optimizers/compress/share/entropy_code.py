"""Send the model file in few bytes: each tensor coded by what it is. The last stage of Deep Compression, Han et al. 2015,
arXiv:1510.00149, with range asymmetric numeral systems (Duda 2013, arXiv:1311.2540) in the place of Huffman's code.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from optimizers.technique import STATES, State, Technique


class EntropyCoding(Technique):
    """The download becomes model.esp with the program that undoes it, byte for byte. File, memory and speed on the device stay."""

    name: ClassVar[str] = "entropy-code"
    title: ClassVar[str] = "entropy-coded"
    family: ClassVar[str] = "coding"
    takes: ClassVar[tuple[State, ...]] = STATES
    gives: ClassVar[State | Literal["same"]] = "same"
    last: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"

    def seconds(self, model, dataset):
        """About 2 million weights a second, written and read back (measured on one busy core)."""
        return 0.5 + (model.parameters if model else 1e6) / 2e6

    def body(self, body):
        """DEFLATE comes within a tenth of it; lists of few numbers are what it is for, and those say so themselves."""
        return body._replace(sent=0.92 * (body.sent_bytes * 8 / body.parameters)) if body.parameters else body

    def apply(self, model, data, ctx):
        ctx.report(0.5, "the file is coded when it is measured")
        return model.with_(coded=True)
