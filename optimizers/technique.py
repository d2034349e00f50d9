"""The base of every technique: a frozen record of parameters and an `apply`. Form, API, docs and planner derive from the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from optimizers.errors import Refusal
from optimizers.values import Value

if TYPE_CHECKING:
    from optimizers.body import Body
    from optimizers.cards import DatasetCard, ModelCard
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.device import Device
    from optimizers.models.network import Network

# What a step takes and gives: a network whose weights are float, integers, 16-bit floats or single bits; or an estimator, which is no
# network of layers but trees, lines, neighbours, or several of them together.
State = Literal["float", "quantized", "half", "binarized", "estimator"]
STATES: tuple[State, ...] = ("float", "quantized", "half", "binarized", "estimator")
WORDS: dict[State, str] = {"float": "fp32", "quantized": "int8", "half": "fp16", "binarized": "1 bit", "estimator": "fp32"}     # as stored
ARITHMETIC: dict[State, str] = WORDS | {"binarized": "fp32"}        # what the runtime computes in


def param(title: str, default: Any, help: str, *, low: float | None = None, high: float | None = None, unit: str = "",
          search: tuple[Any, ...] | None = None) -> Any:
    """A field of a technique: plain words that name it, default, one line of help, bounds, unit, and the values a planner may try.

    A number has a unit, or says in its help that it is a pure number.
    """
    extra: dict[str, Any] = {"unit": unit} | ({"search": list(search)} if search else {})
    return Field(default, title=title, description=help, ge=low, le=high, json_schema_extra=extra)


class Technique(Value):
    """One way to change or make a model.

    Class attributes: `name` (catalogue key), `family` (the heading it stands under: "training", "quantization", "pruning", ...), `title`,
    `takes` and `gives` (State; "same" gives what came in), `needs` (of "labels", "data"), `last` (nothing may follow it), `paper`
    (reference with its identifier), `version` (raised when the same parameters mean other work), `folds` (heading -> parameters that
    forms fold away under it, because few people need them).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str]
    takes: ClassVar[tuple[State, ...]] = ("float",)
    gives: ClassVar[State | Literal["same"]] = "float"
    needs: ClassVar[tuple[str, ...]] = ("data",)
    last: ClassVar[bool] = False
    paper: ClassVar[str] = ""
    version: ClassVar[int] = 1
    folds: ClassVar[dict[str, tuple[str, ...]]] = {}

    def refuse(self, model: ModelCard | None, dataset: DatasetCard | None, device: Device) -> Refusal | None:
        """Why this cannot work for these inputs, decided from cards alone; None when it can."""
        return None

    def begins(self) -> bool:
        """Whether it can be the first step where there is no model yet."""
        return False

    def seconds(self, model: ModelCard | None, dataset: DatasetCard | None) -> float:
        """A modelled duration on two cores, in seconds."""
        return 10.0

    def body(self, body: Body) -> Body:
        """The network's figures after this step, modelled."""
        return body

    def toll(self) -> float:
        """Points of quality it costs a network that nothing trains afterwards: a prior, fitted to docs/figures.md (`search.chance`)."""
        return 0.0

    def after(self, state: State) -> State:
        """The state of the network after this step."""
        return state if self.gives == "same" else self.gives

    def apply(self, model: Network, data: Dataset, ctx: Context) -> Network:
        """A new network; the one that came in is never changed."""
        raise AssertionError(f"{type(self).__name__} has no apply")

    def label(self) -> str:
        """The few words a candidate's title is made of: "prune 50 %"."""
        return self.title

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """JSON Schema of the fields, with unit and search values; `group` is the heading a field is folded away under."""
        schema = cls.model_json_schema()
        for heading, names in cls.folds.items():
            for name in names:
                schema["properties"][name]["group"] = heading
        return schema

    def dump(self) -> dict[str, Any]:
        """{"technique": name, "version": 1, "params": {...}}: what a recipe file holds."""
        return {"technique": self.name, "version": self.version, "params": self.model_dump(mode="json")}
