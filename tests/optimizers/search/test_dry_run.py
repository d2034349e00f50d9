"""Everything that cannot work is refused before any work, with three sentences."""

import time

import pytest

from optimizers.cards import DatasetCard, Layer, ModelCard, Tensor
from optimizers.device import catalogue
from optimizers.goal import Budget, Goal, Limits
from optimizers.search import pace, planner
from optimizers.search.dry_run import dry_run
from optimizers.search.match import adapts


def model(**changes):
    fields = dict(kind="onnx", family="network", title="ResNet-8", task="classification", classes=10, parameters=77_658, macs=9_350_000,
                  activation_bytes=200_000, operators={"Conv": 9, "Gemm": 1, "Relu": 7, "Add": 3}, quantized=False,
                  inputs=(Tensor(name="image", dtype="float32", shape=(None, 1, 28, 28)),),
                  outputs=(Tensor(name="scores", dtype="float32", shape=(None, 10)),),
                  layers=tuple(Layer(name=f"conv{n}", operator="Conv", parameters=7700, macs=900_000) for n in range(10)))
    return ModelCard(**fields | changes)


def dataset(**changes):
    fields = dict(kind="array", title="Garments", rows=70_000, splits={"train": 6000, "validation": 1000, "test": 1000},
                  row_shape=(1, 28, 28), classes=tuple(f"class {n}" for n in range(10)), class_counts=(800,) * 10)
    return DatasetCard(**fields | changes)


def run(model=model(), dataset=dataset(), device="stm32h743", goal=Goal(), budget=Budget(minutes=5), **more):
    return dry_run(model, dataset, catalogue()[device], goal, budget, **more)


def test_a_plan_begins_with_int8_and_says_why_not():
    found = run()
    assert found.refusal is None
    assert found.tried[0].title == "int8" and found.tried[0].chance == "likely" and 70 < found.tried[0].size_kib < 130
    reasons = {row.technique: row.wrong for row in found.not_tried}
    assert "fixed scales" in reasons["quantize-dynamic"] and "half-precision" in reasons["half-precision"]
    assert 450 < found.memory_bytes / 2**20 < 1500
    assert 0 < found.low_seconds <= found.seconds <= found.high_seconds <= 300


def test_it_takes_milliseconds():
    run()
    start = time.perf_counter()
    run()
    assert time.perf_counter() - start < 0.1


def test_more_time_tries_more():
    short, long = run(budget=Budget(minutes=0.5)), run(budget=Budget(minutes=60))
    assert len(short.tried) < len(long.tried)
    assert any(row.title.startswith("prune") for row in long.tried)
    assert len(run(budget=Budget(minutes=60, candidates=2)).tried) == 2


def test_a_tight_budget_makes_pruning_likelier_than_int8_alone():
    found = run(goal=Goal(limits=Limits(flash_kib=64)), budget=Budget(minutes=60))
    chance = {row.title: row.chance for row in found.tried}
    assert chance["int8"] != "likely"
    assert any(chance[title] == "likely" for title in chance if title.startswith("prune"))


def test_only_a_dataset_trains_first():
    found = run(model=None)
    assert found.refusal is None and all(row.title.startswith("train") for row in found.tried)


@pytest.mark.parametrize(("code", "change"), [
    ("classes-differ", dict(model=model(classes=7))),
    ("rows-differ", dict(model=model(inputs=(Tensor(name="x", dtype="float32", shape=(None, 13)),)))),
    ("inputs", dict(model=model(inputs=model().inputs * 2))),
    ("outputs", dict(model=model(task="other", classes=None))),
    ("unlabelled", dict(dataset=dataset(task="unlabelled"))),
    ("empty-split", dict(dataset=dataset(splits={"train": 5, "validation": 0, "test": 1}))),
    ("metric-task", dict(goal=Goal(metric="r2"))),
    ("no-dataset", dict(dataset=None)),
    ("nothing-to-fit", dict(model=None, dataset=None)),
    ("budget-flash", dict(goal=Goal(limits=Limits(flash_kib=2)))),
    ("budget-ram", dict(goal=Goal(limits=Limits(ram_kib=1)))),
    ("budget-latency", dict(goal=Goal(limits=Limits(latency_ms=0.05)))),
    ("budget-energy", dict(goal=Goal(limits=Limits(energy_mj=0.001)))),
    ("budget-size", dict(device="laptop-x86", goal=Goal(limits=Limits(size_kib=3)))),
    ("budget-download", dict(device="laptop-x86", goal=Goal(limits=Limits(download_kib=3)))),
    ("recipe-order", dict(recipe={"steps": [{"technique": "entropy-code"}, {"technique": "quantize-static"}]})),
    ("unknown-technique", dict(recipe={"steps": [{"technique": "quantise-static"}]})),
    ("device-runtime", dict(recipe={"steps": [{"technique": "quantize-dynamic"}]})),
    ("device-dtype", dict(recipe={"steps": [{"technique": "half-precision"}]})),
    ("recipe-order", dict(device="laptop-x86", recipe={"steps": [{"technique": "quantize-static"}, {"technique": "fine-tune"}]})),
    ("bad-parameter", dict(recipe={"steps": [{"technique": "quantize-static", "params": {"rows": 0}}]})),
    ("unknown-layer", dict(recipe={"steps": [{"technique": "quantize-static", "params": {"keep_float": ["nope"]}}]})),
])
def test_what_cannot_work_is_refused(code, change):
    found = run(**change)
    assert found.refusal is not None and found.refusal.code == code, found.refusal
    assert found.refusal.wrong.endswith(".") and found.tried == ()


def test_an_impossible_budget_names_the_best_there_is():
    refusal = run(goal=Goal(limits=Limits(latency_ms=0.05))).refusal
    assert "ms" in refusal.wrong and "the limit is 0.05 ms" in refusal.wrong and "Allow at least" in refusal.mend


def test_a_limit_beyond_the_chip_is_only_a_note():
    found = run(goal=Goal(limits=Limits(flash_kib=1e6)))
    assert found.refusal is None and any("the chip's own counts" in note for note in found.notes)


def test_an_own_recipe_is_the_whole_plan():
    found = run(recipe={"seed": 3, "steps": [{"technique": "quantize-static", "params": {"calibration": "percentile"}}]})
    assert [row.title for row in found.tried] == ["int8, percentile"] and found.tried[0].recipe["seed"] == 3


def test_rows_that_can_be_shaped():
    assert adapts((3, 32, 32), (1, 28, 28)) and adapts((28, 28, 3), (3, 10, 10)) and adapts((784,), (1, 28, 28))
    assert adapts((30,), (30,)) and adapts((None,), (30,))
    assert not adapts((30,), (31,)) and not adapts((4, 28, 28), (3, 28, 28))


def test_few_rows_get_more_epochs_and_large_pictures_a_smaller_side_when_time_is_short():
    few = DatasetCard(kind="images", title="Signs", rows=750, splits={"train": 510, "validation": 90, "test": 150}, row_shape=(3, 100, 100),
                      classes=tuple("0123456789"), task="classification")
    found = planner.plan(None, few, catalogue()["raspberry-pi-4"], Goal(max_drop=0.01), Budget(minutes=2))
    step = found.planned[0].recipe.steps[0]
    assert step.epochs >= 20 and step.batch == 16 and 0 < step.picture_side < 96
    assert step.seconds(None, few) <= pace.SHARE_OF_BUDGET * 120
