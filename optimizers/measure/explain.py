"""What a model looks at and how sure it is, of the file that ships: columns that matter, answers along them, how its scores fall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizers.measure import dependence, importance, probabilities, tree_counts
from optimizers.measure.columns import columns_of

if TYPE_CHECKING:
    from optimizers.data.dataset import Dataset
    from optimizers.measure.shipped import Shipped

SECONDS = 5.0           # one candidate is explained in about so long, or in less where a job has few minutes
BATCH = 1024
RESIDUALS = 500


def wanted(shipped: Shipped, data: Dataset) -> bool:
    """Of tables whatever the model, and of estimators whatever the rows; without labels there is nothing to hold the answers against."""
    return data.task != "unlabelled" and (data.kind == "table" or shipped.network.state == "estimator")


def explain(shipped: Shipped, data: Dataset, metric: str, outputs: np.ndarray, what: str, seconds: float = SECONDS,
            seed: int = 0) -> dict[str, Any]:
    """Fields of a candidate: measurements, importance, dependence, scores, residuals, notes.

    outputs: of the file on the test split.  what: which rows, of which file, for `how`.  seconds: about how long it may take.
    """
    found: dict[str, Any] = {"measurements": tree_counts.measurements(shipped.network.proto), "notes": ()}
    y = np.asarray(data.test.y)
    if data.task == "classification":
        p = probabilities.probabilities(outputs)
        names = data.classes or tuple(str(label) for label in range(p.shape[1]))
        found["scores"] = probabilities.histograms(p, y, names)
        found["measurements"] |= probabilities.measurements(p, y, what)
    else:
        rows = probabilities.sampled(len(y), RESIDUALS, seed)
        found["residuals"] = tuple(zip(y[rows].astype(float).tolist(), outputs[rows, 0].astype(float).tolist(), strict=True))
    return found | columns(shipped, data, metric, seconds, seed)


def columns(shipped: Shipped, data: Dataset, metric: str, seconds: float, seed: int) -> dict[str, Any]:
    """Importance first, in three quarters of the time; then the dependence on the columns that matter most. Pictures have no columns."""
    if len(data.row_shape) != 1 or not len(data.validation):
        return {}
    end = time.monotonic() + seconds
    known = columns_of(data.features, np.asarray(data.validation.x[:importance.ROWS]))
    predict = lambda rows: shipped.predict(rows, BATCH)
    told, notes = importance.importance(predict, known, data, metric, 0.75 * seconds, seed)
    by_name = {column.name: column for column in known}
    first = [by_name[row.column] for row in told[:dependence.COLUMNS] if row.loss > 0]
    curves, more = dependence.dependence(predict, first, data, end, seed)
    return {"importance": told, "dependence": curves, "notes": (*notes, *more)}
