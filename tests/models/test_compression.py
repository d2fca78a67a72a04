"""Compression: sums over the spectrum from few nodes, against the exact sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws.kernel import INVERSE_GAMMA, LOG_NORMAL, log_density
from htmp_bayes.models.compression import (
    DEFAULT_SIZE,
    CompressedSpectrum,
    compress,
    compress_again,
    compression_error,
    interpolation,
)

N = 384


@pytest.fixture(scope="module")
def wide_spectrum():
    """A spectrum as of a square trained matrix: heavy above, and one eigenvalue far below the rest."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(N, N)) * np.exp(0.5 * rng.normal(size=N))
    eigenvalues = np.linalg.svd(matrix, compute_uv=False) ** 2 / N
    eigenvalues[-1] *= 1e-6
    return eigenvalues


def test_polynomials_of_the_logarithm_are_exact(wide_spectrum):
    rule = compress(wide_spectrum, size=20)
    logarithms = np.log(wide_spectrum)
    middle, half = (logarithms.max() + logarithms.min()) / 2, np.ptp(logarithms) / 2
    for degree in range(40):
        exact = np.sum(((logarithms - middle) / half) ** degree)
        assert_allclose(
            rule.weights @ ((rule.log_nodes - middle) / half) ** degree, exact, rtol=0, atol=1e-10 * N
        )


def test_weights_are_those_of_a_sample(wide_spectrum):
    rule = compress(wide_spectrum)
    assert len(rule.log_nodes) == len(rule.weights) == DEFAULT_SIZE
    assert np.all(rule.weights >= 0)
    assert_allclose(rule.weights.sum(), N, rtol=1e-12)
    assert np.all(np.diff(rule.log_nodes) >= 0)
    assert np.log(wide_spectrum.min()) <= rule.log_nodes[0] + 1e-9
    assert rule.log_nodes[-1] <= np.log(wide_spectrum.max()) + 1e-9


def test_an_isolated_eigenvalue_is_a_node(wide_spectrum):
    rule = compress(wide_spectrum)
    assert_allclose(rule.log_nodes[0], np.log(wide_spectrum.min()), rtol=1e-9)
    assert_allclose(rule.weights[0], 1, rtol=1e-9)


def test_a_short_spectrum_is_kept_and_filled_up():
    rule = compress([3.0, 1.0, 2.0, 2.0], size=6)
    assert_allclose(rule.log_nodes, np.log([1, 2, 3, 3, 3, 3]))
    assert_allclose(rule.weights, [1, 2, 1, 0, 0, 0])


def test_compressing_again_is_compressing_to_fewer_nodes(wide_spectrum):
    once, again = compress(wide_spectrum, size=8), compress_again(compress(wide_spectrum), size=8)
    assert_allclose(again.log_nodes, once.log_nodes, atol=1e-9)
    assert_allclose(again.weights, once.weights, rtol=1e-8)


def test_nodes_of_no_weight_are_not_compressed():
    given = CompressedSpectrum(np.array([0.0, 1.0, 1.0, 5.0]), np.array([2.0, 3.0, 0.0, 0.0]))
    rule = compress_again(given, size=3)
    assert_allclose(rule.log_nodes, [0.0, 1.0, 1.0])
    assert_allclose(rule.weights, [2.0, 3.0, 0.0])


def test_scale_moves_the_nodes_only(wide_spectrum):
    rule, scaled = compress(wide_spectrum), compress(1e-7 * wide_spectrum)
    assert_allclose(scaled.log_nodes, rule.log_nodes + np.log(1e-7), atol=1e-8)


@pytest.mark.parametrize(
    ("kappa", "correlation", "population", "tolerance"),
    [
        (0.1, 0.5, INVERSE_GAMMA, 1e-6),
        (1.0, 0.0, INVERSE_GAMMA, 1e-6),
        (3.0, 0.5, LOG_NORMAL, 1e-6),
        (10.0, 0.5, INVERSE_GAMMA, 1e-4),
        (100.0, 0.5, INVERSE_GAMMA, 1e-2),
        (100.0, 1.0, LOG_NORMAL, 1e-4),
    ],
)
def test_log_likelihood_of_the_compressed_spectrum(wide_spectrum, kappa, correlation, population, tolerance):
    """Tolerances in nats; the sharp edges of large kappa are the hardest."""
    rule = compress(wide_spectrum)
    for misfit in (-0.5, 0.0, 0.5):
        temperature = 2 * wide_spectrum.mean() / kappa * np.exp(misfit - correlation**2 / 2)
        law = (kappa, 1.0, temperature, correlation, population)
        assert abs(compression_error(wide_spectrum, rule, *law)) < tolerance


@pytest.mark.parametrize(
    "eigenvalues", [[], [[1.0, 2.0]], [1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf]]
)
def test_bad_eigenvalues_are_refused(eigenvalues):
    with pytest.raises(ValueError, match="eigenvalues must be"):
        compress(eigenvalues)


def test_bad_size_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        compress([1.0, 2.0], size=0)


@pytest.mark.parametrize(("kappa", "tolerance"), [(3.0, 1e-8), (30.0, 1e-3)])
def test_interpolation_to_the_eigenvalues(wide_spectrum, kappa, tolerance):
    nodes, matrix = interpolation(wide_spectrum, 48)
    law = (kappa, 1.0, 0.6, INVERSE_GAMMA)
    log_temperature = np.log(2 * wide_spectrum.mean() / kappa)
    exact = log_density(np.log(wide_spectrum) - log_temperature, *law)[:, 0]
    assert_allclose(matrix @ log_density(nodes - log_temperature, *law)[:, 0], exact, rtol=0, atol=tolerance)


def test_interpolation_of_a_short_spectrum_is_the_spectrum():
    nodes, matrix = interpolation([3.0, 1.0, 3.0], 5)
    assert_allclose(matrix @ nodes, np.log([3.0, 1.0, 3.0]))
