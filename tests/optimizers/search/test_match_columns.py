"""An estimator and a table: features by number and by name, classes by name and order; a job is the baseline and its code."""

import pytest

from optimizers.cards import ColumnCard, DatasetCard, ModelCard, Tensor
from optimizers.device import catalogue
from optimizers.goal import Budget, Goal
from optimizers.search import match
from optimizers.search.dry_run import dry_run


def model(columns=("age", "length of leaf"), classes=2, names=(), width=2, **changes):
    return ModelCard(kind="skops", family="estimator", title="trees", task="classification", columns=columns, class_names=names,
                     inputs=(Tensor(name="input", dtype="float32", shape=(None, width)),), classes=classes, parameters=90, trees=3,
                     outputs=(Tensor(name="output", dtype="float32", shape=(None, classes)),), scores=("output",), **changes)


def table(names=("age", "length of leaf"), classes=("no", "yes"), width=None, kinds=()):
    columns = tuple(ColumnCard(name=name, type=kind) for name, kind in zip(names, kinds or ("number",) * len(names)))
    return DatasetCard(kind="table", title="table", rows=90, splits={"train": 50, "validation": 20, "test": 20}, classes=classes,
                       row_shape=(width or len(names),), target="y",
                       columns=(*columns, ColumnCard(name="y", type="category", out="target")))


def said(model, table):
    refusal = match.refuse(model, table, Goal(metric="top1"))
    return str(refusal) if refusal else ""


def test_the_same_columns_match_however_a_library_writes_blanks():
    assert said(model(), table()) == ""
    assert said(model(columns=("age", "length_of_leaf")), table()) == ""
    with_words = table(("age", "colour"), width=3, kinds=("number", "category"))
    assert said(model(columns=("age", "colour_red", "colour_blue"), width=3), with_words) == ""


def test_another_number_of_features_says_both_and_names_what_is_missing():
    told = said(model(columns=("age", "height", "weight"), width=3), table())
    assert "trained on 3 features, and the table makes 2" in told and "Missing: height, weight." in told
    assert "trained on 3 features" in said(model(columns=(), width=3), table())


def test_other_names_or_another_order_are_refused():
    assert "does not have: height" in said(model(columns=("age", "height")), table())
    assert "'length of leaf' stands where 'age' was" in said(model(), table(("length of leaf", "age")))
    assert said(model(), table(("column 1", "column 2"))) == ""         # a table without a header has no names
    assert said(model(columns=()), table(("length of leaf", "age"))) == ""


@pytest.mark.parametrize(("names", "here", "wrong"), [
    (("no", "yes"), ("no", "yes"), ""), (("0", "1"), ("no", "yes"), ""), (("0", "1"), ("0.0", "1.0"), ""), ((), ("no", "yes"), ""),
    (("yes", "no"), ("no", "yes"), "orders its classes yes, no, and the dataset no, yes"),
    (("a", "b"), ("no", "yes"), "calls its classes a, b"),
    (("10", "9"), ("9", "10"), "orders its classes"),
])
def test_classes_by_name(names, here, wrong):
    for classes in (1, 2):
        told = said(model(names=names, classes=classes), table(classes=here))
        assert wrong in told if wrong else told == ""


def test_a_job_measures_the_baseline_and_says_why_no_network_technique_works():
    found = dry_run(model(), table(), catalogue()["this-server"], Goal(metric="top1"), Budget())
    assert [row.title for row in found.tried] == ["compiled", "entropy-coded"] and found.refusal is None
    assert {row.technique for row in found.not_tried} >= {"quantize-static", "prune-channels", "half-precision"}
    assert all("this is an estimator" in row.wrong for row in found.not_tried)
    asked = dry_run(model(), table(), catalogue()["this-server"], Goal(metric="top1"), Budget(),
                    {"steps": [{"technique": "quantize-static"}]})
    assert asked.refusal.code == "no-network" and "trees, lines or neighbours" in asked.refusal.wrong
