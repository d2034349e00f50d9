"""A network as the file that would ship (an ONNX graph) plus what is needed to feed it; torch sees it through `to_torch`.

ONNX is the one form everything passes through: whatever was uploaded becomes a float32 graph once, is read into torch to be trained
and pruned, and the new weights are written back into the same graph. So names, operators and structure stay what the user uploaded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optimizers.candidate import Sensitivity
from optimizers.cards import Tensor
from optimizers.errors import OptimizerError, Refusal
from optimizers.models.preprocessing import Preprocessing
from optimizers.technique import State

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from torch import fx, nn

    from optimizers.export.library import Library


@dataclass(frozen=True)
class Network:
    """proto: an onnx.ModelProto that is never changed in place.  state: float, quantized, half, binarized or estimator.

    notes: sentences for the candidate's page.  sensitivity: what a technique measured layer by layer on the way.
    coded: whether the file travels as model.esp.
    shared: a technique made weights share values, so the file stores codes where tensors still have few (see `export.codebook`).
    sparse: a technique set weights to zero, and whatever trains the network further leaves them there (see `training.zeros`).
    bound: inputs of the upload that constants took the place of.
    library: compiled code that computes what the graph does, and ships in its place.
    """

    proto: onnx.ModelProto
    preprocessing: Preprocessing = Preprocessing()     # noqa: RUF009 (frozen, so it may be shared)
    state: State = "float"
    notes: tuple[str, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = field(default=())
    coded: bool = False
    shared: bool = False
    sparse: bool = False
    bound: tuple[Tensor, ...] = ()
    library: Library | None = None

    def serialize(self) -> bytes:
        return self.proto.SerializeToString()

    def feed(self, x_raw: np.ndarray) -> np.ndarray:
        """Raw rows as the float32 array the graph's input takes."""
        return self.preprocessing(x_raw)

    def with_(self, **changes: Any) -> Network:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def noting(self, *sentences: str) -> Network:
        """A copy with sentences added for the candidate's page."""
        return self.with_(notes=self.notes + tuple(sentences))

    def to_torch(self) -> fx.GraphModule:
        """A module in eval mode that computes what the graph computes, batch axis free, weights as parameters.

        Raises OptimizerError naming the node for a graph that torch cannot hold (control flow, int8, several inputs).
        """
        from optimizers.models.from_onnx import read

        return read(self.proto)

    def why_not_torch(self) -> Refusal | None:
        """The reason this network is of family "graph" (runtime only), or None when torch can train and prune it."""
        try:
            self.to_torch()
        except OptimizerError as error:
            return error.refusal
        return None

    def with_module(self, module: nn.Module) -> Network:
        """The same graph with the weights of `module`, which came from `to_torch` and may have lost channels since."""
        from optimizers.models.write_back import write_back

        return self.with_(proto=write_back(self.proto, module))
