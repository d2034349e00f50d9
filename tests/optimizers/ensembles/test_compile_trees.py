"""Compiled trees: the library answers as the graph does, is what is measured, and lies in the bundle with all it takes to make it again."""

import json
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xgboost
from onnx import helper
from sklearn.datasets import load_wine

from optimizers.catalogue import TECHNIQUES
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.desk import card_of
from optimizers.device import catalogue
from optimizers.ensembles import compile_trees_work
from optimizers.ensembles.compile_trees import TreeCompilation
from optimizers.ensembles.graphs import mean_of
from optimizers.errors import OptimizerError
from optimizers.export import library
from optimizers.measure.shipped import Shipped
from optimizers.models.network import Network
from optimizers.models.trees_onnx import graph_of
from tests.optimizers.export.test_trees_c import F, ensemble, rows

needs_cc = pytest.mark.skipif(library.compiler() is None, reason="there is no C compiler")
HERE = catalogue()["this-server"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, F)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)
    cut = [Split(x[a:b], y[a:b]) for a, b in ((0, 500), (500, 700), (700, 900))]
    return Dataset(*cut, kind="table", task="classification", classes=("no", "yes"), features=tuple("abcdefg"))


@pytest.fixture(scope="module")
def boosted(table, tmp_path_factory):
    return TECHNIQUES["boost"](rounds=20).apply(None, table, Context(tmp_path_factory.mktemp("boost"), seed=1))


@pytest.fixture(scope="module")
def compiled(boosted, table, tmp_path_factory):
    return TreeCompilation().apply(boosted, table, Context(tmp_path_factory.mktemp("compile"), seed=1))


@needs_cc
def test_the_library_answers_as_the_graph_does(boosted, compiled, table):
    graph, code = Shipped(boosted), Shipped(compiled)
    assert np.allclose(graph.predict(table.test.x), code.predict(table.test.x), atol=1e-6)
    assert (code.input.name, code.output) == (graph.input.name, graph.output)
    assert code.content[:4] == b"\x7fELF" and code.bytes == len(compiled.library.content)


@needs_cc
def test_the_same_trees_give_the_same_library(boosted, compiled):
    assert compile_trees_work.library_of(boosted.proto) == compiled.library


@needs_cc
def test_rows_of_another_width_are_refused_before_c_reads_them(compiled):
    session = library.Session(compiled.library)
    with pytest.raises(OptimizerError) as error:
        session.run(["output"], {compiled.library.input: np.zeros((2, F - 1), np.float32)})
    assert error.value.refusal.code == "row-width"
    crossed = np.asfortranarray(np.random.default_rng(1).normal(size=(5, F)))        # another order and type are put right
    plain = np.ascontiguousarray(crossed, np.float32)
    answers = session.run([], {compiled.library.input: plain})[0]
    plain.flags.writeable = False
    assert np.array_equal(answers, session.run([], {compiled.library.input: crossed})[0])
    assert np.array_equal(answers, session.run([], {compiled.library.input: plain})[0])
    assert session.run([], {compiled.library.input: plain[:0]})[0].shape == (0, 1)


@needs_cc
def test_sums_of_trees_are_one_ensemble():
    rng = np.random.default_rng(2)
    parts, x = [ensemble(rng, [9, 30], outputs=2) for _ in range(2)], rows(rng)
    proto = mean_of([graph_of(part) for part in parts], np.array([0.25, 0.75]), F, 2)
    code = Shipped(Network(proto, state="estimator", library=compile_trees_work.library_of(proto)))
    wanted = 0.25 * parts[0].predict(x) + 0.75 * parts[1].predict(x)
    assert np.allclose(code.session.run([], {"input": x})[0], wanted, atol=1e-5)


@needs_cc
def test_what_is_no_tree_is_named():
    rng = np.random.default_rng(3)
    proto = mean_of([graph_of(ensemble(rng, [9], link="sigmoid")) for _ in range(2)], np.array([0.5, 0.5]), F, 1)
    with pytest.raises(OptimizerError) as error:
        compile_trees_work.library_of(proto)
    assert error.value.refusal.code == "not-trees" and error.value.refusal.where == "part0"
    proto = graph_of(ensemble(rng, [9]))
    proto.graph.node[0].output[0] = "sum"
    proto.graph.node.append(helper.make_node("Tanh", ["sum"], ["output"], "squash"))
    with pytest.raises(OptimizerError, match="Tanh 'squash' is no tree"):
        compile_trees_work.library_of(proto)


