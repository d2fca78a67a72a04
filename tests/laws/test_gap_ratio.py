"""The mean ratio of neighbouring gaps: known values, a fresh simulation, and its inverse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import eigvalsh_tridiagonal

from htmp_bayes.laws.gap_ratio import dyson_index_of, log_density, mean_gap_ratio, standard_error


@pytest.mark.parametrize(("beta", "known"), [(1.0, 0.5307), (2.0, 0.5996), (4.0, 0.6744)])
def test_known_means(beta, known):
    """Table I of Atas, Bogomolny, Giraud & Roux 2013, by large matrices: each to 1e-4."""
    assert mean_gap_ratio(beta) == pytest.approx(known, abs=1e-3)


def test_independent_points():
    """Ratios of exponential gaps: mean 2 log 2 - 1."""
    assert mean_gap_ratio(0.0) == pytest.approx(2 * np.log(2) - 1, abs=1e-15)
    gaps = np.random.default_rng(1).exponential(size=(2000, 301))
    means = (np.minimum(gaps[:, 1:], gaps[:, :-1]) / np.maximum(gaps[:, 1:], gaps[:, :-1])).mean(axis=1)
    assert means.std() == pytest.approx(standard_error(300, 0.0), rel=0.08)


@pytest.mark.parametrize("beta", [0.08, 0.6, 1.4, 3.2])
def test_between_the_points_of_the_table(beta):
    """Fresh matrices of the Gaussian beta ensemble, at indices that the table does not have."""
    size, matrices = 120, 400
    rng = np.random.default_rng(int(100 * beta))
    means = np.empty(matrices)
    for k in range(matrices):
        diagonal = rng.normal(scale=np.sqrt(2.0), size=size)
        beside = np.sqrt(rng.chisquare(beta * np.arange(size - 1, 0, -1)))
        gaps = np.diff(eigvalsh_tridiagonal(diagonal, beside)[size // 4 : 3 * size // 4])
        means[k] = np.mean(np.minimum(gaps[1:], gaps[:-1]) / np.maximum(gaps[1:], gaps[:-1]))
    error = means.std() / np.sqrt(matrices)
    assert mean_gap_ratio(beta) == pytest.approx(means.mean(), abs=4 * error)
    assert means.std() == pytest.approx(standard_error(size // 2 - 2, beta), rel=0.15)


def test_rises_and_comes_back():
    index = np.linspace(0, 4, 400)
    ratios = mean_gap_ratio(index)
    assert np.all(np.diff(ratios) > 0)
    assert_allclose([dyson_index_of(ratio) for ratio in ratios[1:-1:20]], index[1:-1:20], atol=1e-9)
    assert dyson_index_of(0.2) == 0.0
    assert dyson_index_of(0.9) == 4.0
    assert mean_gap_ratio(7.0) == mean_gap_ratio(4.0)


def test_log_density_is_that_of_a_normal_law():
    ratios = np.linspace(0.3, 0.8, 2001)
    density = np.exp([log_density(ratio, 200, 1.0) for ratio in ratios])
    assert np.trapezoid(density, ratios) == pytest.approx(1, abs=1e-9)
    assert np.trapezoid(density * ratios, ratios) == pytest.approx(mean_gap_ratio(1.0), abs=1e-9)
    assert np.trapezoid(density * (ratios - mean_gap_ratio(1.0)) ** 2, ratios) == pytest.approx(
        standard_error(200, 1.0) ** 2, rel=1e-6
    )
