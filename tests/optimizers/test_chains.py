"""Named chains: each builds, keeps the order of states, and says when to take it."""

import pytest

from optimizers.chains import CHAINS


@pytest.mark.parametrize("name", CHAINS)
def test_it_builds_and_its_order_holds(name):
    chain = CHAINS[name]
    recipe = chain.recipe(seed=3)
    assert recipe.seed == 3 and len(recipe.steps) == len(chain.steps)
    assert recipe.refuse(None, None, None) is None or recipe.refuse(None, None, None).code == "no-model"
    assert chain.title and chain.why.endswith(".")
    state = "float"
    for step in recipe.steps:
        assert state in step.takes, f"{step.name} cannot follow"
        state = step.after(state)