def test_a_server_without_compiler_says_so(boosted, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OptimizerError, match="no C compiler") as error:
        compile_trees_work.library_of(boosted.proto)
    assert "apt-get install gcc" in error.value.refusal.mend


@needs_cc
def test_a_compiler_that_refuses_is_quoted():
    with pytest.raises(OptimizerError, match=r"The C compiler refused: model\.c:1:"):
        library.compiled("nonsense", 1, 1)


def test_another_processor_is_refused_from_the_card():
    board = next(device for device in catalogue().values() if device.kind == "microcontroller")
    said = TreeCompilation().refuse(None, None, board)
    assert said is not None and said.code == "other-processor" and board.isa in said.wrong
    assert TreeCompilation().refuse(None, None, HERE) is None


@needs_cc
def test_what_is_measured_is_the_library_and_the_bundle_makes_it_again(tmp_path, table):
    from optimizers.desk import card_of
    from optimizers.goal import Goal
    from optimizers.recipe import Recipe
    from optimizers.run import run
    from optimizers.task import Task

    lines = [",".join(f"{v:.5g}" for v in row) + f",{'yes' if label else 'no'}" for split in (table.train, table.validation, table.test)
             for row, label in zip(split.x, split.y, strict=True)]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/rows.csv"
    path.write_text("a,b,c,d,e,f,g,sold\n" + "\n".join(lines) + "\n")
    recipe = Recipe((TECHNIQUES["boost"](rounds=20), TreeCompilation()), 3)
    task = Task(kind="fit", dataset="in/rows.csv", dataset_name="rows.csv", dataset_sha256="0" * 64, dataset_options={"target": "sold"},
                dataset_card=card_of(path, {"target": "sold"}), device=HERE, goal=Goal(metric="top1"), recipe=recipe.dump(), seed=3,
                threads=1)
    done = run(task, tmp_path, Context(tmp_path, seed=3, device=HERE))
    assert done is not None
    report = json.loads(next(tmp_path.glob("out/*/report.json")).read_text())["candidate"]
    measured = report["measurements"]
    home = next(tmp_path.glob("out/*"))
    assert {file.name for file in home.iterdir()} == {"model.so", "model.c", "model.h", "Makefile", "predict.py", "selftest.npz",
                                                      "recipe.yaml", "report.json", "README.md"}
    assert measured["size_kib"]["value"] * 1024 == (home / "model.so").stat().st_size and "model.so" in measured["size_kib"]["how"]
    assert all("C compiled for" in measured[name]["how"] for name in ("top1", "latency_ms", "latency_b1000_ms", "rows_s"))
    assert measured["rows_b1000_s"]["value"] == pytest.approx(1e6 / measured["latency_b1000_ms"]["value"])
    check_files(home)


def check_files(home):
    """Rows of the self-test agree, before and after `make`; the README's code runs."""
    for command in ([sys.executable, "predict.py"], ["make", "-B", "model.so"], [sys.executable, "predict.py"]):
        if shutil.which(command[0]):
            subprocess.run(command, cwd=home, check=True, capture_output=True)
    code = (home / "README.md").read_text().split("```python\n")[1].split("```")[0]
    said = subprocess.run([sys.executable, "-c", code], cwd=home, check=True, capture_output=True, text=True).stdout
    assert said.strip() in ("yes", "no")


def test_trees_of_a_stranger_are_not_refused(tmp_path):
    """The card of a file as inspection writes it, and a network beside it that has no trees."""
    xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(*load_wine(return_X_y=True)).save_model(tmp_path / "m.json")
    card = card_of(tmp_path / "m.json")
    other = "laptop-x86" if platform.machine() == "aarch64" else "raspberry-pi-4"
    assert TreeCompilation().refuse(card, None, HERE) is None
    assert TreeCompilation().refuse(card.model_copy(update={"operators": {"Gemm": 1}}), None, HERE).code == "no-trees"
    assert TreeCompilation().refuse(card, None, catalogue()[other]).code == "other-processor"
