"""One yardstick for all candidates of a job: floor, budget, change, classes."""

from optimizers.compress.quantize.static import StaticQuantization
from optimizers.device import catalogue
from optimizers.goal import Goal, Limits
from optimizers.measure.yardstick import Yardstick, shipped


def test_baseline_then_candidate(trained, digits, context):
    yardstick = Yardstick(digits, catalogue()["stm32h743"], Goal(max_drop=0.02, limits=Limits(flash_kib=60)))
    first = yardstick.measure(shipped(trained))
    assert first.change is None and first.classes == ()
    assert not first.fits and [breach.limit for breach in first.broke] == ["flash_kib"]
    context.device = catalogue()["stm32h743"]
    second = yardstick.measure(shipped(StaticQuantization(rows=64).apply(trained, digits, context)))
    assert second.fits, second.broke
    assert second.change is not None and second.change.n == 200
    assert sum(map(sum, second.confusion)) == 200 and len(second.classes) == 10
    names = second.measurements
    assert names["size_kib"].value < first.measurements["size_kib"].value / 2
    assert names["latency_ms"].origin == "measured" and names["device_latency_ms"].origin == names["ram_kib"].origin == "modelled"
    assert names["ram_kib"].value < first.measurements["ram_kib"].value
    assert {"top1", "macro_f1", "speedup", "latency_b64_ms", "macs", "energy_mj"} <= set(names)
    assert all(value.how and value.unit for value in names.values())


def test_the_floor_is_judged_on_validation(trained, digits):
    yardstick = Yardstick(digits, catalogue()["this-server"], Goal(floor=0.999, max_drop=None))
    figures = yardstick.measure(shipped(trained))
    assert figures.validation == yardstick.scores["validation"] < 0.999
    breach = figures.broke[0]
    assert breach.limit == "floor" and breach.unit == "points" and not figures.fits
    assert abs(breach.by - 100 * (0.999 - figures.validation)) < 1e-6


def test_a_device_without_float_cannot_run_the_original(trained, digits):
    bare = catalogue()["stm32h743"].model_copy(update={"dtypes": ("int8",)})
    figures = Yardstick(digits, bare, Goal()).measure(shipped(trained))
    assert not figures.fits and figures.broke[0].limit == "dtype"
