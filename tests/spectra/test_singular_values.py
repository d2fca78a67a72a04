"""Singular values to float64, and the rank that the precision of the entries allows."""

import flint
import numpy as np
import pytest

from htmp_bayes.spectra import singular_values as routes
from htmp_bayes.spectra.singular_values import count_zeros, singular_values, squared_singular_values


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_known_singular_values_are_found(shape, order):
    rng = np.random.default_rng(1)
    sigma = np.linspace(5, 1, min(shape))
    U = np.linalg.qr(rng.normal(size=(shape[0], sigma.size)))[0]
    V = np.linalg.qr(rng.normal(size=(shape[1], sigma.size)))[0]
    matrix = np.array((U * sigma) @ V.T, order=order)
    np.testing.assert_allclose(singular_values(lambda: matrix), sigma, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [1, 25, 60])
def test_the_rank_of_a_product_is_found(dtype, rank):
    rng = np.random.default_rng(2)
    matrix = (rng.normal(size=(60, rank)) @ rng.normal(size=(rank, 90))).astype(dtype)
    assert count_zeros(singular_values(lambda: matrix), matrix.shape, matrix.dtype) == 60 - rank


def test_the_smallest_singular_value_of_a_square_float32_matrix_is_none_of_the_zeros():
    # It is about the entries' size over the root of n, the hardest case for a bound that grows with n.
    matrix = np.random.default_rng(3).normal(size=(400, 400)).astype(np.float32)
    sigma = singular_values(lambda: matrix)
    assert count_zeros(sigma, matrix.shape, matrix.dtype) == 0
    assert sigma[-1] / sigma[0] < 1e-2


def graded(rows, columns, decades):
    """A matrix whose eigenvalues are spread evenly over that many decades."""
    rng = np.random.default_rng(4)
    U = np.linalg.qr(rng.normal(size=(rows, rows)))[0]
    V = np.linalg.qr(rng.normal(size=(columns, rows)))[0]
    return (U * np.logspace(0, -decades / 2, rows)) @ V.T


def exact(matrix):
    """Eigenvalues of W Wᵀ in 300 bits, descending."""
    precision, flint.ctx.prec = flint.ctx.prec, 300
    W = flint.arb_mat(*matrix.shape, matrix.ravel().tolist())
    values = flint.acb_mat(W * W.transpose()).eig(algorithm="approx", nonstop=True)
    flint.ctx.prec = precision
    return np.sort([float(value.real) for value in values])[::-1]


@pytest.mark.parametrize(("decades", "route"), [(3, "Gram"), (8.9, "Gram"), (9.2, "SVD"), (12, "SVD")])
def test_the_smallest_eigenvalue_is_good_to_one_in_a_million_by_either_route(monkeypatch, decades, route):
    monkeypatch.setattr(routes, "GRAM_FROM", 1)
    decomposed = []
    monkeypatch.setattr(routes, "singular_values", lambda W: decomposed.append(1) or singular_values(W))
    matrix = graded(30, 45, decades)
    found = squared_singular_values(lambda: matrix)
    assert bool(decomposed) == (route == "SVD")
    np.testing.assert_allclose(found, exact(matrix), rtol=1e-6)


@pytest.mark.parametrize("shape", [(700, 40), (40, 700), (200, 190)])
def test_blocks_of_any_size_add_up(monkeypatch, shape):
    monkeypatch.setattr(routes, "GRAM_FROM", 1)
    matrix = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    whole = squared_singular_values(lambda: matrix)
    monkeypatch.setattr(routes, "BLOCK", 8 * 40 * 33)
    np.testing.assert_allclose(squared_singular_values(lambda: matrix), whole, rtol=1e-12)
    np.testing.assert_allclose(whole, singular_values(lambda: matrix) ** 2, rtol=1e-9)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_torch_agrees_with_lapack(monkeypatch, shape):
    pytest.importorskip("torch")
    matrix = np.random.default_rng(6).normal(size=shape)
    expected = singular_values(lambda: matrix)
    monkeypatch.setattr(routes, "GRAM_FROM", 1)
    monkeypatch.setattr(routes, "_device", lambda shorter: "cpu")
    np.testing.assert_allclose(singular_values(lambda: matrix), expected, rtol=1e-12)
    np.testing.assert_allclose(squared_singular_values(lambda: matrix), expected**2, rtol=1e-9)
