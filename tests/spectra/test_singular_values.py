"""Singular values to float64, and the rank that the precision of the entries allows."""

import numpy as np
import pytest

from htmp_bayes.spectra.singular_values import count_zeros, singular_values


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
