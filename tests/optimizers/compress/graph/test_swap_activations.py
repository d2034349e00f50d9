"""Functions are known by what they compute, however they are written, and what replaces them is what was asked for."""

import math

import numpy as np
import pytest
from onnx import helper

from optimizers.cards import ModelCard
from optimizers.compress.graph.activations import activations
from optimizers.compress.graph.swap_activations import ActivationSwap
from optimizers.errors import OptimizerError
from optimizers.models import graph
from tests.optimizers.compress.toys import net, noise, small

node = helper.make_node
NUMBERS = {"root2": np.float32(math.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5), "three": np.float32(3),
           "bend": np.float32(0.044715), "slope": np.float32(math.sqrt(2 / math.pi)), "q": np.float32(1.702), "two": np.float32(2)}
FORMS = {
    "silu": [node("Sigmoid", ["a"], ["s"]), node("Mul", ["s", "a"], ["b"])],
    "gelu": [node("Div", ["a", "root2"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["one", "e"], ["f"]),
             node("Mul", ["a", "f"], ["g"]), node("Mul", ["g", "half"], ["b"])],
    "gelu, halved first": [node("Mul", ["half", "a"], ["h"]), node("Div", ["a", "root2"], ["d"]), node("Erf", ["d"], ["e"]),
                           node("Add", ["e", "one"], ["f"]), node("Mul", ["h", "f"], ["b"])],
    "gelu (tanh)": [node("Pow", ["a", "three"], ["c"]), node("Mul", ["c", "bend"], ["d"]), node("Add", ["a", "d"], ["i"]),
                    node("Mul", ["i", "slope"], ["j"]), node("Tanh", ["j"], ["t"]), node("Add", ["t", "one"], ["f"]),
                    node("Mul", ["a", "half"], ["h"]), node("Mul", ["h", "f"], ["b"])],
    "gelu (sigmoid)": [node("Mul", ["a", "q"], ["d"]), node("Sigmoid", ["d"], ["s"]), node("Mul", ["a", "s"], ["b"])],
    "mish": [node("Softplus", ["a"], ["p"]), node("Tanh", ["p"], ["t"]), node("Mul", ["a", "t"], ["b"])],
    "sigmoid": [node("Neg", ["a"], ["n"]), node("Exp", ["n"], ["e"]), node("Add", ["e", "one"], ["f"]), node("Div", ["one", "f"], ["b"])],
    "elu": [node("Elu", ["a"], ["b"])],
}
LOOKALIKES = {
    "twice the sigmoid": [node("Sigmoid", ["a"], ["s"]), node("Mul", ["s", "two"], ["b"])],
    "another slope": [node("Mul", ["a", "two"], ["d"]), node("Sigmoid", ["d"], ["s"]), node("Mul", ["a", "s"], ["b"])],
    "softer elu": [node("Elu", ["a"], ["b"], alpha=0.5)],
    "a plain tanh": [node("Tanh", ["a"], ["b"])],
}


def between(form, opset=17, end=()):
    """The form between two products."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), *form, node("MatMul", ["b", "v"], ["y" if not end else "z"]), *end]
    used = {name: value for name, value in NUMBERS.items() if any(name in n.input for n in nodes)}
    return net(nodes, used | {"w": 4 * small(6, 8), "v": small(8, 10)}, (6,), opset=opset)


@pytest.mark.parametrize("form", FORMS)
def test_found_by_what_it_computes(form):
    (found,) = activations(between(FORMS[form]).proto)
    assert found.function == form.split(",")[0] and (found.source, found.made) == ("a", "b")
    assert sum(found.nodes.values()) == len(FORMS[form])


@pytest.mark.parametrize("form", LOOKALIKES)
def test_lookalikes_stay(form, context):
    found = [one.function for one in activations(between(LOOKALIKES[form]).proto) if one.made == "b"]
    assert found == []


TARGETS = {"hard-swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1), "relu": lambda x: np.maximum(x, 0),
           "sigmoid": lambda x: x / (1 + np.exp(-1.702 * x)),
           "tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))}


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("target", TARGETS)
def test_the_file_computes_the_function_asked_for(context, target, opset):
    network, data = between(FORMS["gelu"], opset), noise((6,))
    before = network.serialize()
    made = ActivationSwap(gelu=target).apply(network, data, context)
    stored, x = graph.constants(made.proto), data.test.x
    assert np.allclose(graph.run(made.proto, x)[0], TARGETS[target](x @ stored["w"]) @ stored["v"], atol=1e-4)
    assert "Erf" not in {n.op_type for n in made.proto.graph.node} and network.serialize() == before
    made.to_torch()


def test_counts_and_cost_are_told(context):
    made = ActivationSwap().apply(between(FORMS["gelu"]), noise((6,)), context)
    assert made.notes[0] == "Activations: 1 gelu \u2192 hard-swish."
    assert made.notes[1] == "Nodes 7 \u2192 3: Add 1 \u2192 0, Div 1 \u2192 0, Erf 1 \u2192 0, HardSwish 0 \u2192 1, Mul 2 \u2192 0."
    assert "points on validation" in made.notes[2] and made.sensitivity[0].layer == "every gelu"


def test_a_gate_becomes_hard_but_the_answer_stays(context):
    end = [node("Sigmoid", ["z"], ["y"], "answer")]
    made = ActivationSwap().apply(between(FORMS["sigmoid"], end=end), noise((6,)), context)
    assert [n.op_type for n in made.proto.graph.node] == ["MatMul", "HardSigmoid", "MatMul", "Sigmoid"]


def test_nothing_to_swap(context):
    with pytest.raises(OptimizerError, match="No activation of this network can be swapped"):
        ActivationSwap(gelu="keep").apply(between(FORMS["gelu"]), noise((6,)), context)
    with pytest.raises(OptimizerError, match="can be swapped"):
        ActivationSwap(gelu="tanh").apply(between(FORMS["gelu (tanh)"]), noise((6,)), context)
    card = ModelCard(kind="onnx", family="network", title="", operators={"Conv": 3, "Relu": 2})
    assert ActivationSwap().refuse(card, None, None).code == "nothing-to-swap"
