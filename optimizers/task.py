"""The one thing a worker hands a child: FOLDER/task.json. Everything in it was checked when the job was submitted."""

from typing import Any, Literal

from optimizers.candidate import Sensitivity
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.goal import Budget, Goal
from optimizers.values import Value


class Task(Value):
    """kind: inspect a file (role says which), or fit: measure the baseline and find candidates.

    model, dataset: paths relative to FOLDER, such as "in/model.onnx"; their suffix is the upload's, lower case.
    recipe: a Recipe dump to follow; None asks the planner.  done: keys of candidates an earlier attempt already kept.
    sensitivity: what an earlier job measured of the same model on the same dataset, layer by layer.
    """

    kind: Literal["inspect", "fit"]
    role: Literal["model", "dataset"] | None = None
    model: str | None = None
    model_name: str = ""
    model_sha256: str = ""
    model_options: dict[str, Any] = {}      # architecture (safetensors), preprocessing
    dataset: str | None = None
    dataset_name: str = ""
    dataset_sha256: str = ""
    dataset_options: dict[str, Any] = {}    # target column
    model_card: ModelCard | None = None
    dataset_card: DatasetCard | None = None
    device: Device | None = None
    goal: Goal = Goal()
    budget: Budget = Budget()
    recipe: dict[str, Any] | None = None
    seed: int = 0
    threads: int = 2
    done: tuple[str, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
