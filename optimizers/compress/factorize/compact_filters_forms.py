"""The compact forms of one convolution, started from its weights: chains of layers, or None where a form does not fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from optimizers.compress.factorize.chain import CONVS, Ghost, convolution, filled
from optimizers.compress.factorize.factors import separable, shuffled
from optimizers.compress.factorize.low_rank import LowRank
from optimizers.compress.factorize.low_rank_forms import Spatial, Tucker, biases
from optimizers.compress.factorize.low_rank_seen import Unit

if TYPE_CHECKING:
    from optimizers.compress.factorize.compact_filters import CompactFilters

CHEAP = 3       # extent of a ghost's own kernel


def started(unit: Unit, settings: CompactFilters, seed: int) -> nn.Sequential | None:
    """The chain for a unit of one convolution, before it is fitted."""
    outs, ins, *kernel = unit.weight.shape
    width, old = settings.width, unit.sites[0].module
    if settings.form == "separable":
        if ins == 1:
            return None
        depthwise, pointwise = separable(unit.weight)
        return nn.Sequential(convolution(old, depthwise, True, ins), convolution(old, unit.split(pointwise)[0], bias=biases(unit)[0]))
    if settings.form == "bottleneck":
        return Tucker(unit, LowRank(), seed).chains((max(1, round(width * ins)), max(1, round(width * outs))))[0]
    if settings.form == "spatial":
        many = max(1, round(width * outs))
        return Spatial(unit, LowRank(), seed).chains((many,))[0] if len(kernel) == 2 and min(kernel) > 1 else None
    return grouped(unit, settings.groups) if settings.form == "grouped" else ghost(unit, max(2, round(1 / width)))


def grouped(unit: Unit, groups: int) -> nn.Sequential | None:
    """K x K in groups, channel shuffle, 1x1 in as many groups: about as many channels between as the layer has outputs."""
    outs, ins, *_ = unit.weight.shape
    while groups > 1 and (outs % groups or ins % groups):
        groups -= 1
    if groups == 1:
        return None
    first, last = shuffled(unit.weight, groups, max(1, round(outs / groups**2)))
    old, bias = unit.sites[0].module, biases(unit)[0]
    return nn.Sequential(convolution(old, first, True, groups), nn.ChannelShuffle(groups),
                         convolution(old, unit.split(last)[0], groups=groups, bias=bias))


def ghost(unit: Unit, ratio: int) -> nn.Sequential | None:
    """One output of every `ratio` computed in full, the others from the one they follow most closely, at first by a plain factor."""
    covariance, old = unit.outputs / np.outer(unit.scale, unit.scale), unit.sites[0].module
    assert isinstance(old, CONVS)
    outs, n = len(covariance), len(old.kernel_size)
    if outs < ratio:
        return None
    bias = biases(unit)[0]
    assert bias is not None
    full = leaders(unit.outputs, math.ceil(outs / ratio))
    order, factor, shift = followers(covariance, full, ratio), np.zeros(len(full) * (ratio - 1)), np.zeros(len(full) * (ratio - 1))
    for channel, place in enumerate(order):
        if (copy := place - len(full)) >= 0:
            leader = full[copy // (ratio - 1)]
            factor[copy] = covariance[channel, leader] / max(covariance[leader, leader], 1e-30)
            shift[copy] = bias[channel] - factor[copy] * bias[leader]
    kernel = np.zeros((len(factor), 1, *[CHEAP] * n))
    kernel.reshape(len(factor), -1)[:, CHEAP**n // 2] = factor            # the middle of the window
    cheap = type(old)(len(full), len(factor), CHEAP, padding=CHEAP // 2, groups=len(full))
    first = convolution(old, unit.sites[0].weight[full], True, bias=bias[full])
    return nn.Sequential(first, Ghost(filled(cheap, kernel, shift), order))


def leaders(covariance: np.ndarray, many: int) -> np.ndarray:
    """The channels that explain most, one after another: each has the largest variance that the earlier ones leave (pivoted Cholesky).

    >>> leaders(np.array([[4.0, 3.9, 0], [3.9, 4.1, 0], [0, 0, 1]]), 2).tolist()
    [1, 2]
    """
    left, found = covariance.copy(), list[int]()
    for _ in range(many):
        spread = np.diag(left).copy()
        spread[found] = -1
        found.append(int(np.argmax(spread)))
        column = left[:, found[-1]] / np.sqrt(max(float(left[found[-1], found[-1]]), 1e-30))
        left = left - np.outer(column, column)
    return np.sort(found)


def followers(covariance: np.ndarray, full: np.ndarray, ratio: int) -> np.ndarray:
    """Where each output channel stands in [full channels, their copies]: copies so dealt out that correlations sum to most.

    >>> followers(np.array([[4.0, 3.9, 0, 0], [3.9, 4.1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0.5, 1]]), np.array([1, 2]), 2).tolist()
    [2, 0, 1, 3]
    """
    order = np.zeros(len(covariance), np.int64)
    order[full] = np.arange(len(full))
    rest = np.setdiff1d(np.arange(len(covariance)), full)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
    close = np.abs(covariance / np.outer(spread, spread))[np.ix_(rest, np.repeat(full, ratio - 1))]
    who, place = linear_sum_assignment(-close)
    order[rest[who]] = len(full) + place
    return order


def cost(chain: nn.Sequential, x: torch.Tensor) -> tuple[int, int]:
    """(multiply-accumulates, weights) of one row through a chain. x: (1, ...), of which only the shape counts."""
    spent = stored = 0
    with torch.no_grad():
        for part in chain:
            y = part(x)
            for layer in part.modules():
                if isinstance(layer, CONVS):
                    made = layer(x)
                    spent += made.numel() * layer.weight[0].numel()
                    stored += layer.weight.numel()
            x = y
    return spent, stored
