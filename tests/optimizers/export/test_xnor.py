"""The C kernels against numpy: every sum and every bit equal, padding masked, tails of words and of groups."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks.xnor import Shape, by_numpy, compiled
from optimizers.export import xnor

cc = shutil.which("cc")
needs_cc = pytest.mark.skipif(cc is None, reason="there is no C compiler (cc)")
CASES = {"16 channels": (16, 6, 16, 3, 1), "stride": (8, 7, 20, 3, 2), "tail of a word": (37, 5, 5, 3, 1), "pointwise": (64, 4, 33, 1, 2),
         "more words than a byte counts": (130, 4, 3, 3, 1)}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(cc, tmp_path_factory.mktemp("c"), ("-O2",))


def at(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def drawn(channels, side, outs, kernel, stride):
    made = -(-side // stride)
    shape = Shape(channels, side, side, outs, made, made, kernel, kernel, stride, stride, kernel // 2, kernel // 2)
    rng = np.random.default_rng(channels)
    return (shape, rng.choice([-1, 1], (side, side, channels)).astype(np.int8),
            rng.choice([-1, 1], (outs, kernel, kernel, channels)).astype(np.int8))


@needs_cc
@pytest.mark.parametrize("case", CASES)
def test_sums_equal_numpy(library, case):
    shape, x, w = drawn(*CASES[case])
    wanted = by_numpy(x, w, shape)
    sums = np.full(wanted.shape, 99, np.int32)
    library.xnor_conv2d(ctypes.byref(shape), at(xnor.words_of(x > 0)), at(xnor.filters(np.moveaxis(w, -1, 1))), at(sums))
    assert np.array_equal(sums, wanted)
    library.int8_conv2d(ctypes.byref(shape), at(x), at(w), at(sums))
    assert np.array_equal(sums, wanted)


@needs_cc
@pytest.mark.parametrize("case", CASES)
def test_thresholds_stand_for_norm_and_sign(library, case):
    shape, x, w = drawn(*CASES[case])
    rng = np.random.default_rng(3)
    factor, summand, level = (rng.normal(size=shape.outs).astype(np.float32) for _ in range(3))
    factor[0] = 0
    sums = by_numpy(x, w, shape).astype(np.float32)
    wanted = xnor.words_of(~(factor * sums + summand < level))
    limit, flip = xnor.thresholds(factor, summand, level, w[0].size)
    bits = np.full(wanted.shape, 7, np.uint32)
    library.xnor_conv2d_sign(ctypes.byref(shape), at(xnor.words_of(x > 0)), at(xnor.filters(np.moveaxis(w, -1, 1))), at(limit), at(flip),
                             at(bits))
    assert np.array_equal(bits, wanted)


@needs_cc
def test_dense_and_packing_of_floats(library):
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(70, 6)).astype(np.float32), rng.choice([-1, 1], (9, 70)).astype(np.int8)
    level = rng.normal(size=70).astype(np.float32)
    x[3, 2] = level[3]                                      # the tie is +1, as in the graph
    bits = np.zeros((6, 3), np.uint32)
    library.xnor_pack(at(x), at(level), 70, 6, at(bits))
    above = ~(x < level[:, None])
    assert above[3, 2] and np.array_equal(bits, xnor.words_of(above.T))
    sums = np.zeros(9, np.int32)
    library.xnor_dense(at(bits), at(xnor.filters(w)), 70, 9, at(sums))
    signs = np.where(above[:, 0], 1, -1)
    assert np.array_equal(sums, w @ signs)
    library.int8_dense(at(signs.astype(np.int8)), at(w), 70, 9, at(sums))
    assert np.array_equal(sums, w @ signs)


def test_thresholds_by_hand():
    """0.5 n - 1 >= 0 from n = 2 on; -0.5 n - 1 >= 0 up to n = -2, which is not (n >= -1); 0 n + 1 always; 0 n - 1 never."""
    limit, flip = xnor.thresholds([0.5, -0.5, 0, 0], [-1, -1, 1, -1], [0, 0, 0, 0], 4)
    assert limit.tolist() == [2, -1, -4, 5] and flip.tolist() == [0, 1, 0, 0]


@needs_cc
@pytest.mark.parametrize("options", [("-Os", "-DXNOR_LANES=4"), ("-O3", "-DXNOR_BUILTIN")])
def test_other_lanes_and_the_builtin_count_alike(tmp_path, options):
    shape, x, w = drawn(*CASES["tail of a word"])
    lanes = 4 if "-DXNOR_LANES=4" in options else xnor.LANES
    sums = np.zeros((shape.out_height, shape.out_width, shape.outs), np.int32)
    compiled(cc, tmp_path, options).xnor_conv2d(ctypes.byref(shape), at(xnor.words_of(x > 0)),
                                                at(xnor.filters(np.moveaxis(w, -1, 1), lanes)), at(sums))
    assert np.array_equal(sums, by_numpy(x, w, shape))


@needs_cc
def test_the_kernels_call_nothing(tmp_path):
    for name in ("xnor", "int8"):
        target = tmp_path / f"{name}.o"
        subprocess.run([cc, "-std=c99", "-O2", "-ffreestanding", "-c", str(xnor.C / f"{name}.c"), "-o", str(target)], check=True)
        nm = shutil.which("nm")
        assert nm is None or " U " not in subprocess.run([nm, str(target)], check=True, capture_output=True, text=True).stdout
