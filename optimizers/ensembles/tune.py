"""Tuning: the parameters of a way to fit an estimator, searched within a time box."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Literal

from optimizers.ensembles.adaboost import AdaBoosting
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.estimating import Estimating
from optimizers.ensembles.forest import Forest
from optimizers.technique import param

if TYPE_CHECKING:
    from typing import Any

    from optimizers.context import Context
    from optimizers.ensembles.problem import Fitted, Problem

WAYS: dict[str, type[Estimating]] = {"boost": Boosting, "forest": Forest, "adaboost": AdaBoosting, "base-model": BaseModel}
PATIENCE = 15               # trials without a gain after which more search has stopped paying


class Tuning(Estimating):
    """Tries parameters on validation, the likely ones first, and keeps the best; the recipe then names what was found, not the search.

    Every field with values to try is searched (see each technique's form). Quality on validation is flattered by the choice; that on test
    is not. Trials run one after another in the job's own process.
    """

    name: ClassVar[str] = "tune"
    title: ClassVar[str] = "tuned"
    paper: ClassVar[str] = "Bergstra et al. 2011 (TPE); Akiba et al. 2019, arXiv:1907.10902 (Optuna)"

    way: Literal["boost", "forest", "adaboost", "base-model"] = param("What is tuned", "boost",
                                                                            "The technique whose parameters are searched")
    trials: int = param("Most trials", 40, "Most settings that are tried; it ends sooner where they stop paying", low=1, high=10_000,
                        unit="trials", search=(20, 40, 100))
    most_seconds: float = param("Time box", 120.0, "Longest time for all trials together", low=1.0, high=86_400.0, unit="s")

    def refuse(self, model, dataset, device):
        return WAYS[self.way]().refuse(model, dataset, device)

    def cost(self, rows: int, features: int, classes: int) -> float:
        return min(self.most_seconds, self.trials * WAYS[self.way]().cost(rows, features, classes))

    def label(self) -> str:
        return f"tuned {'boosting' if self.way == 'boost' else WAYS[self.way].title}"

    def learn(self, x, y, held, problem: Problem, ctx: Context) -> Fitted:
        import optuna

        from optimizers.ensembles.problem import loss

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        rows, aims = held if len(held[1]) else (x, y)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=problem.seed, n_startup_trials=8, multivariate=True))
        study.enqueue_trial(defaults(WAYS[self.way]))               # the defaults come first: nothing found may be worse than them
        begin, left = time.monotonic(), ctx.remaining()
        limit = self.most_seconds if left is None else min(self.most_seconds, ctx.training_share * left)
        best: tuple[float, Estimating, Fitted, int] | None = None
        for number in range(self.trials):
            spent = time.monotonic() - begin
            if best is not None and (spent * (number + 1) / number > limit or number - best[3] > PATIENCE):
                break
            trial = study.ask()
            technique = WAYS[self.way](**asked(WAYS[self.way], trial))
            with ctx.part(0.98 * number / self.trials, 0.98 * (number + 1) / self.trials):
                fitted = technique.learn(x, y, held, problem, ctx)
            found = loss(fitted.scores(rows), aims, problem.classes)
            study.tell(trial, found)
            if best is None or found < best[0]:
                best = found, technique, fitted, number
            ctx.curve("best loss on validation", number + 1, best[0])
            ctx.log(f"Trial {number + 1}: loss {found:.4f} on validation with {words(technique)}", self.name)
        assert best is not None
        ctx.followed = best[1]
        note = f"{len(study.trials)} trials in {time.monotonic() - begin:.0f} s; the best was number {best[3] + 1}: {words(best[1])}."
        return type(best[2])(best[2].scores, best[2].graph, (*best[2].notes, note))


def searched(way: type[Estimating]) -> dict[str, tuple[Any, ...]]:
    """Fields with values to try, the default among them."""
    found = {}
    for name, field in way.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if values := extra.get("search"):
            found[name] = tuple(dict.fromkeys([field.default, *values]))         # type: ignore[misc]
    return found


def defaults(way: type[Estimating]) -> dict[str, Any]:
    return {name: values[0] for name, values in searched(way).items()}


def asked(way: type[Estimating], trial: Any) -> dict[str, Any]:
    return {name: trial.suggest_categorical(name, values) for name, values in searched(way).items()}


def words(technique: Estimating) -> str:
    """What differs from the defaults."""
    changed = technique.model_dump(exclude_defaults=True)
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "its defaults"
