"""The file that leaves the house, in the runtime it leaves for: the only thing that is measured."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime

from optimizers.coding.transfer import Transfer, transfer
from optimizers.errors import OptimizerError
from optimizers.export import library
from optimizers.models.graph import as_input, beginning
from optimizers.models.scores import probabilities

if TYPE_CHECKING:
    from optimizers.models.network import Network

BATCH = 64


class Session(Protocol):
    """What is used of a runtime: of ONNX Runtime's session, and of compiled code behind the same three methods."""

    def get_inputs(self) -> Sequence[Any]: ...
    def get_outputs(self) -> Sequence[Any]: ...
    def run(self, outputs: Any, feed: Any) -> Sequence[Any]: ...


class Shipped:
    """The file in its runtime: an ONNX Runtime session over the serialized network, or the library that ships in its place.

    threads: of one operator; operators always run one after another.  name: of the file.  runtime: what executes it, in words.
    A network that carries state sees its rows one by one, and each call of `predict`, `answers` or `run` is a sequence from zeros. outputs:
    what it answers, without the state it carries.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self.network, self.threads = network, threads
        if network.library is None:
            self.name, self.runtime, self.content = "model.onnx", "ONNX Runtime", network.serialize()
            self.session: Session = open_session(self.content, threads)
        else:
            self.name, self.runtime = "model.so", f"C compiled for {network.library.target}"
            self.content, self.session = network.library.content, library.Session(network.library)
        inputs: list[Any] = list(self.session.get_inputs())
        self.input, self.others = inputs[0], inputs[1:]
        made = tuple(value.name for value in self.session.get_outputs())
        self.carried = {name: source for name, source in network.preprocessing.carried.items() if source in made}
        self.outputs = tuple(name for name in made if name not in self.carried.values()) or made
        self.output = self.outputs[0]

    @cached_property
    def probable(self) -> tuple[int, ...]:
        """Places of the outputs that a sigmoid made."""
        made = probabilities(self.network.proto)
        return tuple(place for place, name in enumerate(self.outputs) if name in made)

    @property
    def bytes(self) -> int:
        return len(self.content)

    @cached_property
    def transfer(self) -> Transfer:
        """What travels when the file is sent."""
        return transfer(self.content, self.network.coded, self.name)

    @property
    def fixed_batch(self) -> int | None:
        """The number of rows the graph insists on, or None where the batch axis is free."""
        first = self.input.shape[0] if self.input.shape else None
        if self.others and any(all(isinstance(extent, int) for extent in value.shape) for value in self.others):
            return 1                                    # state for one sequence
        return first if isinstance(first, int) and first > 0 else None

    def step(self, rows: int, batch: int = BATCH) -> int:
        """How many rows go into one call of `run`: all of them where state is carried."""
        return max(1, rows) if self.carried else self.fixed_batch or batch

    def predict(self, x_raw: np.ndarray, batch: int = BATCH) -> np.ndarray:
        """First output, (n, outputs) float32, for raw rows (n, ...); preprocessing is the network's own. n may be 0 only for no rows."""
        step = self.step(len(x_raw), batch)
        found = [self.run(x_raw[start:start + step], (self.output,))[0] for start in range(0, len(x_raw), step)]
        return np.concatenate([np.asarray(part, np.float32).reshape(len(part), -1) for part in found]) if found \
            else np.zeros((0, 1), np.float32)

    def answers(self, x_raw: np.ndarray, batch: int = BATCH) -> list[np.ndarray]:
        """Every output, (n, ...) float32 each, for at least one raw row.

        Raises OptimizerError where an output is not one array of numbers for each row.
        """
        step = self.step(len(x_raw), batch)
        parts = [self.run(x_raw[start:start + step], self.outputs) for start in range(0, len(x_raw), step)]
        for name, *arrays in zip(self.outputs, *parts, strict=True):
            if any(getattr(array, "dtype", np.dtype(object)).kind not in "fiub" or array.ndim == 0 for array in arrays):
                raise OptimizerError("The output is not an array of numbers with a row for each row that goes in.", name,
                                     "Export the network without this output.", "output-type")
        if any(len(array) != len(x_raw[start:start + step]) for part, start in zip(parts, range(0, len(x_raw), step), strict=True)
               for array in part):
            raise OptimizerError("An output does not have a row for each row that goes in.", ", ".join(self.outputs)[:200],
                                 "Export the network with the batch as the first axis of every output.", "output-rows")
        return [np.concatenate(arrays).astype(np.float32, copy=False) for arrays in zip(*parts, strict=True)]

    def feed(self, x_raw: np.ndarray) -> dict[str, np.ndarray]:
        """Rows as the session takes them, by input: the network's preprocessing, the input's type, state at its start."""
        return {self.input.name: as_input(self.network.feed(x_raw), self.input.type)} | beginning(self.others, len(x_raw))

    def sequence(self, x_raw: np.ndarray, outputs: tuple[str, ...]) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
        """(what goes in, the outputs) for each row, the state that one leaves given to the next."""
        state: dict[str, np.ndarray] = {}
        for row in range(len(x_raw)):
            fed = self.feed(x_raw[row:row + 1]) | state
            found = self.session.run([*outputs, *self.carried.values()], fed)
            state = dict(zip(self.carried, found[len(outputs):], strict=True))
            yield fed, list(found[:len(outputs)])

    def run(self, x_raw: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
        """One call for at most a batch of rows; a graph of fixed batch gets its last row repeated, and what comes of it is dropped."""
        if self.carried:
            return joined([found for _, found in self.sequence(x_raw, outputs)])
        rows, fixed = len(x_raw), self.fixed_batch
        if fixed and rows < fixed:
            x_raw = np.concatenate([x_raw, np.repeat(x_raw[-1:], fixed - rows, axis=0)])
        found = self.session.run(list(outputs), self.feed(x_raw))
        return [array[:rows] if fixed and getattr(array, "ndim", 0) else array for array in found]

    def on_fed(self, fed: np.ndarray) -> np.ndarray:
        """First output, (n, outputs) float32, for at least one row that went through the network's preprocessing already."""
        if self.carried:
            raise OptimizerError("The network carries state from row to row, so rows in another order mean nothing to it.",
                                 ", ".join(self.carried)[:200], "Teach with a network that has no state.", "carries-state")
        step, parts = self.fixed_batch or len(fed), []
        for start in range(0, len(fed), step):
            rows = as_input(fed[start:start + step], self.input.type)
            whole = np.concatenate([rows, np.repeat(rows[-1:], step - len(rows), axis=0)])
            parts.append(np.asarray(self.session.run([self.output], {self.input.name: whole})[0], np.float32)[:len(rows)])
        return np.concatenate(parts).reshape(len(fed), -1)

    @cached_property
    def fused(self) -> dict[str, int]:
        """Operators of the graph the runtime really executes, after its own optimisation."""
        return fused_operators(self.network.serialize())


def joined(rows: list[list[np.ndarray]]) -> list[np.ndarray]:
    """The outputs of single rows as outputs of all of them; what is no array, or has no axes, is left as the last row gave it."""
    return [np.concatenate(parts) if all(getattr(part, "ndim", 0) for part in parts) else parts[-1] for parts in zip(*rows, strict=True)]


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
