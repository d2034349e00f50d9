"""Every technique meets every network of the cast: it refuses from the cards, raises a sentence, or makes a file that runs.

Never another exception, a hang, a changed input, or other outputs where the technique promises the same.
"""

import contextlib
import signal

import numpy as np
import onnx
import pytest

from optimizers.cards import DatasetCard
from optimizers.catalogue import TECHNIQUES
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.desk import card_of
from optimizers.device import catalogue
from optimizers.errors import OptimizerError, Refusal
from optimizers.goal import Goal
from optimizers.measure.shipped import Shipped, fused_operators
from optimizers.models.load import load_model
from optimizers.recipe import Recipe, build
from optimizers.search import match
from tests.optimizers.odd_networks import CAST

HERE = catalogue()["this-server"]
SECONDS = 20
# Estimators are fitted anew, whatever network was there, and have tests of their own.
CHANGING = [name for name, technique in TECHNIQUES.items() if technique.family != "ensembles"]
SPLITS = (24, 12, 12)
QUICK = {
    "train": {"epochs": 1, "architecture": "model"}, "fine-tune": {"epochs": 1}, "distill": {"epochs": 1},
    "sparsify": {"epochs": 1, "sparsity": 0.95, "ends": True}, "quantize-aware": {"rows": 16, "epochs": 1},
    "mixed-precision": {"rows": 16, "iterations": 10}, "binarize": {"epochs": 1}, "low-rank": {"rows": 16, "sweeps": 2},
    "compact-filters": {"rows": 16, "steps": 5}, "cluster-weights": {"epochs": 1}, "prune-channels": {"share": 0.95},
    "prune-weights": {"share": 0.95}, "quantize-static": {"rows": 16},
}
SAME = {"simplify": 1e-4, "equalize": 1e-3, "entropy-code": 0.0, "half-precision": 0.05}     # largest change, of the largest output


def technique(name):
    return build(TECHNIQUES[name], QUICK.get(name, {}))


def data_for(card, row, kind="fitting"):
    """Rows of noise, labelled as the network answers, and their card. kind: fitting, one-row (a class and a split), amounts, bare, ten."""
    rng = np.random.default_rng(4)
    task = {"amounts": "regression", "bare": "unlabelled", "ten": "classification"}.get(kind, card.task)
    task = "unlabelled" if task == "other" else task
    classes = 0 if task != "classification" else 10 if kind == "ten" else max(2, card.classes or 0)
    counts = (min(classes, 24) or 1, 1, 1) if kind == "one-row" else SPLITS
    splits = []
    for count in counts:
        y = {"classification": np.arange(count) % max(1, classes), "unlabelled": np.full(count, -1)}.get(
            task, rng.normal(size=count).astype(np.float32))
        splits.append(Split(rng.normal(size=(count, *row)).astype(np.float32), y))
    names = tuple(f"class {number}" for number in range(classes))
    about = DatasetCard(kind="array", title="Noise", rows=sum(counts), row_shape=row, row_dtype="float32", task=task, classes=names,
                        splits=dict(zip(("train", "validation", "test"), counts, strict=True)))
    return Dataset(*splits, "array", task, names), about


@contextlib.contextmanager
def bounded(seconds=SECONDS):
    def late(*_):
        raise AssertionError(f"it took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def said(refusal: Refusal):
    """A sentence with a place and a mend; never the bare words of a library."""
    assert refusal.wrong.endswith(".") and len(refusal.wrong) > 15, refusal
    assert refusal.mend or refusal.where, refusal
    return refusal.code


@pytest.fixture(scope="session")
def met(tmp_path_factory):
    """name -> (network, card) or the refusal of the file."""
    folder, known = tmp_path_factory.mktemp("cast"), {}

    def meet(name):
        if name not in known:
            path = folder / f"{name}.onnx"
            onnx.save(CAST[name][1](), path)
            try:
                known[name] = load_model(path), card_of(path)
            except OptimizerError as error:
                known[name] = error.refusal
        return known[name]

    return meet


def outcome(steps, network, card, row, kind, folder, begun=None):
    """What became of it: the refusal's code, the error's code after "raised ", or "made". begun: what came of all steps but the last."""
    data, about = data_for(card, row, kind)
    metric = match.metrics(card, about)[0]
    if refusal := match.refuse(card, about, Goal(metric=metric)) or Recipe(steps).refuse(card, about, HERE):
        return said(refusal)
    try:
        made = followed(steps[-1:] if begun else steps, begun or network, network, data, metric, folder)
        found = Shipped(made).answers(data.test.x)
        fused_operators(made.serialize())
    except OptimizerError as error:
        return f"raised {said(error.refusal)}"
    state = network.state
    for step in steps:
        state = step.after(state)
    assert made.state == state
    if steps[0].begins():
        return "made"                       # a network of its own
    want = Shipped(network).answers(data.test.x)
    assert [one.shape for one in found] == [one.shape for one in want]
    bound = max(SAME[step.name] for step in steps) if all(step.name in SAME for step in steps) else None
    for one, other in zip(found, want, strict=True):
        assert np.isfinite(one).all() or not np.isfinite(other).all(), "outputs that were finite are no longer"
        if bound is not None:
            largest = float(np.abs(other[np.isfinite(other)]).max(initial=1e-6))
            np.testing.assert_allclose(one, other, rtol=0, atol=bound * largest)
    return "made"


def followed(steps, begun, original, data, metric, folder):
    """What the steps make of a network; that one must be what it was, whatever happened."""
    context, before, made = Context(folder, seed=3, device=HERE, metric=metric), begun.serialize(), begun
    context.original = original
    try:
        for step in steps:
            made = step.apply(made, data, context)
    finally:
        assert begun.serialize() == before, "the network that came in was changed"
    return made


def check(name, steps, met, folder, kind="fitting"):
    found = met(name)
    if isinstance(found, Refusal):
        return said(found)
    with bounded():
        return outcome(steps, *found, CAST[name][0], kind, folder)


FEW = ("prune-channels", "simplify", "quantize-static", "half-precision")      # what breaks first
PLAIN = ("residual_with_batch_norm", "attention", "a_thousand_outputs", "one_output", "a_tiny_layer", "several_outputs")


@pytest.mark.parametrize("name", CAST)
def test_the_cast_meets_a_few(name, met, tmp_path):
    for one in FEW:
        check(name, (technique(one),), met, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("one", CHANGING)
@pytest.mark.parametrize("name", CAST)
def test_the_cast_meets_all(name, one, met, tmp_path):
    check(name, (technique(one),), met, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one-row", "amounts", "bare", "ten"])
@pytest.mark.parametrize("name", PLAIN)
def test_data_that_is_short_or_of_another_kind(name, kind, met, tmp_path):
    for one in CHANGING:
        check(name, (technique(one),), met, tmp_path, kind)


@pytest.mark.slow
@pytest.mark.parametrize("first", CHANGING)
@pytest.mark.parametrize("name", ["residual_with_batch_norm", "attention"])
def test_every_pair_in_a_row(name, first, met, tmp_path):
    """Two steps: the order is explained where it is refused, and runs where it is not. The first is worked out once for all."""
    network, card = met(name)
    row, kind, one = CAST[name][0], "fitting", technique(first)
    data, about = data_for(card, row, kind)
    if Recipe((one,)).refuse(card, about, HERE):
        return
    begun = followed((one,), network, network, data, "top1", tmp_path)
    for second in CHANGING:
        with bounded():
            outcome((one, technique(second)), network, card, row, kind, tmp_path, begun)
