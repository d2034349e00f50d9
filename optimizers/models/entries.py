"""What each input of a network is given: the dataset's rows, a number, or what an output said of the row before.

The rows fill one input. Of the others, a single whole number (a sampling rate, a mode) takes a constant, and an input that looks like an
output (an LSTM's state) takes that output's last value. Both are proposed from the shapes, and what a person says of an input goes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optimizers.cards import ModelCard, Tensor
from optimizers.errors import OptimizerError

WHOLE = ("int", "uint", "bool")


class Entries(NamedTuple):
    """rows: the input that rows fill; "" where there is none.  unfed: inputs that nothing fills."""

    rows: str
    constants: dict[str, bool | int | float]
    carried: dict[str, str]
    unfed: tuple[str, ...] = ()


def of_card(card: ModelCard, given: Mapping[str, Any] | None = None) -> Entries:
    """What the inputs of an inspected model are given: as was said, else as inspection proposed. Raises OptimizerError."""
    return entries(card.inputs, card.outputs, card.constants, card.carried, given)


def entries(inputs: Sequence[Tensor], outputs: Sequence[Tensor], numbers: Mapping[str, bool | int | float],
            pairs: Mapping[str, str] | None = None, given: Mapping[str, Any] | None = None) -> Entries:
    """numbers, pairs: what is proposed for single whole numbers and for state; pairs None: look for them by shape.

    given: "constants" and "carried" of a Preprocessing.

    Raises OptimizerError where `given` names what is not there, or carries between shapes that differ.
    """
    given = given or {}
    constants, carried = dict(given.get("constants") or {}), dict(given.get("carried") or {})
    for name in (*constants, *carried):
        known(name, inputs, "input", "constants" if name in constants else "carried")
    check(carried, constants, inputs, outputs)
    left = [tensor for tensor in inputs if tensor.name not in constants and tensor.name not in carried]
    if len(left) > 1:
        constants |= {tensor.name: numbers[tensor.name] for tensor in left if tensor.name in numbers}
        left = [tensor for tensor in left if tensor.name not in constants]
        free = [tensor for tensor in outputs if tensor.name not in carried.values()]
        found = proposed(left, free) if pairs is None else pairs
        carried |= {tensor.name: found[tensor.name] for tensor in left if found.get(tensor.name) in {output.name for output in free}}
        left = [tensor for tensor in left if tensor.name not in carried]
    rows = next((tensor.name for tensor in left if not single(tensor)), "")
    return Entries(rows, constants, carried, tuple(tensor.name for tensor in left if tensor.name != rows))


def single(tensor: Tensor) -> bool:
    """Whether it is one whole number, or yes or no."""
    return tensor.dtype.startswith(WHOLE) and tensor.shape in ((), (1,))


def proposed(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, str]:
    """Input -> output of the same type and shape, a related name first; one input is left over for the rows, one output to answer.

    >>> state = [Tensor(name=name, dtype="float32", shape=(1, None, 8)) for name in ("h", "h_next")]
    >>> audio = [Tensor(name=name, dtype="float32", shape=(None, 4)) for name in ("x", "y")]
    >>> proposed([state[0], audio[0]], [audio[1], state[1]])
    {'h': 'h_next'}
    """
    free, found = list(outputs), dict[str, str]()
    alike = [(tensor, output) for tensor in inputs for output in outputs if not single(tensor) and same(tensor, output)]
    pairs = [pair for pair in alike if related(*pair)]
    called = {tensor.name for tensor, _ in pairs}
    pairs += [(tensor, output) for tensor, output in alike if tensor.name not in called and tensor.name != first(inputs, called)]
    for tensor, output in pairs:
        if tensor.name not in found and output in free and len(found) < min(len(inputs), len(outputs)) - 1:
            found[tensor.name] = output.name
            free.remove(output)
    return found


def first(inputs: Sequence[Tensor], called: set[str]) -> str:
    """The first input that no output is named after: it takes the rows."""
    return next((tensor.name for tensor in inputs if not single(tensor) and tensor.name not in called), "")


def related(tensor: Tensor, output: Tensor) -> bool:
    one, other = tensor.name.lower(), output.name.lower()
    return one.startswith(other) or other.startswith(one)


def same(tensor: Tensor, output: Tensor) -> bool:
    """Equal types, as many axes, and no extent that is known to differ."""
    return tensor.dtype == output.dtype and len(tensor.shape) == len(output.shape) > 0 and \
        all(None in pair or pair[0] == pair[1] for pair in zip(tensor.shape, output.shape, strict=True))


def known(name: str, tensors: Sequence[Tensor], kind: str, field: str) -> Tensor:
    """The tensor of this name. Raises OptimizerError."""
    found = next((tensor for tensor in tensors if tensor.name == name), None)
    if found is None:
        names = ", ".join(tensor.name for tensor in tensors)
        raise OptimizerError(f"The network has no {kind} '{name[:80]}'.", f"preprocessing.{field}", f"It has {names[:300]}.", f"no-{kind}")
    return found


def check(carried: Mapping[str, str], constants: Mapping[str, Any], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Raises OptimizerError for an input that is given twice, or is to take what does not fit it."""
    for name, source in carried.items():
        tensor, output = known(name, inputs, "input", "carried"), known(source, outputs, "output", "carried")
        if name in constants:
            raise OptimizerError(f"The input '{name[:80]}' is given a number and an output.", "preprocessing.carried",
                                 "Say one of them.", "given-twice")
        if not same(tensor, output):
            raise OptimizerError(f"The output '{source[:80]}' ({output.dtype} of {shown(output)}) cannot be carried to the input "
                                 f"'{name[:80]}' ({tensor.dtype} of {shown(tensor)}).", "preprocessing.carried",
                                 "Name an output of the same type and shape.", "carried-differs")


def shown(tensor: Tensor) -> str:
    return " x ".join("any" if extent is None else str(extent) for extent in tensor.shape) or "one number"


def sentences(found: Entries) -> list[str]:
    """What is taken, for a dry run and the candidate's page.

    >>> sentences(Entries("x", {"sr": 16000}, {"h": "h_next"}))[0]
    "Rows fill the input 'x'; 'sr' is 16000, fixed in the file."
    """
    if not found.constants and not found.carried:
        return []
    fixed = [f"'{name}' is {value}" for name, value in found.constants.items()]
    said = [f"Rows fill the input '{found.rows}'" + (f"; {', '.join(fixed)}, fixed in the file." if fixed else ".")]
    if found.carried:
        pairs = " and ".join(f"'{source}' back to '{name}'" for name, source in found.carried.items())
        said.append(f"State is carried from row to row, {pairs}, from zeros at the start of each split; so rows stay in the order of "
                    "the upload, and each split is one stretch of them.")
    return said
