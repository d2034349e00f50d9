"""The shapes of the answers. Fields that a floor below defines (Measurement, Breach, Goal) are its own models."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from optimizers.candidate import BiasVariance, Fidelity, Importance, Outcome, Role, Sensitivity
from optimizers.cards import DatasetCard, ModelCard
from optimizers.cards import Problem as Finding
from optimizers.device import Device
from optimizers.errors import Refusal
from optimizers.events import Step
from optimizers.goal import Breach, Budget, Goal
from optimizers.measurement import Change, Measurement
from optimizers.models.preprocessing import Preprocessing

Item = TypeVar("Item")
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Page(BaseModel, Generic[Item]):
    """One page of a list. next: pass it as ?cursor= for the page after; null at the end."""

    items: list[Item]
    next: str | None


class AssetOut(BaseModel):
    """A model or dataset. Wait until state is ready (then there is a card) or rejected (then there is a refusal)."""

    id: UUID
    kind: Literal["model", "dataset"]
    name: str
    filename: str
    state: Literal["inspecting", "ready", "rejected"]
    bytes: int
    sha256: str
    options: dict[str, Any]
    created_at: datetime
    made_by: UUID | None = Field(description="The job that made it; null for an upload.")


class ModelOut(AssetOut):
    card: ModelCard | None
    refusal: Refusal | None
    problems: list[Finding]


class DatasetOut(AssetOut):
    card: DatasetCard | None
    refusal: Refusal | None
    problems: list[Finding]


class DeviceOut(Device):
    own: bool = Field(description="Described by the team itself, rather than by the catalogue.")


class TechniqueOut(BaseModel):
    """takes, gives: the state of the network before and after. parameters: JSON Schema with unit, bounds and default."""

    name: str
    title: str
    family: str
    takes: list[str]
    gives: str
    needs: list[str]
    paper: str
    version: int
    parameters: dict[str, Any]


class ChainOut(BaseModel):
    """recipe: what a job takes, every parameter at the chain's value."""

    name: str
    title: str
    why: str
    recipe: dict[str, Any]


class ArtifactOut(BaseModel):
    id: UUID
    name: str
    role: Role
    bytes: int
    sha256: str
    media_type: str
    url: str


class CandidateOut(BaseModel):
    """key: of the recipe and its inputs; `front` and `recommended` of the job name candidates by it."""

    id: UUID
    key: str
    title: str
    recipe: dict[str, Any]
    fits: bool
    baseline: bool
    broke: list[Breach]
    change: Change | None
    validation: float | None
    measurements: dict[str, Measurement]
    steps: list[Outcome]
    fidelity: list[Fidelity] = Field(description="Where the metric is agreement or cosine: by output and by layer.")
    sensitivity: list[Sensitivity] = Field(description="What was lost when only one layer was changed, where that was asked for.")
    study: BiasVariance | None = Field(description="Bias and variance of this way to learn, where the job was to compare families.")
    importance: list[Importance] = Field(description="Of tables: what is lost when one column's cells are shuffled, dearest first.")
    notes: list[str]
    artifacts: list[ArtifactOut]


class Named(BaseModel):
    id: UUID
    name: str


class ErrorOut(BaseModel):
    """fault: "user", something about the request or the files can be mended; "ours", quote `where` when reporting it."""

    stage: str
    node: str
    fault: Literal["user", "ours"]
    wrong: str
    where: str
    mend: str
    code: str


class JobStanding(BaseModel):
    """Where a job stands. progress: in [0, 1].  eta_s: seconds left, modelled."""

    id: UUID
    number: int
    title: str
    state: JobState
    progress: float
    step: str
    eta_s: float | None
    note: str
    error: ErrorOut | None
    goal: Goal
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobLine(JobStanding):
    """A job in a list."""

    device: str = Field(description="Name of the device.")


class JobOut(JobStanding):
    """A job with everything it found so far. front: keys of candidates."""

    plan: list[Step]
    model: Named | None
    dataset: Named | None
    device: Device
    budget: Budget
    recipe: dict[str, Any] | None
    preprocessing: dict[str, Any] | None = Field(description="What was said of it; null: found by the job.")
    seed: int
    replay_of: UUID | None
    candidates: list[CandidateOut]
    front: list[str]
    recommended: str | None
    verdict: str


class Wish(BaseModel):
    """What to fit, where, and how good it must be. device: a name from GET /devices, or a whole device."""

    model_config = ConfigDict(extra="forbid")

    model: UUID | None = None
    dataset: UUID | None = None
    device: str | Device
    goal: Goal = Field(Goal(), description="A metric that is left out is the first that suits model and dataset.")
    budget: Budget = Budget()
    recipe: dict[str, Any] | str | None = Field(None, description="A recipe as JSON, or as the text of a recipe.yaml; null: plan for me.")
    preprocessing: Preprocessing | None = Field(None, description="What the model was fed while it was trained, and "
                                                                  "what its further inputs are given. Fields left out follow from shapes; "
                                                                  "null: as the recipe or the model says, else found.")
    seed: int = Field(0, ge=0, lt=2**31)


class NewJob(Wish):
    title: str | None = Field(None, max_length=200)
