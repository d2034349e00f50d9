"""Recipes are typed by strangers: whatever the text, the answer is a refusal, at once and in little memory."""

import time

import pytest
from pydantic import ValidationError

from optimizers.device import Device, catalogue
from optimizers.errors import OptimizerError
from optimizers.goal import Limits
from optimizers.recipe import Recipe

LAYERS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True))
HOSTILE = {
    "bomb in the seed": LAYERS + "seed: *i\nsteps: []",
    "bomb in a parameter": LAYERS + "steps: [{technique: train, params: {epochs: *i}}]",
    "bomb as a name": LAYERS + "steps: [{technique: *i}]",
    "a list that holds itself": "&a {steps: *a}",
    "a name that is a list": "steps: [{technique: [1]}]",
    "a name of millions of letters": "steps: [{technique: " + "q" * 2_000_000 + "}]",
    "parameters without names": "steps: [{technique: train, params: {1: 2}}]",
    "parameters in a list": "steps: [{technique: train, params: [1]}]",
    "nested too deep": "[" * 5000,
    "mappings nested too deep": "{a: " * 3000,
    "a number of five thousand digits": "seed: " + "9" * 5000 + "\nsteps: []",
    "a number beyond 64 bits in base 60": "seed: " + "1:" * 3000 + "1\nsteps: []",
    "a number beyond 64 bits in hexadecimal": "seed: 0x" + "f" * 60_000 + "\nsteps: []",
    "a day that never was": "steps: [2001-99-99]",
    "a Python object": "!!python/object/apply:os.system ['true']",
    "a list as a key": "{[1]: 2}",
    "control characters": "\x00\x07steps: []",
    "half of a surrogate pair": "steps: ['\ud800']",
    "twenty thousand steps": "steps: [" + "{technique: quantize-static}," * 20_000 + "]",
    "sixty steps": "steps: [" + "{technique: quantize-static}," * 60 + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_at_once(name):
    began = time.process_time()
    with pytest.raises(OptimizerError) as caught:
        Recipe.parse(HOSTILE[name])
    assert time.process_time() - began < 2
    assert len(str(caught.value)) < 1000


def test_a_table_of_strangers_is_refused_too():
    for steps in ([{"technique": ["train"]}], [{"technique": "train", "params": {"e" * 1_000_000: 1}}], [7], [{"technique": "train"}] * 51):
        with pytest.raises(OptimizerError) as caught:
            Recipe.load({"steps": steps})
        assert len(str(caught.value)) < 1000


def test_what_is_written_is_read_again():
    shared = {"sha256": "0" * 64}
    text = Recipe.parse("seed: 3\nsteps: [{technique: train}, {technique: quantize-static}]").to_yaml(model=shared, dataset=shared)
    assert Recipe.parse(text).dump()["seed"] == 3 and "&" not in text


@pytest.mark.parametrize("change", [
    {"title": "a\0b"}, {"core": "\ud800"}, {"note": "\u202eevil"}, {"isa": "x" * 10_000}, {"dtypes": ["\0"]}, {"cores": 0},
    {"cores": 10**30},
    {"clock_mhz": {"value": "NaN", "unit": "MHz", "source": "s"}}, {"clock_mhz": {"value": 0, "unit": "MHz", "source": "s"}},
    {"ram_kib": {"value": float("inf"), "unit": "KiB", "source": "s"}}, {"ram_kib": {"value": -5, "unit": "KiB", "source": "s"}},
    {"macs_per_cycle": {"\0": {"value": 1, "unit": "u", "source": "s"}}}, {"ram_kib": {"value": 1, "unit": "\0", "source": "s"}},
], ids=str)
def test_no_device_that_cannot_be_stored_or_divided_by(change):
    plain = catalogue()["rp2040"].model_dump(mode="json")
    assert Device.model_validate(plain)
    with pytest.raises(ValidationError):
        Device.model_validate(plain | change)


def test_no_limit_without_end():
    with pytest.raises(ValidationError):
        Limits(size_kib=float("inf"))
