"""Grids of few bits, worked by hand."""

import numpy as np

from optimizers.compress.quantize.weight_grid import Codes, best_scales, on_grid


def test_eight_bits_put_the_largest_weight_on_the_edge():
    codes = on_grid(np.array([[127.0, -64.4], [0.0, 0.0]], np.float32), 8, 0)
    assert codes.values.tolist() == [[127, -64], [0, 0]]
    assert codes.scales.tolist() == [1.0, 1.0], "a row of zeros still has a scale that divides"


def test_few_bits_clip_the_outlier_where_that_costs_less():
    row = np.array([[1.0] * 50 + [1.2]])
    assert best_scales(row, 2)[0] < 1.2, "one outlier of 51 is clipped so that the others are exact"


def test_columns_and_the_whole_tensor():
    weight = np.array([[1.0, 10.0], [-1.0, 5.0]])
    assert on_grid(weight, 8, 1).scales.shape == (2,)
    assert on_grid(weight, 8, 1, per_channel=False).values.tolist() == [[13, 127], [-13, 64]]


def test_the_weight_as_it_computes():
    codes = Codes(np.array([[1, -1], [0, 1]], np.int8), np.array([2.0, 3.0]), 1, 2)
    assert codes.weight.tolist() == [[2, -3], [0, 3]]
