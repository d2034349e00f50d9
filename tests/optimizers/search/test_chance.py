"""Chances before a run: held against what was measured, and against what cannot be known."""

import pytest

from optimizers.candidate import Sensitivity
from optimizers.catalogue import TECHNIQUES
from optimizers.chains import CHAINS
from optimizers.device import catalogue
from optimizers.goal import Budget, Goal
from optimizers.recipe import Recipe, build
from optimizers.search import chance, planner, portfolio
from optimizers.search.pace import in_time
from tests.optimizers.search.test_dry_run import dataset, model


def recipe(*steps):
    return Recipe(tuple(build(TECHNIQUES[name], params) for name, params in steps))


def rows(train):
    return dataset(rows=train + 2000, splits={"train": train, "validation": 1000, "test": 1000})


def chain(name, train, minutes=60.0):
    return in_time(CHAINS[name].recipe(), model(), rows(train), Budget(minutes=minutes))


@pytest.mark.parametrize(("steps", "train", "lost", "within"), [
    ([("quantize-static", {})], 60_000, 0.0, 0.3),
    ([("prune-channels", {"share": 0.5}), ("distill", {"epochs": 6, "batch": 64})], 60_000, 0.1, 0.3),
    ([("prune-channels", {"share": 0.75}), ("distill", {"epochs": 8, "batch": 64})], 60_000, 0.54, 0.3),
    ([("prune-channels", {"share": 0.77}), ("fine-tune", {"epochs": 6, "batch": 32})], 8000, 4.1, 1.6),
    ([("low-rank", {"share": 0.5})], 60_000, 1.06, 0.2),
    ([("low-rank", {"share": 0.5}), ("fine-tune", {"epochs": 2})], 60_000, 0.0, 0.2),
    ([("prune-weights", {"share": 0.9}), ("fine-tune", {"epochs": 4, "batch": 32})], 10_000, 15.4, 2.0),
    ([("sparsify", {"sparsity": 0.9, "epochs": 4, "batch": 32})], 10_000, 5.3, 1.0),
    ([("binarize", {"epochs": 10})], 15_000, 4.7, 1.0)])
def test_the_prior_says_about_what_docs_figures_measured(steps, train, lost, within):
    assert chance.points_lost(recipe(*steps), rows(train)) == pytest.approx(lost, abs=within)


def test_deep_compression_on_few_rows_is_not_called_likely():
    """It lost 9 points on 4,000 rows, and was called likely: its zeros change neither MACs nor the count of weights."""
    few = chance.points_lost(chain("deep-compression", 4000), rows(4000))
    assert 3 < few < 12
    found = planner.forecast(chain("deep-compression", 4000), model(), rows(4000), catalogue()["this-server"], Goal())
    assert found.chance == "unlikely" and f"about {few:.2g} points" in found.why and "1 may be" in found.why
    many = chance.points_lost(chain("deep-compression", 60_000), rows(60_000))
    assert many < few / 3


def test_fewer_minutes_mean_fewer_epochs_and_a_smaller_chance():
    short, long = (chance.points_lost(chain("half", 20_000, minutes), rows(20_000)) for minutes in (1, 60))
    assert short > 2 * long


def test_the_room_decides():
    assert [chance.of_floor(0.4, Goal(max_drop=drop))[0] for drop in (0.01, 0.004, 0.001)] == ["likely", "maybe", "unlikely"]
    assert chance.of_floor(50, Goal(max_drop=None))[0] == "likely", "without a floor nothing is too much"
    assert chance.of_floor(50, Goal(max_drop=None, floor=0.8))[0] == "unlikely"


def test_a_look_at_the_layers_goes_before_the_prior():
    looked = [Sensitivity(layer=name, operator="Conv", treatment="8 bits", loss=loss) for name, loss in (("stem", 2.5), ("body", -0.1))]
    int8 = recipe(("quantize-static", {}))
    assert chance.points_lost(int8, rows(6000)) == pytest.approx(0.15)
    assert chance.points_lost(int8, rows(6000), looked) == pytest.approx(2.4)
    assert chance.points_lost(recipe(("quantize-static", {"keep_float": ["stem"]})), rows(6000), looked) == 0
    assert planner.forecast(int8, model(), rows(6000), catalogue()["this-server"], Goal(), looked).chance == "unlikely"


def transformer():
    from optimizers.cards import Layer

    layers = tuple(Layer(name=f"fc{n}", operator="MatMul", parameters=20_000, macs=900_000) for n in range(12))
    return model(operators={"MatMul": 16, "Add": 16, "Softmax": 2, "LayerNormalization": 5}, layers=layers)


def perceptron():
    from optimizers.cards import Layer

    layers = tuple(Layer(name=f"fc{n}", operator="MatMul", parameters=20_000, macs=20_000) for n in range(3))
    return model(operators={"MatMul": 3, "Add": 3, "Softmax": 1, "Relu": 2}, layers=layers)


@pytest.mark.parametrize(("card", "blocks", "heads"), [(model(), True, False), (transformer(), True, True), (perceptron(), False, False)])
def test_blocks_and_heads_are_planned_last_and_only_where_there_are_some(card, blocks, heads):
    assert (portfolio.has_blocks(card), portfolio.has_heads(card)) == (blocks, heads)
    planned = planner.plan(card, dataset(), catalogue()["this-server"], Goal(), Budget(minutes=None)).planned
    names = [{step.name for step in row.recipe.steps} for row in planned]
    wanted = [*(["prune-blocks"] if blocks else []), *(["prune-heads"] if heads else [])]
    ends = names[len(names) - len(wanted):]
    assert all(name in found for name, found in zip(wanted, ends, strict=True))
    assert not any(portfolio.LAST & found for found in names[:len(names) - len(wanted)])


def test_every_technique_that_cuts_says_what_it_costs():
    """A technique without a prior would be called likely whatever it does."""
    free = {name for name, technique in TECHNIQUES.items() if technique().toll() == 0 and not technique().begins()} | {"train"}
    assert free == {"train", "fine-tune", "distill", "simplify", "equalize", "half-precision", "entropy-code", "compile-trees"}
