"""A table and the study of its families, as a job would have left them. All figures are invented.

    job = studied(garden)           # classes: six candidates with bias and variance, importances, scores
    job = amounts(garden)           # amounts: two candidates with residuals
"""

import math
import random
from typing import Any

from jobs.models import Asset, Job
from jobs.models import Candidate as CandidateRow
from optimizers.candidate import BiasVariance, Candidate, Dependence, Importance, Scores
from optimizers.cards import DatasetCard
from optimizers.events import Done
from optimizers.goal import Goal
from optimizers.measurement import Change, Measurement
from tests.webapp.sample import Garden, Maker, asset, key_of

HOW = "20 resamplings of train with replacement, each fitted anew with a seed of its own; Brier score on the same 2,000 test rows"
NAMES = ("<=50K", ">50K")
# title, technique and parameters, accuracy %, bias, variance, fit s, one row ms, 1000 rows ms, KiB, (trees, nodes, levels)
FAMILIES: tuple[tuple[Any, ...], ...] = (
    ("one tree", ("base-model", {"kind": "tree"}), 82.4, 0.212, 0.181, 0.4, 0.008, 0.3, 61.0, (1, 1391, 8)),
    ("linear model", ("base-model", {"kind": "linear"}), 84.9, 0.206, 0.004, 0.9, 0.006, 0.2, 1.4, None),
    ("random forest", ("forest", {}), 86.2, 0.208, 0.041, 9.4, 0.34, 7.8, 18_400.0, (300, 702_114, 31)),
    ("LightGBM", ("boost", {}), 87.4, 0.102, 0.079, 3.8, 0.021, 1.1, 611.0, (220, 13_420, 14)),
    ("AdaBoost", ("adaboost", {}), 85.3, 0.144, 0.092, 6.1, 0.11, 3.2, 940.0, (100, 24_100, 8)),
    ("stack of 4", ("stack", {"members": ["lightgbm", "extra-trees", "adaboost", "linear"]}),
     87.5, 0.101, 0.078, 61.0, 1.9, 48.0, 59_300.0,
     (621, 903_220, 33)),
)
COLUMNS = (("marital-status", 3.9), ("capital-gain", 3.2), ("education-num", 2.6), ("age", 1.4), ("occupation", 1.2),
           ("hours-per-week", 0.8), ("a column with a name that is far too long for its place", 0.2), ("fnlwgt", -0.1))


def studied(garden: Garden) -> Job:
    card = DatasetCard(kind="table", title="Table, 48,842 rows, 15 columns", rows=48_842, classes=NAMES, class_counts=(37_155, 11_687),
                       splits={"train": 32_561, "validation": 8_140, "test": 8_141}, split_how="declared train and test",
                       row_shape=(108,), row_dtype="float32", target="income")
    rows = [of_class(*family) for family in FAMILIES]
    return job(garden, "adult", card, Goal(metric="top1", max_drop=None), rows, 3, "LightGBM fits.")


def amounts(garden: Garden) -> Job:
    card = DatasetCard(kind="table", title="Table, 442 rows, 11 columns", rows=442, splits={"train": 310, "validation": 66, "test": 66},
                       split_how="by content", task="regression", row_shape=(10,), row_dtype="float32", target="progression")
    rows = [of_amount("one tree", ("base-model", {"kind": "tree"}), 0.21, 55.0),
            of_amount("linear model", ("base-model", {"kind": "linear"}), 0.49, 43.0)]
    return job(garden, "diabetes", card, Goal(metric="r2", max_drop=None), rows, 1, "The linear model fits.")


def job(garden: Garden, name: str, card: DatasetCard, goal: Goal, rows: list[Candidate], chosen: int, verdict: str) -> Job:
    dataset = asset(garden.team, garden.alice, name, f"{name}.csv", Asset.Kind.DATASET, card)
    make = Maker(garden.team, garden.alice, None, dataset, number=500 + 10 * len(rows))     # type: ignore[arg-type]
    made = make.job(Job.State.SUCCEEDED, 20, took=5, title=f"{name} on this server", goal=goal, progress=1.0,
                    result=Done(recommended=rows[chosen].key, front=(rows[chosen].key,), verdict=verdict).model_dump(mode="json"))
    for row in rows:
        CandidateRow.objects.create(job=made, key=row.key, title=row.title, baseline=row.baseline, fits=row.fits,
                                    quality=row.measurements[goal.metric].value, size_kib=row.measurements["size_kib"].value,
                                    data=row.model_dump(mode="json"))
    return made


