"""There is no number without a unit, an origin and a way it was measured."""

from typing import Literal

from optimizers.values import Value

Origin = Literal["measured", "device", "emulated", "modelled"]
# measured: it ran here, on the machine named in `how`.  device: it ran on the named board, through an agent.
# emulated: it ran on an emulated core (exact counts, never milliseconds).  modelled: computed; the formula is in `how`.


class Measurement(Value):
    """One number. `low` and `high` bound a 95 % interval in the same unit; `n` is how many repeats or rows stand behind it."""

    value: float
    unit: str
    origin: Origin
    how: str
    low: float | None = None
    high: float | None = None
    n: int | None = None


class Change(Value):
    """A paired difference candidate - baseline over the same test rows, in points (hundredths of the metric).

    verdict: "not distinguishable" when the 95 % interval holds 0, else "better" or "worse".
    """

    value: float
    low: float
    high: float
    n: int
    verdict: Literal["better", "worse", "not distinguishable"]
    how: str
