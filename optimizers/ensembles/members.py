"""The models that bags, votes and stacks are made of, by name, each with defaults that suit most tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from optimizers.ensembles.adaboost import AdaBoosting
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.forest import Forest
from optimizers.errors import OptimizerError

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.ensembles.problem import Fitted, Problem

Member = Literal["lightgbm", "xgboost", "histogram", "adaboost", "forest", "extra-trees", "tree", "linear", "neighbours", "small-network"]
MEMBERS: dict[str, Estimating] = {
    "lightgbm": Boosting(), "xgboost": Boosting(library="xgboost"), "histogram": Boosting(library="histogram"),
    "adaboost": AdaBoosting(), "forest": Forest(), "extra-trees": Forest(kind="extra"), "tree": BaseModel(depth=8, least=5),
    "linear": BaseModel(kind="linear"), "neighbours": BaseModel(kind="neighbours"), "small-network": BaseModel(kind="small-network"),
}
DEFAULT: tuple[Member, ...] = ("lightgbm", "extra-trees", "adaboost", "linear")


def suited(names: tuple[Member, ...], classes: int) -> list[Member]:
    """Those that can answer: AdaBoost's vote knows classes alone.  Raises OptimizerError when none is left."""
    found = [name for name in dict.fromkeys(names) if classes or name != "adaboost"]
    if not found:
        raise OptimizerError("No member is left that can answer with amounts.", "members", "Add lightgbm, forest or linear.", "no-members")
    return found


def fit_each(names: list[Member], x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], problem: Problem, ctx: Context,
             span: tuple[float, float] = (0.0, 1.0)) -> list[Fitted]:
    """Every member on the same rows, within this part of the step."""
    found = []
    for place, name in enumerate(names):
        begin, end = (span[0] + (span[1] - span[0]) * (place + more) / len(names) for more in (0, 1))
        with ctx.part(begin, end, 1 / (len(names) - place)):
            ctx.report(0.0, MEMBERS[name].label())
            found.append(MEMBERS[name].fitted(x, y, held, problem, ctx))
    return found


def cost_of(names: tuple[Member, ...], rows: int, features: int, classes: int) -> float:
    return sum(MEMBERS[name].cost(rows, features, classes) for name in names)
