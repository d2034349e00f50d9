"""One contract for all: each technique of the catalogue builds, survives JSON, minds its bounds, and leaves its input alone."""

import json
import math

import pytest

from optimizers.catalogue import TECHNIQUES
from optimizers.errors import OptimizerError
from optimizers.measure.shipped import Shipped
from optimizers.recipe import Recipe, build

QUICK: dict[str, dict] = {
    "prune-blocks": {"keep": ("block1.add1", "block1.add2", "block2.add1", "block2.add2", "block3.add1", "block3.add2")},
    "train": {"epochs": 1, "architecture": "tiny-cnn"},
    "fine-tune": {"epochs": 1},
    "sparsify": {"epochs": 1},
    "distill": {"epochs": 1},
    "quantize-static": {"rows": 32},
    "quantize-aware": {"rows": 32, "epochs": 1},
    "mixed-precision": {"rows": 32, "iterations": 10},
    "binarize": {"epochs": 1},
    "low-rank": {"rows": 64, "sweeps": 3},
    "compact-filters": {"rows": 64, "steps": 10},
    "cluster-weights": {"epochs": 1},
    "boost": {"rounds": 5},
    "adaboost": {"trees": 5},
    "forest": {"trees": 5},
    "bag": {"members": 3},
    "vote": {"members": ("tree", "linear")},
    "stack": {"members": ("tree", "linear"), "parts": 2},
    "tune": {"way": "base-model", "trials": 3},
    "select": {"members": ("tree", "linear", "neighbours")},
}
SUITED = {"prune-blocks": "vit-small", "prune-heads": "vit-small", "swap-activations": "vit-small"}    # a plain CNN has none of these
each = pytest.mark.parametrize("name", TECHNIQUES)


def quick(name):
    return TECHNIQUES[name](**QUICK.get(name, {}))


@pytest.fixture
def network(name, trained, estimator):
    """The trained CNN, or a zoo network that has what the technique looks for."""
    from optimizers.models.zoo import build

    if "float" not in TECHNIQUES[name].takes:
        return estimator
    return build(SUITED[name], (1, 8, 8), 10, seed=3) if name in SUITED else trained


@pytest.fixture(scope="session")
def estimator(digits, tmp_path_factory):
    """A small forest, for techniques that begin with one."""
    from optimizers.context import Context

    return TECHNIQUES["forest"](trees=5, depth=6).apply(None, digits, Context(tmp_path_factory.mktemp("forest"), seed=1))


@each
def test_defaults_build_and_survive_json(name):
    technique = TECHNIQUES[name]()
    again = Recipe.load(json.loads(json.dumps(Recipe((technique,), seed=7).dump())))
    assert again.steps == (technique,) and again.seed == 7
    assert Recipe.parse(Recipe((technique,), 7).to_yaml()).dump() == Recipe((technique,), 7).dump()


@each
def test_it_introduces_itself(name):
    technique = TECHNIQUES[name]
    assert technique.name == name and technique.title and technique.family
    assert (technique.__doc__ or "").strip().endswith(".")
    for field, spec in technique.parameters()["properties"].items():
        assert spec.get("description"), f"{name}.{field} has no help"
        assert "default" in spec
        for value in spec.get("search", ()):
            build(technique, {field: value})


@each
def test_every_field_says_what_it_is_in_plain_words_and_in_which_unit(name):
    technique = TECHNIQUES[name]
    titles = [field.title for field in technique.model_fields.values()]
    assert all(titles), "the name of a variable is no title"
    assert len({title.lower() for title in titles}) == len(titles), "two fields of one form under the same words"
    for field, spec in technique.parameters()["properties"].items():
        title, said = spec["title"], spec["description"]
        assert title[0].isupper() and "_" not in title and title.lower() != "keep" and len(title) <= 40, f"{name}.{field}: {title}"
        assert said[0].isupper() or said[0].isdigit(), f"{name}.{field}: {said}"
        if spec.get("type") in ("integer", "number"):
            assert spec["unit"] or "a pure number" in said, f"{name}.{field} has no unit"


@each
def test_each_bound_is_kept(name):
    technique = TECHNIQUES[name]
    for field, spec in technique.parameters()["properties"].items():
        for bound, beyond in (("minimum", -1), ("maximum", 1)):
            if bound not in spec:
                continue
            limit = spec[bound]
            build(technique, {field: limit})
            with pytest.raises(OptimizerError) as error:
                build(technique, {field: limit + beyond if isinstance(limit, int) else math.nextafter(limit, beyond * math.inf)})
            assert error.value.refusal.where == f"{name}.{field}"
        if "enum" in spec:
            with pytest.raises(OptimizerError):
                build(technique, {field: "no such choice"})
    with pytest.raises(OptimizerError) as error:
        build(technique, {"no_such_parameter": 1})
    assert error.value.refusal.code == "unknown-parameter"


@each
def test_input_untouched_and_same_seed_same_result(name, network, digits, tmp_path):
    from optimizers.context import Context
    from optimizers.device import catalogue

    before = network.serialize()
    made = [quick(name).apply(network, digits, Context(tmp_path / str(turn), seed=11, device=catalogue()["this-server"], metric="top1"))
            for turn in range(2)]
    assert network.serialize() == before
    assert made[0].serialize() == made[1].serialize()
    assert (made[0].serialize(), made[0].coded, made[0].library) != (before, False, None)
    assert made[0].state == TECHNIQUES[name]().after(network.state)


@each
def test_what_comes_out_runs(name, network, digits, context):
    made = quick(name).apply(network, digits, context)
    outputs = Shipped(made).predict(digits.test.x[:20])
    assert outputs.shape == (20, 10)
    if made.state != "estimator":           # estimators begin anew, with rows as they were uploaded
        assert made.preprocessing == network.preprocessing


@each
def test_time_is_foreseen(name):
    assert 0 < TECHNIQUES[name]().seconds(None, None) < 24 * 3600
