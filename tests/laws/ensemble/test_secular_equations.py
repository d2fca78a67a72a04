"""The rank-one eigenvalue solver in arbitrary precision, poles and weights over many orders of magnitude."""

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from htmp_bayes.laws.ensemble.secular_equations import growing_eigenvalues, rank_one_eigenvalues

RNG = np.random.default_rng(11)


def determinant(diagonal, squares, x):
    """det(diag(d) + z z^T - x), exactly as a ball."""
    ctx.prec = 2000
    d, z = [arb(float(v)) for v in diagonal], [arb(float(v)).sqrt() for v in squares]
    n = len(d)
    return arb_mat(
        n, n, [z[i] * z[j] + (d[i] - arb(x) if i == j else 0) for i in range(n) for j in range(n)]
    ).det()


@pytest.mark.parametrize("spread", [0, 5, 40, 100])
@pytest.mark.parametrize("trial", range(4))
def test_every_root_is_bracketed_to_full_relative_accuracy(spread, trial):
    """The characteristic polynomial changes sign between x (1 - 4 eps) and x (1 + 4 eps)."""
    n = 9
    diagonal = np.sort(10 ** RNG.uniform(-spread, 1, n))
    diagonal[0] = 0.0
    squares = 10 ** RNG.uniform(-spread, 1, n)
    for x in rank_one_eigenvalues(diagonal, squares):
        below, above = (
            determinant(diagonal, squares, arb(float(x)) * (1 + s * arb(2.0**-50))) for s in (-1, 1)
        )
        assert below * above < 0


def test_trace_and_interlacing_of_a_large_one():
    diagonal, squares = np.sort(RNG.gamma(2.0, size=500)), RNG.gamma(0.02, size=500)
    diagonal[0] = 0.0
    roots = rank_one_eigenvalues(diagonal, squares)
    assert roots.sum() == pytest.approx(diagonal.sum() + squares.sum(), rel=1e-13)
    assert np.all(roots >= diagonal)
    assert np.all(roots[:-1] <= diagonal[1:])


def test_equal_poles_and_vanishing_weights():
    diagonal = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 2.0])
    squares = np.array([0.5, 0.0, 0.3, 0.0, 0.2, 1e-310])
    with mpmath.workdps(400):
        roots = [mpmath.sqrt(mpmath.mpf(float(square))) for square in squares]
        matrix = (
            mpmath.diag([float(pole) for pole in diagonal]) + mpmath.matrix(roots) * mpmath.matrix(roots).T
        )
        exact = [float(value) for value in mpmath.eigsy(matrix, eigvals_only=True)]
    np.testing.assert_allclose(rank_one_eigenvalues(diagonal, squares), exact, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("weight", [1e-299, 1e-290, 1e-100, 1e-32, 1e-30, 1e-20])
def test_a_pole_of_hardly_any_weight_does_not_hide_a_root(weight):
    """The root between 1 and 2 is far from both, which have an eigenvalue next to each of them."""
    with mpmath.workdps(50):
        trace, determinant = mpmath.mpf(3.0) + 300 + 172.6, mpmath.mpf(900)
        root = mpmath.sqrt(trace**2 - 4 * determinant)
        exact = [1.0, float(2 * determinant / (trace + root)), 2.0, float((trace + root) / 2)]
    squares = np.array([300.0, 1e-168, weight, 172.6])
    np.testing.assert_allclose(rank_one_eigenvalues(np.arange(4.0), squares), exact, rtol=1e-14)


def test_weak_terms_that_are_left_out_change_nothing():
    """Of 60 poles, a third have weights next to the bound below which they are left out."""
    rng = np.random.default_rng(8)
    diagonal = np.sort(10 ** rng.uniform(-8, 1, 60))
    squares = rng.gamma(0.5, size=60)
    squares[::3] = diagonal[::3] * 10 ** rng.uniform(-34, -30, 20)
    for x in rank_one_eigenvalues(diagonal, squares):
        below, above = (
            determinant(diagonal, squares, arb(float(x)) * (1 + s * arb(2.0**-50))) for s in (-1, 1)
        )
        assert below * above < 0


@pytest.mark.parametrize("scale", [1e-200, 1e-150, 1e-135, 1e120, 1e145, 1e200])
def test_any_scale_gives_the_same_eigenvalues(scale):
    """Products of two distances leave the range of a double at some of these scales."""
    rng = np.random.default_rng(9)
    diagonal, squares = np.sort(rng.gamma(2.0, size=40)), rng.gamma(0.3, size=40)
    diagonal[0] = 0.0
    one = rank_one_eigenvalues(diagonal, squares)
    np.testing.assert_allclose(
        rank_one_eigenvalues(diagonal * scale, squares * scale), one * scale, rtol=1e-14
    )


def test_input_is_left_alone():
    diagonal, squares = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    rank_one_eigenvalues(diagonal, squares)
    np.testing.assert_array_equal(diagonal, [0.0, 1.0])
    np.testing.assert_array_equal(squares, [1.0, 2.0])


def test_a_growing_matrix_has_the_eigenvalues_of_the_whole():
    """Each step is checked by a dense matrix with the eigenvalues so far."""
    rng = np.random.default_rng(4)
    scales, new, old = rng.gamma(2.0, size=4), rng.gamma(2.0, size=4), rng.gamma(1.0, size=6)
    so_far, used = np.empty(0), 0
    for i in range(4):
        z = np.sqrt(scales[i] * np.append(new[i], old[used : used + i]))
        so_far = np.linalg.eigvalsh(np.diag(np.append(0.0, so_far)) + np.outer(z, z))
        used += i
    np.testing.assert_allclose(growing_eigenvalues(scales, new, old), so_far, rtol=1e-12)
