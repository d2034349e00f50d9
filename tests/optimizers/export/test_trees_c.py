"""Trees in C against `Trees.predict`: every form and mode, over random trees with NaN, infinities, chains, lone leaves and many outputs."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from optimizers.errors import OptimizerError
from optimizers.export import trees_micro, trees_server
from optimizers.export.trees_tables import LEAST, MOST, ordered
from optimizers.measure import host
from optimizers.models.trees import LEAF, Trees, checked, compacted, gathered

cc = shutil.which("gcc") or shutil.which("cc")
needs_cc = pytest.mark.skipif(cc is None, reason="there is no C compiler")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror")
F = 7


def tree(rng, leaves, outputs=1, only=None, whole=False, chain=False, link="none"):
    """One random tree; only: the output its leaves add to; whole: thresholds as integer features have them."""
    feature, threshold, left, right = [LEAF], [0.0], [0], [0]
    open_leaves = [0]
    while len(open_leaves) < leaves:
        node = open_leaves.pop(-1 if chain else rng.integers(len(open_leaves)))
        feature[node] = rng.integers(F)
        threshold[node] = rng.integers(-3, 4) + 0.5 if whole else rng.choice([rng.normal(), 0.0, -0.0, 1.0, np.inf, -np.inf],
                                                                             p=[.7, .1, .05, .1, .025, .025])
        left[node], right[node] = len(feature), len(feature) + 1
        open_leaves += [len(feature), len(feature) + 1]
        feature, threshold, left, right = feature + [LEAF] * 2, threshold + [0.0] * 2, left + [0] * 2, right + [0] * 2
    values = rng.normal(size=(len(feature), outputs)).astype(np.float32)
    if only is not None:
        values[:, np.arange(outputs) != only] = 0
    return Trees(np.array(feature, np.int32), np.array(threshold, np.float32), np.array(left, np.int32), np.array(right, np.int32),
                 rng.random(len(feature)) < 0.5, np.arange(len(feature), dtype=np.int32), values, np.array([0], np.int32),
                 rng.normal(size=outputs).astype(np.float32), F, link)


def ensemble(rng, sizes, **options):
    return checked(gathered([tree(rng, size, **options) for size in sizes]))


def rows(rng, n=203, whole=False):
    """Rows that meet thresholds exactly, with zeros of both signs; NaN and infinities unless they are whole numbers."""
    if whole:
        return rng.integers(-5, 6, (n, F)).astype(np.float32)
    odd = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, np.finfo(np.float32).max, 1e-45], np.float32)
    return np.where(rng.random((n, F)) < 0.4, rng.choice(odd, (n, F)), rng.normal(size=(n, F))).astype(np.float32)


CASES = {
    "small": dict(sizes=[1, 2, 7, 31, 32, 1]), "two words": dict(sizes=[33, 64, 20]), "many words": dict(sizes=[65, 200, 500]),
    "beyond bits": dict(sizes=[600, 3]), "chain": dict(sizes=[90, 700], chain=True), "lone leaves": dict(sizes=[1, 1, 1]),
    "groups": dict(sizes=[40] * 150), "rows of outputs": dict(sizes=[9, 40, 600], outputs=3, link="softmax"),
    "sigmoid": dict(sizes=[5, 9], link="sigmoid"), "single outputs": dict(sizes=[9, 30, 560], outputs=4, only=2, link="softmax"),
}
each_case = pytest.mark.parametrize("case", CASES)


def built(folder, text, *flags, name="model"):
    path = folder / f"{name}.c"
    path.write_text(text)
    made = path.with_suffix(".so")
    subprocess.run([cc, *STRICT, "-O2", *flags, "-shared", "-fPIC", str(path), "-o", str(made), "-lm"], check=True)
    return ctypes.CDLL(str(made))


def at(array):
    return array.ctypes.data_as(ctypes.c_void_p)


@needs_cc
@each_case
@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v2"])
def test_server_form_equals_numpy(tmp_path, case, target):
    rng = np.random.default_rng(4)
    trees, x = ensemble(rng, **CASES[case]), rows(rng)
    library = built(tmp_path, trees_server.source(trees), f"-march={target}")
    if target == "x86-64-v3" and "avx2" not in host.features():
        pytest.skip("this processor has no AVX2")
    wanted = trees.predict(x)
    for count in (1, 3, 4, 33, len(x)):
        found = np.full((count + 1, trees.outputs), 99, np.float32)
        library.model_predict_rows(at(x), count, at(found))
        assert np.allclose(found[:count], wanted[:count], rtol=1e-5, atol=1e-5)
        assert (found[count] == 99).all()                       # nothing is written behind the last row
    one = np.zeros(trees.outputs, np.float32)
    library.model_predict(at(x[7].copy()), at(one))
    assert np.allclose(one, wanted[7], rtol=1e-5, atol=1e-5)


@needs_cc
@each_case
@pytest.mark.parametrize("mode", ["float", "ordered"])
def test_micro_form_equals_numpy(tmp_path, case, mode):
    rng = np.random.default_rng(5)
    trees, x = ensemble(rng, **CASES[case]), rows(rng)
    compare(built(tmp_path, trees_micro.source(trees, mode)), trees, x, x)


@needs_cc
@pytest.mark.parametrize("mode", ["int8", "int16", "ordered", "float"])
def test_whole_features_in_every_mode(tmp_path, mode):
    rng = np.random.default_rng(6)
    trees, x = ensemble(rng, [20, 31, 70], whole=True, outputs=3), rows(rng, whole=True)
    kind = {"int8": np.int8, "int16": np.int16}.get(mode, np.float32)
    compare(built(tmp_path, trees_micro.source(trees, mode)), trees, x, x.astype(kind))


def compare(library, trees, x, given):
    wanted, out, answers = trees.raw(x), np.zeros(trees.outputs, np.float32), []
    for row, expected in zip(given, wanted, strict=True):
        library.model_predict(at(np.ascontiguousarray(row)), at(out))
        assert np.allclose(out, expected, rtol=1e-5, atol=2e-5)
        answers.append(library.model_class(at(np.ascontiguousarray(row))))
    if trees.outputs > 1:
        best = np.sort(wanted, axis=1)
        clear = best[:, -1] - best[:, -2] > 1e-4                # ties may fall either way
        assert clear.sum() > 20 and (np.array(answers)[clear] == wanted.argmax(axis=1)[clear]).all()


@needs_cc
@pytest.mark.parametrize("mode", ["int8", "ordered", "float"])
@pytest.mark.parametrize("flags", [("-m64",), ("-m32",)])
def test_micro_form_needs_no_library(tmp_path, mode, flags):
    rng = np.random.default_rng(7)
    text = trees_micro.source(ensemble(rng, [20, 40], whole=True, outputs=40), mode)
    (tmp_path / "model.c").write_text(text)
    for size in ("-O2", "-Os"):
        made = subprocess.run([cc, *STRICT, *flags, size, "-ffreestanding", "-nostdlib", "-c", "model.c", "-o", "model.o"], cwd=tmp_path,
                              capture_output=True, text=True)
        if flags == ("-m32",) and "stdint" in made.stderr:
            pytest.skip("there are no 32-bit headers")
        assert made.returncode == 0, made.stderr
        if nm := shutil.which("nm"):
            asked = subprocess.run([nm, "-u", "model.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
            assert not [word for word in asked if word not in ("U", "_GLOBAL_OFFSET_TABLE_")]


def test_the_mode_is_chosen_by_what_loses_nothing():
    rng = np.random.default_rng(8)
    trees, whole = ensemble(rng, [20, 20], whole=True), rows(rng, whole=True)
    assert trees_micro.chosen(trees, whole, fpu=True).mode == "int8"
    assert trees_micro.chosen(trees, whole * 100, fpu=True).mode == "int16"
    assert trees_micro.chosen(trees, whole * 10_000, fpu=True).mode == "float"
    assert trees_micro.chosen(trees, whole / 2, fpu=False).mode == "ordered"
    gap = whole.copy()
    gap[0, 0] = np.nan
    assert "missing" in trees_micro.chosen(trees, gap, fpu=False).why


def test_keys_are_in_the_order_of_numbers():
    numbers = np.array([-np.inf, -3.5, -1e-45, 0, 1e-45, 2, np.inf], np.float32)
    keys = ordered(numbers)
    assert (np.diff(keys) > 0).all() and keys.min() > LEAST and keys.max() < MOST
    assert ordered(np.float32([-0.0])) == ordered(np.float32([0.0])) == 0


def test_one_tree_by_hand():
    """x[0] <= 0.5 ? 1 : (x[1] <= 2 ? 10 : 100): the first threshold clears bit 0, the second bit 1."""
    whole, real = (lambda *numbers: np.array(numbers, np.int32)), (lambda *numbers: np.array(numbers, np.float32))
    trees = compacted(Trees(whole(0, LEAF, 1, LEAF, LEAF), real(.5, 0, 2, 0, 0), whole(1, 0, 3, 0, 0), whole(2, 0, 4, 0, 0),
                            np.zeros(5, bool), whole(0, 0, 0, 1, 2), real(1, 10, 100)[:, None], whole(0), real(0), 2))
    text = trees_server.source(trees)
    assert "entry_clears[2] = {1, 2};" in text and f"keys[2] = {{{ordered(np.float32([.5]))[0]}, {ordered(np.float32([2]))[0]}}};" in text


def test_too_many_nodes_are_refused_before_any_compiler(monkeypatch):
    trees = ensemble(np.random.default_rng(9), [40, 40])
    monkeypatch.setattr(trees_server, "MOST_NODES", 100)
    with pytest.raises(OptimizerError, match="nodes") as error:
        trees_server.source(trees)
    assert error.value.refusal.code == "trees-large"
    with pytest.raises(OptimizerError, match="5,000 outputs"):
        trees_server.source(ensemble(np.random.default_rng(9), [3], outputs=5000))


def test_the_same_trees_give_the_same_text():
    trees = ensemble(np.random.default_rng(10), [40, 600], outputs=2)
    assert trees_server.source(trees, "adult") == trees_server.source(trees, "adult")
    assert "adult_predict_rows(" in trees_server.source(trees, "adult")
    assert max(map(len, trees_server.source(trees).splitlines())) <= 140
