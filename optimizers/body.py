"""A network's figures before it is built: plans are ordered by them. Every technique says what it does to them."""

from __future__ import annotations

from typing import NamedTuple

BITS = {"fp32": 32.0, "fp16": 16.0, "int8": 8.0, "bit": 1.0}      # of one stored weight, by the type it is computed in


class Body(NamedTuple):
    """parameters, macs, nodes: counts.  activations: bytes at the peak, in the type they are held in.

    dtype: what products are computed in.  bits: of one stored weight, None where the dtype says it.
    sent: bits of one weight as it travels, None where that is what is stored.
    dynamic: share of the parameters that dynamic quantization reaches.
    """

    parameters: float
    macs: float
    activations: float
    dtype: str = "fp32"
    nodes: float = 30
    dynamic: float = 0.0
    bits: float | None = None
    sent: float | None = None

    @property
    def weight_bytes(self) -> float:
        return self.parameters * (BITS[self.dtype] if self.bits is None else self.bits) / 8

    @property
    def sent_bytes(self) -> float:
        """Of the weights on their way."""
        return self.weight_bytes if self.sent is None else min(self.weight_bytes, self.parameters * self.sent / 8)

    def scaled(self, parameters: float = 1.0, macs: float = 1.0, activations: float = 1.0) -> Body:
        """The same network with each count times its factor."""
        return self._replace(parameters=self.parameters * parameters, macs=self.macs * macs, activations=self.activations * activations)
