"""What a file of trees (or lines) becomes: the one ONNX graph that ships, and what the file says of its classes and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from optimizers.models.network import Network

if TYPE_CHECKING:
    import onnx

    from optimizers.models.trees import Trees


@dataclass(frozen=True)
class Estimator:
    """title: "XGBoost, 6 trees".  task: "other" where only the outputs' shape can tell.

    trees: one ensemble, or one for each of the graph's nodes; none for lines.  classes: names in label order, columns: names of features;
    empty where unsaid.  notes: sentences for the card and the candidate's page.
    """

    proto: onnx.ModelProto
    title: str
    task: Literal["classification", "regression", "other"]
    trees: tuple[Trees, ...] = ()
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def network(self) -> Network:
        return Network(self.proto, state="estimator", notes=self.notes)


def read(path: Path, kind: str) -> Estimator:
    """kind: xgboost, lightgbm or skops.  Raises OptimizerError; no library of trees is called, for they crash on crafted files."""
    import numpy as np

    with np.errstate(all="ignore"):         # numbers beyond float32 become infinite, and those are told by name
        return reader(kind)(path)


def reader(kind: str) -> Callable[[Path], Estimator]:
    from optimizers.models import estimator_boosted, estimator_skops

    return {"xgboost": estimator_boosted.xgboost, "lightgbm": estimator_boosted.lightgbm, "skops": estimator_skops.skops}[kind]
