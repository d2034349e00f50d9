"""Masks worked by hand: ties, floors, patterns, densities."""

import numpy as np
import pytest

from optimizers.compress.prune.weights_ranking import across, by_output, dealt, erdos_renyi, floor_of, least, n_of_m, smallest


def test_among_equals_the_earlier_go_first():
    assert smallest(np.array([2.0, -2, 2, -2]), 0.5).tolist() == [True, True, False, False]
    assert smallest(np.zeros((2, 2)), 0.25).tolist() == [[True, False], [False, False]]
    assert smallest(np.array([3.0, 1]), 0).sum() == 0 and smallest(np.array([3.0, 1]), 1).all() and smallest(np.zeros(0), 0.5).size == 0
    assert least(np.array([3.0, 1, 2]), -1).sum() == 0


def test_each_output_loses_the_same_share_and_never_all():
    score = np.arange(24.0).reshape(2, 3, 2, 2)
    assert by_output(score, 0.5).reshape(2, -1).sum(axis=1).tolist() == [6, 6]
    assert by_output(np.ones((3, 1)), 0.9).sum() == 0


@pytest.mark.parametrize(("n", "m", "kept"), [(2, 4, 6), (1, 4, 3), (4, 8, 8), (1, 2, 5)])
def test_a_pattern_counts_along_the_inputs_and_fills_up_the_last_group(n, m, kept):
    score = np.random.default_rng(0).random((3, 10, 2, 2))
    gone = n_of_m(score, n, m)
    left = np.moveaxis(~gone, 1, -1)        # the groups run along the inputs, not along the window
    # ten inputs: 4 + 4 + 2 for M = 4, and the last two are all that may stay of 2:4
    assert gone.shape == score.shape and (left.sum(axis=-1) == (kept if m != 8 else 4 + 2)).all()
    for start in range(0, 10, m):
        assert (left[..., start:start + m].sum(axis=-1) <= n).all()


def test_a_pattern_keeps_the_largest_of_each_group_and_leaves_short_layers_whole():
    assert n_of_m(np.array([[1.0, 4, 3, 2, 9, 8, 7, 6]]), 2, 4).tolist() == [[True, False, False, True, False, False, True, True]]
    assert n_of_m(np.ones((4, 1, 3, 3)), 2, 4).sum() == 0       # depthwise, or one grey channel
    assert n_of_m(np.ones((1, 4)), 2, 4).tolist() == [[True, True, False, False]]


def test_a_ranking_across_layers_empties_none():
    scores = {"large": 10 + np.arange(100.0), "small": np.arange(100.0) / 100}
    kept = across(scores, 0.9)
    assert kept == {"large": 18, "small": 2} and sum(kept.values()) == 20
    assert across({"one": np.ones(1), "two": np.ones(1)}, 0.99) == {"one": 1, "two": 1}
    assert floor_of(100, 0.9) == 2 and floor_of(100, 0.99) == 1 and floor_of(3, 0.5) == 1
    assert across({"a": np.zeros(4), "b": np.zeros(4)}, 0.5) == {"a": 1, "b": 3}      # ties: the earlier go, but for the floor


def test_erdos_renyi_densities_add_up():
    shapes = [(16, 1, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3), (10, 64)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    found = erdos_renyi(shapes, 0.1)
    assert sum(d * s for d, s in zip(found, sizes, strict=True)) == pytest.approx(0.1 * sum(sizes))
    assert found[0] == found[3] == 1.0 and 0 < found[2] < found[1] < 1
    assert found[1] / found[2] == pytest.approx((54 / sizes[1]) / (102 / sizes[2]))
    assert erdos_renyi(shapes, 1.0) == [1.0] * 4


def test_what_does_not_fit_goes_to_the_others():
    assert dealt(7, [1, 1], [10, 10]) == [4, 3] and dealt(5, [0, 0], [1, 9]) == [1, 4] and dealt(99, [1, 2], [3, 4]) == [3, 4]
    assert dealt(0, [1], [5]) == [0]
