"""What a child may say: one JSON object a line. The parent reads each as a stranger's words."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from optimizers.candidate import Candidate
from optimizers.cards import DatasetCard, ModelCard
from optimizers.errors import Refusal
from optimizers.values import Value

Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=200)]


class Base(Value):
    seq: int = 0
    at: float = 0.0             # seconds since the Unix epoch, by the child's clock


class Step(Value):
    """One line of the plan. state: waiting, running, done, failed, skipped."""

    key: Name
    title: Name
    state: Literal["waiting", "running", "done", "failed", "skipped"] = "waiting"
    expected_seconds: float | None = None
    seconds: float | None = None
    note: Text = ""


class Plan(Base):
    type: Literal["plan"] = "plan"
    steps: Annotated[tuple[Step, ...], Field(max_length=500)]


class Progress(Base):
    type: Literal["progress"] = "progress"
    fraction: Annotated[float, Field(ge=0, le=1)]
    step: Name = ""             # key of a Step
    note: Text = ""
    eta_seconds: float | None = None


class Log(Base):
    type: Literal["log"] = "log"
    level: Literal["info", "warning", "error"] = "info"
    topic: Name = ""            # "measure", "plan", "prune", "fine-tune"
    text: Text


class Curve(Base):
    """One point of a growing line: candidate key, line name ("train loss", "validation top1"), x (epoch), y."""

    type: Literal["curve"] = "curve"
    candidate: Name = ""
    name: Name
    x: float
    y: float | None


class Kept(Base):
    """A measured candidate. Its files lie under the work folder's out/, at the relative paths it names."""

    type: Literal["candidate"] = "candidate"
    candidate: Candidate


class Checkpoint(Base):
    """state: relative path under checkpoint/ of a file a later attempt gets back."""

    type: Literal["checkpoint"] = "checkpoint"
    path: Name


class Inspected(Base):
    type: Literal["inspected"] = "inspected"
    model: ModelCard | None = None
    dataset: DatasetCard | None = None


class Failed(Base):
    """refusal: what, where, mend. fault: "user" (their file or wish) or "ours" (then only an id reaches the page)."""

    type: Literal["error"] = "error"
    stage: Name
    node: Name = ""
    fault: Literal["user", "ours"] = "user"
    refusal: Refusal
    trace: Annotated[str, Field(max_length=20000)] = ""


class Done(Base):
    type: Literal["done"] = "done"
    recommended: Name | None = None
    front: tuple[Name, ...] = ()
    verdict: Text = ""          # "It fits. 8.2 times smaller, 0.4 points lost."
    summary: dict[str, Any] = {}


Event = Annotated[
    Plan | Progress | Log | Curve | Kept | Checkpoint | Inspected | Failed | Done, Field(discriminator="type")
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
