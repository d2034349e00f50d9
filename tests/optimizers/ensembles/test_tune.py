"""Tuning: never worse on validation than the defaults, ends in its time box, and the recipe names what was found."""

from optimizers.context import Context
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.problem import loss
from optimizers.ensembles.rows import problem_of, rows_of
from optimizers.ensembles.tune import Tuning, defaults, searched
from tests.optimizers.ensembles.test_estimators import table


def test_the_default_is_among_what_is_tried_and_comes_first():
    assert searched(Boosting)["rounds"] == (300, 100, 1000)
    assert Boosting(**defaults(Boosting)) == Boosting()


def test_it_is_no_worse_on_validation_and_says_what_it_found(tmp_path):
    data, ctx = table("two classes"), Context(tmp_path, seed=1)
    problem = problem_of(data, ctx)
    x, y, held, _ = rows_of(data, problem, ctx)
    tuned = Tuning(way="base-model", trials=12).learn(x, y, held, problem, ctx)
    plain = BaseModel().learn(x, y, held, problem, ctx)
    assert loss(tuned.scores(held[0]), held[1], 2) < loss(plain.scores(held[0]), held[1], 2)
    again = ctx.followed.learn(x, y, held, problem, ctx)
    assert (again.scores(held[0]) == tuned.scores(held[0])).all(), "what the recipe names makes the same"
    assert "trials in" in tuned.notes[-1]


def test_it_keeps_to_its_time_box(tmp_path):
    data, ctx = table("amounts"), Context(tmp_path)
    network = Tuning(trials=10_000, most_seconds=1.0).apply(None, data, ctx)
    trials = int(network.notes[-1].split()[0])
    assert 1 <= trials < 100


def test_it_ends_where_more_search_stops_paying(tmp_path):
    network = Tuning(way="base-model", trials=5000, most_seconds=600).apply(None, table("three classes"), Context(tmp_path))
    assert int(network.notes[-1].split()[0]) < 200
