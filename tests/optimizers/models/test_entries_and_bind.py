"""Networks of several inputs: what is proposed, what is said, what is refused; and the graph that comes of it."""

import numpy as np
import onnx
import pytest

from optimizers.cards import DatasetCard, Tensor
from optimizers.device import catalogue
from optimizers.errors import OptimizerError
from optimizers.goal import Budget, Goal
from optimizers.measure.shipped import Shipped
from optimizers.models import bind
from optimizers.models.audit_card import card_of
from optimizers.models.entries import Entries, entries, proposed
from optimizers.models.load import from_proto, load_model
from optimizers.models.preprocessing import said
from optimizers.search.dry_run import dry_run
from tests.optimizers.stateful import expected, forgetful

ROWS = np.random.default_rng(1).normal(0, 0.2, (40, 4)).astype(np.float32)
DATA = DatasetCard(kind="array", title="", rows=40, splits={"train": 28, "validation": 6, "test": 6}, task="unlabelled", row_shape=(4,),
                   row_dtype="float32")


def tensor(name, *shape, dtype="float32"):
    return Tensor(name=name, dtype=dtype, shape=shape)


@pytest.fixture
def file(tmp_path):
    onnx.save(forgetful(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_state_rows_and_mode_are_told_apart_from_shapes_names_and_the_condition():
    found = bind.entries_of(forgetful())
    assert found == Entries("x", {"mode": 3}, {"h": "h_next"})


@pytest.mark.parametrize(("inputs", "outputs", "carried"), [
    ([tensor("x", None, 4), tensor("s", 1, 8)], [tensor("y", None, 2), tensor("t", 1, 8)], {"s": "t"}),                 # by shape alone
    ([tensor("x", None, 4), tensor("s", None, 4)], [tensor("y", None, 4), tensor("s_out", None, 4)], {"s": "s_out"}),   # by its name
    ([tensor("x", None, 4)], [tensor("y", None, 4)], {}),                                       # an autoencoder has rows, no state
    ([tensor("x", None, 4), tensor("s", 1, 8)], [tensor("y", 1, 9)], {}),
    ([tensor("x", None, 4), tensor("h", 1, 8), tensor("c", 1, 8)], [tensor("y", 1), tensor("cn", 1, 8), tensor("hn", 1, 8)],
     {"h": "hn", "c": "cn"})])
def test_state_is_proposed(inputs, outputs, carried):
    assert proposed(inputs, outputs) == carried


def test_what_is_said_goes_before_what_is_proposed():
    proto = forgetful()
    assert bind.entries_of(proto, {"constants": {"mode": 7}}).constants == {"mode": 7}
    fixed = bind.entries_of(proto, {"constants": {"h": 0.0}})
    assert fixed.constants == {"mode": 3, "h": 0.0} and not fixed.carried


@pytest.mark.parametrize(("given", "code"), [
    ({"constants": {"sr": 1}}, "no-input"), ({"carried": {"h": "next"}}, "no-output"), ({"carried": {"h": "y"}}, "carried-differs"),
    ({"constants": {"h": 1}, "carried": {"h": "h_next"}}, "given-twice")])
def test_what_does_not_fit_is_refused_by_name(given, code):
    with pytest.raises(OptimizerError) as refused:
        bind.entries_of(forgetful(), given)
    assert refused.value.refusal.code == code and refused.value.refusal.where.startswith("preprocessing.") and refused.value.refusal.mend


@pytest.mark.parametrize(("given", "code"), [
    ({"constants": {"h": 1.0}}, "constant-shape"), ({"constants": {"mode": 2.5}}, "constant-type")])
def test_a_constant_must_fit_its_input(given, code):
    with pytest.raises(OptimizerError) as refused:
        from_proto(forgetful(), options={"preprocessing": given})
    assert refused.value.refusal.code == code


def test_one_is_a_number_and_no_truth():
    assert said("constants=mode=1,gain=0.5,on=true") == {"constants": {"mode": 1, "gain": 0.5, "on": True}}
    assert type(said("constants=mode=1")["constants"]["mode"]) is int


def test_the_condition_is_folded_and_the_rows_come_first():
    network = from_proto(forgetful())
    assert [value.name for value in network.proto.graph.input] == ["x", "h"]
    assert "If" not in {node.op_type for node in network.proto.graph.node}
    assert "none is left" in network.notes[0]
    assert [one.name for one in network.bound] == ["mode"]


def test_rows_of_a_sequence_are_answered_as_by_hand():
    shipped = Shipped(from_proto(forgetful()))
    assert shipped.outputs == ("y",) and shipped.probable == (0,)
    answers = shipped.answers(ROWS)
    assert len(answers) == 1 and np.allclose(answers[0], expected(ROWS), atol=1e-5)
    assert np.allclose(shipped.predict(ROWS), expected(ROWS), atol=1e-5), "more rows than a batch stay one sequence"
    assert not np.allclose(expected(ROWS)[1:], 1 / (1 + np.exp(-4 * ROWS[1:].sum(1, keepdims=True))), atol=1e-2), "state matters"


def test_another_mode_takes_the_other_branch():
    network = from_proto(forgetful(), options={"preprocessing": {"constants": {"mode": 4}}})
    assert np.allclose(Shipped(network).answers(ROWS)[0], expected(100 * ROWS), atol=1e-4)


def test_the_card_says_what_is_taken_and_so_does_the_dry_run(file):
    card = card_of(file, "onnx", {})
    assert card.constants == {"mode": 3} and card.carried == {"h": "h_next"} and card.scores == ("y",)
    assert [one.name for one in card.inputs] == ["x", "h", "mode"] and card.task == "classification"
    goal = Goal(metric="agreement")
    plan = dry_run(card, DATA, catalogue()["this-server"], goal, Budget())
    assert plan.refusal is None
    assert plan.notes[0] == "Rows fill the input 'x'; 'mode' is 3, fixed in the file." and "'h_next' back to 'h'" in plan.notes[1]
    refused = dry_run(card, DATA, catalogue()["this-server"], goal, Budget(), preprocessing={"carried": {"g": "h_next"}}).refusal
    assert refused.code == "no-input" and "x, h, mode" in refused.mend


def test_an_input_that_nothing_feeds_is_refused_with_the_mend(tmp_path):
    proto = forgetful()
    proto.graph.node[0].input[1] = "mode"                   # now nothing tells what the mode was made for
    onnx.save(proto, tmp_path / "net.onnx")
    card = card_of(tmp_path / "net.onnx", "onnx", {})
    refused = dry_run(card, DATA, catalogue()["this-server"], Goal(metric="cosine"), Budget()).refusal
    assert refused.code == "inputs" and "mode int64" in refused.where and "constants mode=" in refused.mend
    told = {"constants": {"mode": 3}}
    assert dry_run(card, DATA, catalogue()["this-server"], Goal(metric="cosine"), Budget(), preprocessing=told).refusal is None
    assert load_model(tmp_path / "net.onnx", card, {"preprocessing": told}).preprocessing.constants == {"mode": 3}


def test_entries_of_one_input_need_nothing():
    assert entries([tensor("x", None, 4)], [tensor("y", None, 4)], {}) == Entries("x", {}, {})
