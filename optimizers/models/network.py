"""A network as the file that would ship (an ONNX graph) plus what is needed to feed it; torch sees it through `to_torch`.

ONNX is the one form everything passes through: whatever was uploaded becomes a float32 graph once, is read into torch to be trained
and pruned, and the new weights are written back into the same graph. So names, operators and structure stay what the user uploaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizers.candidate import Sensitivity
from optimizers.models.preprocessing import Preprocessing
from optimizers.technique import State

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Network:
    """proto: an onnx.ModelProto that is never changed in place.  state: float, quantized or half.

    notes: sentences for the candidate's page.  sensitivity: what a technique measured layer by layer on the way.
    """

    proto: onnx.ModelProto
    preprocessing: Preprocessing = Preprocessing()
    state: State = "float"
    notes: tuple[str, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = field(default=())

    def serialize(self) -> bytes:
        return self.proto.SerializeToString()

    @property
    def input_name(self) -> str:
        return self.proto.graph.input[0].name
