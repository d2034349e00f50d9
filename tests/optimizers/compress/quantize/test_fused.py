"""A QDQ file promises integers; the optimised graph tells how many layers keep the promise."""

from optimizers.compress.quantize.fused import Fused, count


def test_sentence_counts_both_kinds():
    assert Fused(conv=9).sentence() == "9 of 9 convolutions run in int8."
    assert Fused(conv=1).sentence() == "1 of 1 convolution runs in int8."
    assert Fused(float_dense=2, dense=1).sentence() == "1 of 3 matrix products run in int8."
    assert Fused().sentence() == "Nothing in it runs in int8."


def test_a_float_network_has_nothing_in_integers(trained):
    found = count(trained.proto)
    assert found.integers == 0 and found.left == 4