def of_class(title: str, step: tuple[str, dict], top1: float, bias: float, variance: float, fit: float, one: float, many: float,
             size: float, trees: tuple[int, int, int] | None) -> Candidate:
    first = title == "one tree"
    found = figures("top1", top1 / 100, 0.007, fit, one, many, size)
    found["auc"] = Measurement(value=0.9 + (top1 - 85) / 100, unit="", origin="measured", how="here", low=0.88, high=0.94, n=8141)
    if trees:
        found |= {name: Measurement(value=count, unit=unit, origin="measured", how="counted") for name, unit, count in
                  zip(("trees", "tree_nodes", "tree_depth"), ("trees", "nodes", "levels"), trees, strict=True)}
    study = BiasVariance(resamples=20, rows=2000, measure="Brier score", loss=bias + variance, bias=bias, variance=variance,
                         bias_range=(bias - 0.006, bias + 0.006), variance_range=(0.9 * variance, 1.1 * variance),
                         zero_one=(1 - top1 / 100 + 0.005, bias / 2, 1 - top1 / 100 + 0.005 - bias / 2), seconds=fit, how=HOW)
    points = top1 - 82.4
    return Candidate(
        key=key_of(f"adult {title}"), title=title, baseline=first, recipe={"espalier": "0.1.0", "seed": 7, "steps": [
            {"technique": step[0], "params": step[1], "version": 1}]}, measurements=found, fits=True, validation=top1 / 100,
        change=None if first else Change(value=points, low=points - 0.5, high=points + 0.5, n=8141, verdict="better", how="paired"),
        class_names=NAMES, confusion=((5800, 380), (620, 1341)), study=study, importance=tuple(
            Importance(column=name, loss=loss, low=loss - 0.25, high=loss + 0.25) for name, loss in COLUMNS),
        dependence=curves(), scores=(scores(),), notes=("What matters: 10 shufflings of each of 14 columns over 2,000 validation rows.",))


def of_amount(title: str, step: tuple[str, dict], r2: float, spread: float) -> Candidate:
    dice = random.Random(3)
    truths = [dice.uniform(25, 340) for _ in range(66)]
    return Candidate(
        key=key_of(f"diabetes {title}"), title=title, baseline=title == "one tree", fits=True, validation=r2,
        recipe={"steps": [{"technique": step[0], "params": step[1], "version": 1}]},
        measurements=figures("r2", r2, 0.1, 0.1, 0.01, 0.2, 4.0),
        residuals=tuple((truth, 0.6 * truth + 60 + dice.gauss(0, spread)) for truth in truths),
        importance=(Importance(column="bmi", loss=21.0, low=17.0, high=25.0), Importance(column="sex", loss=-0.4, low=-1.0, high=0.2)),
        dependence=(Dependence(column="bmi", at=(18.0, 24.0, 30.0, 42.0), mean=(110.0, 141.0, 180.0, 231.0)),))


def figures(metric: str, quality: float, half: float, fit: float, one: float, many: float, size: float) -> dict[str, Measurement]:
    def measured(value: float, unit: str, low: float | None = None, high: float | None = None) -> Measurement:
        return Measurement(value=value, unit=unit, origin="measured", how="here", low=low, high=high, n=100)

    return {metric: measured(quality, "" if metric == "r2" else "fraction", quality - half, quality + half),
            "size_kib": measured(size, "KiB"), "download_kib": measured(size * 0.4, "KiB"), "latency_ms": measured(one, "ms"),
            "latency_b1000_ms": measured(many, "ms"), "fit_seconds": measured(fit, "s")}


def curves() -> tuple[Dependence, ...]:
    ages = tuple(range(18, 78, 3))
    states = ("Married-civ-spouse", "Never-married", "Divorced", "Separated", "Widowed", "Married-spouse-absent", "Married-AF-spouse")
    return (Dependence(column="marital-status", at=states, mean=(0.44, 0.11, 0.13, 0.12, 0.14, 0.12, 0.38), answer="class >50K"),
            Dependence(column="age", at=ages, mean=tuple(0.3 * math.exp(-((age - 48) / 20) ** 2) for age in ages), answer="class >50K"),
            Dependence(column="capital-gain", at=(0.0, 5000.0, 10000.0, 20000.0), mean=(0.2, 0.4, 0.9, 0.92), answer="class >50K"))


def scores() -> Scores:
    of_it, of_others = [0] * 200, [0] * 200
    for place in range(200):
        at = (place + 0.5) / 200
        rows = round(110 * math.exp(-4 * at) + 30 * math.exp(-6 * (1 - at)) + 8)
        of_it[place] = round(rows * at**1.2)
        of_others[place] = rows - of_it[place]
    return Scores(name=NAMES[1], of_it=tuple(of_it), of_others=tuple(of_others))
