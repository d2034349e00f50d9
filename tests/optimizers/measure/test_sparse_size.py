"""Stored-sparse sizes by hand, and the sentences a sparse candidate gets."""

import zlib

import numpy as np

from optimizers.compress.prune.weights import WeightPruning
from optimizers.goal import Goal
from optimizers.measure import sparse_size
from optimizers.measure.yardstick import Yardstick, shipped


def test_bytes_by_hand():
    w = np.zeros((10, 100), np.float32)
    w[0, :5] = 1
    assert sparse_size.bitmask_bytes(w) == 125 + 20
    assert sparse_size.csr_bytes(w) == 5 * (4 + 1) + 11 * 1
    assert sparse_size.csr_bytes(np.ones((10, 1000), np.int8)) == 10_000 * (1 + 2) + 11 * 2
    assert sparse_size.csr_bytes(np.zeros((4, 9), np.float32)) == 5


def test_a_dense_tensor_is_never_made_larger(trained, digits, context):
    dense = shipped(trained)
    found = sparse_size.stored(dense)
    assert found["a bitmask and the values"] == found["compressed rows (CSR)"] == dense.bytes
    sparse = shipped(WeightPruning(share=0.9).apply(trained, digits, context))
    found = sparse_size.stored(sparse)
    assert sparse.bytes == dense.bytes and found["the file zipped (zlib)"] == len(zlib.compress(sparse.content, 9))
    assert found["a bitmask and the values"] < 0.25 * dense.bytes


def test_the_candidate_says_what_its_zeros_do_not_buy(trained, digits, context):
    yardstick = Yardstick(digits, context.device, Goal(metric="top1"))
    assert not any("zeros" in note for note in yardstick.measure(shipped(trained)).notes)
    notes = yardstick.measure(shipped(WeightPruning(share=0.9).apply(trained, digits, context))).notes
    assert any("as if it were dense" in note and "a bitmask and the values " in note for note in notes)
    assert any("multiplies by zeros at full cost" in note for note in notes)
