"""Decompositions of weights into smaller ones: functions of arrays in float64, nothing else. Who uses which rank is decided elsewhere.

Weights are (outs, ins, *kernel), as torch and ONNX hold a convolution; a matrix product has no kernel.
"""

from __future__ import annotations

import numpy as np

from optimizers.models.axes import unfolded

Array = np.ndarray


def principal(gram: Array) -> tuple[Array, Array]:
    """Eigenvalues of a symmetric matrix, largest first and none below zero, and the vectors as columns.

    >>> principal(np.diag([1.0, 4.0]))[0].tolist()
    [4.0, 1.0]
    """
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def lost(values: Array) -> Array:
    """Share of the energy that is gone when only the first 0, 1, 2 ... of the values are kept. values: largest first.

    >>> lost(np.array([6.0, 3.0, 1.0])).round(3).tolist()
    [1.0, 0.4, 0.1, 0.0]
    """
    whole = float(values.sum())
    return np.concatenate([[1.0], np.maximum(1 - np.cumsum(values) / whole, 0)]) if whole > 0 else np.zeros(len(values) + 1)


def gram(weight: Array, axis: int) -> Array:
    rows = unfolded(weight, axis)
    return rows @ rows.T


def root(covariance: Array, floor: float = 1e-3) -> tuple[Array, Array]:
    """The symmetric root of a covariance and its inverse; no eigenvalue counts as less than `floor` of their mean.

    >>> [matrix.round(3).tolist() for matrix in root(np.diag([4.0, 1.0]))]
    [[[2.0, 0.0], [0.0, 1.0]], [[0.5, 0.0], [0.0, 1.0]]]
    """
    values, vectors = principal(covariance)
    scale = np.sqrt(np.maximum(values, floor * max(float(values.mean()), 1e-30)))
    return (vectors * scale) @ vectors.T, (vectors / scale) @ vectors.T


def along(matrix: Array, weight: Array, axis: int) -> Array:
    """The matrix applied to one axis of a tensor."""
    return np.moveaxis(np.tensordot(matrix, weight, (1, axis)), 0, axis)


