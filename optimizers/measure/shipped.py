"""The file that leaves the house, in the runtime it leaves for: the only thing that is measured."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from optimizers.coding.transfer import Transfer, transfer
from optimizers.errors import OptimizerError
from optimizers.models.graph import as_input

if TYPE_CHECKING:
    from optimizers.models.network import Network

BATCH = 64


class Shipped:
    """An ONNX Runtime session over the serialized network. threads: of one operator; operators always run one after another."""

    def __init__(self, network: Network, threads: int = 1) -> None:
        self.network, self.threads = network, threads
        self.content = network.serialize()
        self.session = open_session(self.content, threads)
        self.input = self.session.get_inputs()[0]
        self.output = self.session.get_outputs()[0].name

    @property
    def bytes(self) -> int:
        return len(self.content)

    @cached_property
    def transfer(self) -> Transfer:
        """What travels when the file is sent."""
        return transfer(self.content, self.network.coded)

    @property
    def fixed_batch(self) -> int | None:
        """The number of rows the graph insists on, or None where the batch axis is free."""
        first = self.input.shape[0] if self.input.shape else None
        return first if isinstance(first, int) and first > 0 else None

    def predict(self, x_raw: np.ndarray, batch: int = BATCH) -> np.ndarray:
        """Outputs (n, outputs) float32 for raw rows (n, ...); preprocessing is the network's own. n may be 0 only for no rows."""
        step = self.fixed_batch or batch
        found = [self.run(self.feed(x_raw[start:start + step]), len(x_raw[start:start + step])) for start in range(0, len(x_raw), step)]
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)

    def feed(self, x_raw: np.ndarray) -> np.ndarray:
        """Rows as the session takes them: the network's preprocessing, the input's type."""
        return as_input(self.network.feed(x_raw), self.input.type)

    def run(self, fed: np.ndarray, rows: int | None = None) -> np.ndarray:
        """One call for a batch that is already fed; a graph of fixed batch gets its last rows repeated, and they are dropped again."""
        rows = rows or len(fed)
        if self.fixed_batch and len(fed) < self.fixed_batch:
            fed = np.concatenate([fed, np.repeat(fed[-1:], self.fixed_batch - len(fed), axis=0)])
        outputs = self.session.run([self.output], {self.input.name: fed})[0]
        return np.asarray(outputs, np.float32).reshape(len(fed), -1)[:rows]

    @cached_property
    def fused(self) -> dict[str, int]:
        """Operators of the graph the runtime really executes, after its own optimisation."""
        return fused_operators(self.content)


def open_session(content: bytes, threads: int = 1, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    """A CPU session; raises OptimizerError with the runtime's first line where it refuses the file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OptimizerError(f"ONNX Runtime cannot run the network: {str(error).splitlines()[0][:300]}", "model.onnx",
                             "Export it again with a newer opset, or without the operator that is named.", "runtime") from None


def fused_operators(content: bytes) -> dict[str, int]:
    """
    Counts by operator of the optimised graph, inner graphs left out.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(content, 1, path)
        return dict(Counter(node.op_type for node in onnx.load(path).graph.node))
