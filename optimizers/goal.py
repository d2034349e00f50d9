"""What counts as good: one quality metric with a floor, and a budget."""

from typing import Literal

from pydantic import Field

from optimizers.values import Value

METRICS = {"top1": "top-1 accuracy", "macro_f1": "macro F1", "r2": "R²",        # all: higher is better, 1.0 is perfect
           "agreement": "agreement with the original", "cosine": "cosine similarity to the original"}
FIDELITY = ("agreement", "cosine")      # held against the original's answers: they need no labels
LIMITS = {  # limit -> (measurement it is held against, unit, label)
    "flash_kib": ("flash_kib", "KiB", "Flash"),
    "ram_kib": ("ram_kib", "KiB", "RAM"),
    "latency_ms": ("device_latency_ms", "ms", "Latency"),
    "energy_mj": ("energy_mj", "mJ", "Energy"),
    "size_kib": ("size_kib", "KiB", "File size"),
    "download_kib": ("download_kib", "KiB", "Download"),
}


class Limits(Value):
    """The budget; None means no limit. Latency and energy are for one inference at batch 1."""

    flash_kib: float | None = Field(None, gt=0, allow_inf_nan=False)
    ram_kib: float | None = Field(None, gt=0, allow_inf_nan=False)
    latency_ms: float | None = Field(None, gt=0, allow_inf_nan=False)
    energy_mj: float | None = Field(None, gt=0, allow_inf_nan=False)
    size_kib: float | None = Field(None, gt=0, allow_inf_nan=False)
    download_kib: float | None = Field(None, gt=0, allow_inf_nan=False)


class Goal(Value):
    """metric: which quality.  floor: absolute, in [0, 1].  max_drop: largest loss against the baseline, as a fraction (0.01 = 1 point)."""

    metric: Literal["top1", "macro_f1", "r2", "agreement", "cosine"] = "top1"
    floor: float | None = Field(None, ge=-1, le=1)
    max_drop: float | None = Field(0.01, ge=0, le=1)
    limits: Limits = Limits()


class Budget(Value):
    """How long a job may look. `candidates` makes a run repeatable, `minutes` bounds the wall clock; either or both.

    sensitivity: also measure what each layer can bear, once the candidates that cost seconds are there.
    study: also measure bias and variance of every way to fit an estimator, by fitting it again to resamplings of train.
    """

    minutes: float | None = Field(5.0, gt=0, le=24 * 60)
    candidates: int | None = Field(None, ge=1, le=200)
    sensitivity: bool = False
    study: bool = False


class Breach(Value):
    """One line of the budget that a candidate broke, and by how much (same unit as the limit; points for the floor)."""

    limit: str
    value: float
    allowed: float
    by: float
    unit: str
    sentence: str               # "latency by 6.9 ms"
