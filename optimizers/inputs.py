"""What a task begins with: its dataset, and its network with the preprocessing it was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizers.errors import OptimizerError
from optimizers.models.entries import Entries, of_card, sentences
from optimizers.models.preprocessing import PAIRS

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network
    from optimizers.task import Task


def load_data(task: Task, folder: Path, ctx: Context) -> Dataset:
    from optimizers.data.load import load_dataset

    if task.dataset is None:
        raise OptimizerError("There is no dataset to measure quality on.", "dataset", "Name a dataset.", "no-dataset")
    work = ctx.scratch / "data"
    work.mkdir(parents=True, exist_ok=True)
    return load_dataset(folder / task.dataset, task.dataset_card, task.dataset_options, work, ordered=carries(task))


def carries(task: Task) -> bool:
    """Whether the network carries state from row to row, so that rows must stay in order."""
    card, given = task.model_card, task.model_options.get("preprocessing")
    return card is not None and bool(of_card(card, given).carried)


def load_network(task: Task, folder: Path, data: Dataset, ctx: Context) -> Network:
    """The uploaded network, with its preprocessing given or found by validation quality."""
    from optimizers.models.graph import inputs
    from optimizers.models.guess import completed
    from optimizers.models.load import load_model
    from optimizers.models.preprocessing import guess

    assert task.model is not None
    network = load_model(folder / task.model, task.model_card, task.model_options | {"row": data.row_shape})
    given = bool(set(task.model_options.get("preprocessing") or {}) - set(PAIRS))
    found = completed(network, data.train.x) if given else guess(network, data, ctx)
    ctx.log(f"Preprocessing: {', '.join(f'{name} {value}' for name, value in found.model_dump().items() if value)}", "load")
    if data.task == "unlabelled" and not given:
        network = network.noting(f"Nobody said how rows are scaled and no label could tell: {found.scale} was taken. Set the job's "
                                 "preprocessing if the network was trained on another scale.")
    said = Entries(inputs(network.proto)[0].name, found.constants, found.carried)
    return network.with_(preprocessing=found).noting(*sentences(said))