def two_factors(weight: Array, outputs: Array, rank: int) -> tuple[Array, Array]:
    """(last, first) with last @ first near `weight`: (outs, rank), (rank, ins). outputs: (outs, outs), covariance of the layer's answers.

    The outputs are projected onto their first principal components, which of all factors of this rank leaves the least squared error
    of the outputs (Zhang et al. 2015, arXiv:1505.06798). With weight @ weight.T for `outputs` it is the truncated SVD.

    >>> last, first = two_factors(np.array([[3.0, 0.0], [0.0, 1.0]]), np.diag([0.1, 2.0]), 1)    # the second output is the livelier one
    >>> (last @ first).round(6).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    vectors = principal(outputs)[1][:, :rank]
    return balanced(vectors, vectors.T @ weight)


def balanced(last: Array, first: Array) -> tuple[Array, Array]:
    """The same product with columns of `last` as long as rows of `first`, so that neither learns or rounds worse than the other."""
    ratio = np.sqrt(np.maximum(np.linalg.norm(first, axis=1), 1e-12) / np.maximum(np.linalg.norm(last, axis=0), 1e-12))
    return last * ratio, first / ratio[:, None]


def tucker(weight: Array, ins: Array, outs: Array) -> tuple[Array, Array, Array]:
    """(first, core, last): 1x1 to few channels, the kernel on those, 1x1 back. Kim et al. 2015, arXiv:1511.06530.

    ins: (inputs, r) and outs: (outputs, s), orthonormal columns.  Returns (r, inputs), (s, r, *kernel), (outputs, s).
    """
    return ins.T, along(outs.T, along(ins.T, weight, 1), 0), outs


def spatial(weight: Array, rank: int) -> tuple[Array, Array]:
    """(rank, ins, height, 1) and (outs, rank, 1, width): the best pair by squared error. Jaderberg et al. 2014, arXiv:1405.3866.

    >>> kernel = np.outer([1.0, 2, 1], [1, 0, -1])[None, None]
    >>> tall, wide = spatial(kernel, 1)
    >>> bool(np.allclose(tall[0, 0] @ wide[0, 0], kernel[0, 0]))
    True
    """
    outs, ins, height, width = weight.shape
    u, s, v = np.linalg.svd(weight.transpose(1, 2, 0, 3).reshape(ins * height, outs * width), full_matrices=False)
    tall, wide = u[:, :rank] * np.sqrt(s[:rank]), np.sqrt(s[:rank, None]) * v[:rank]
    return tall.T.reshape(-1, ins, height, 1), wide.reshape(-1, outs, 1, width).transpose(1, 0, 2, 3)


def spatial_values(weight: Array) -> Array:
    """The squared singular values that `spatial` chooses from."""
    outs, ins, height, width = weight.shape
    return np.linalg.svd(weight.transpose(1, 2, 0, 3).reshape(ins * height, outs * width), compute_uv=False) ** 2


def cp(weight: Array, rank: int, sweeps: int, seed: int) -> tuple[list[Array], float]:
    """One factor for each axis, (extent, rank), whose outer products sum to nearly `weight`, and the share of its energy that is lost.

    Alternating least squares from singular vectors, filled up at random where an axis is shorter than the rank; `sweeps` times over all
    axes, each solve held back a little (ridge 1e-6) because CP has no best solution at some ranks. Lebedev et al. 2014, arXiv:1412.6553.

    >>> a, b, c = np.array([1.0, 2]), np.array([1.0, -1, 3]), np.array([2.0, 1])
    >>> factors, gone = cp(np.einsum("i,j,k->ijk", a, b, c), 1, sweeps=5, seed=0)
    >>> [factor.shape for factor in factors], bool(gone < 1e-9)
    ([(2, 1), (3, 1), (2, 1)], True)
    """
    rng, axes = np.random.default_rng(seed), range(weight.ndim)
    factors = []
    for axis in axes:
        leading = principal(gram(weight, axis))[1][:, :rank]
        filler = rng.normal(size=(len(leading), rank - leading.shape[1])) / np.sqrt(len(leading))
        factors.append(np.hstack([leading, filler]))
    for _ in range(sweeps):
        for axis in axes:
            products = np.prod([factors[other].T @ factors[other] for other in axes if other != axis], axis=0)
            products += 1e-6 * max(float(np.trace(products)) / rank, 1e-30) * np.eye(rank)
            factors[axis] = np.linalg.solve(products, projected(weight, factors, axis).T).T
            if axis != axes[-1]:                    # the last axis carries the size of each term
                factors[axis] /= np.maximum(np.linalg.norm(factors[axis], axis=0), 1e-12)
    apart = unfolded(weight, 0) - factors[0] @ khatri_rao(factors[1:]).T
    return factors, float((apart**2).sum() / max(float((weight**2).sum()), 1e-30))


def projected(weight: Array, factors: list[Array], axis: int) -> Array:
    """unfolded(weight, axis) @ khatri_rao(the other factors), one axis after the other instead of all at once: (extent, rank)."""
    first, *rest = [other for other in range(weight.ndim) if other != axis]
    left = np.tensordot(factors[first].T, np.moveaxis(weight, axis, -1), 1)         # (rank, the other axes, extent)
    for other in rest:
        left = (left * factors[other].T.reshape(*factors[other].T.shape, *[1] * (left.ndim - 2))).sum(1)
    return left.T


def khatri_rao(factors: list[Array]) -> Array:
    """Column by column the Kronecker product: (product of extents, rank).

    >>> khatri_rao([np.array([[1.0], [2]]), np.array([[3.0], [5]])]).ravel().tolist()
    [3.0, 5.0, 6.0, 10.0]
    """
    product = factors[0]
    for factor in factors[1:]:
        product = (product[:, None] * factor[None]).reshape(-1, product.shape[1])
    return product


def separable(weight: Array) -> tuple[Array, Array]:
    """Depthwise (ins, 1, *kernel) and pointwise (outs, ins): of each input channel the best kernel that all outputs share (its rank-1 SVD).

    >>> depthwise, pointwise = separable(np.array([[[2.0, 4]], [[1.0, 2]]]))        # two outputs, one input, a kernel of two
    >>> (pointwise[:, :, None] * depthwise[:, 0]).round(6).tolist()
    [[[2.0, 4.0]], [[1.0, 2.0]]]
    """
    outs, ins, *kernel = weight.shape
    depthwise, pointwise = np.empty((ins, 1, *kernel)), np.empty((outs, ins))
    for channel in range(ins):
        u, s, v = np.linalg.svd(weight[:, channel].reshape(outs, -1), full_matrices=False)
        depthwise[channel, 0], pointwise[:, channel] = (np.sqrt(s[0]) * v[0]).reshape(kernel), np.sqrt(s[0]) * u[:, 0]
    return depthwise, pointwise


def shuffled(weight: Array, groups: int, rank: int) -> tuple[Array, Array]:
    """Grouped kernel (groups² · rank, ins / groups, *kernel) and grouped 1x1 (outs, groups · rank), with a channel shuffle between them.

    Each input group makes `rank` channels for each output group: the truncated SVD of the block of weights between the two.
    """
    outs, ins, *kernel = weight.shape
    first = np.empty((groups, groups, rank, ins // groups, *kernel))            # input group, output group, rank
    last = np.empty((groups, outs // groups, rank, groups))                     # output group, its channels, rank, input group
    blocks = weight.reshape(groups, outs // groups, groups, ins // groups, *kernel)
    for to in range(groups):
        for start in range(groups):
            u, s, v = np.linalg.svd(blocks[to, :, start].reshape(outs // groups, -1), full_matrices=False)
            last[to, :, :, start] = u[:, :rank] * np.sqrt(s[:rank])
            first[start, to] = (np.sqrt(s[:rank, None]) * v[:rank]).reshape(rank, ins // groups, *kernel)
    return first.reshape(-1, ins // groups, *kernel), last.reshape(outs, rank * groups)
