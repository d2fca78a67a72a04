"""Marchenko-Pastur against quadrature and against the eigenvalues of noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from htmp_bayes.laws import HTMP, Atoms, MarchenkoPastur


@pytest.mark.parametrize("gamma", [0.01, 0.25, 0.9, 1.0])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_distribution_function_is_the_integral_of_the_density(gamma, scale):
    law = MarchenkoPastur(gamma, scale)
    low, high = law.support()
    for q in (0.1, 0.5, 0.99):
        x = law.ppf(q)
        assert quad(law.pdf, low, x, epsabs=1e-11, limit=200)[0] == pytest.approx(q, abs=1e-7)
        assert law.cdf(x) == pytest.approx(q, rel=1e-9)
        assert law.sf(law.isf(q)) == pytest.approx(q, rel=1e-9)
    assert law.cdf(high * 1.01) == 1.0
    assert law.cdf(low * 0.99) == 0.0
    assert law.logpdf(high * 1.01) == -np.inf


def test_describes_noise():
    noise = np.random.default_rng(5).normal(size=(600, 2000))
    eigenvalues = np.linalg.svd(noise, compute_uv=False) ** 2 / 2000
    law = MarchenkoPastur(0.3)
    uniform = law.cdf(np.sort(eigenvalues))
    assert np.abs(uniform - (np.arange(600) + 0.5) / 600).max() < 0.01
    assert law.mean() == 1.0
    assert law.var() == pytest.approx(0.3)
    assert np.isinf(law.tail_index())


def test_density_at_the_edges_keeps_its_accuracy():
    """For gamma = 1, f = sqrt((4 - x)/x) / (2 pi); near 4 and near 0 the formula in angles would cancel."""
    law = MarchenkoPastur(1.0)
    x = np.array([1e-20, 1e-9, 0.5, 3.0])
    assert_allclose(law.logpdf(x), 0.5 * np.log((4 - x) / x) - np.log(2 * np.pi), rtol=1e-14)


@pytest.mark.parametrize("population", ["log-normal", "inverse-gamma"])
@pytest.mark.parametrize(("gamma", "rho"), [(0.005, 0.3), (0.25, 0.7), (1.0, 0.7), (0.5, 3.0)])
def test_with_a_population_it_is_the_limit_of_the_law(gamma, rho, population):
    """What is left at large kappa is a series in 1/kappa: two steps of Richardson's extrapolation."""
    limit = MarchenkoPastur(gamma, 2.0, rho, population)
    x = limit.ppf([0.01, 0.3, 0.9, 0.99])
    laws = [HTMP(k, gamma, 2.0 * 2 * gamma / k, rho, population) for k in (2500.0, 5000.0, 10000.0)]
    for method in ("cdf", "logpdf"):
        first, second, third = (getattr(law, method)(x) for law in laws)
        once = [2 * second - first, 2 * third - second]
        assert_allclose((4 * once[1] - once[0]) / 3, getattr(limit, method)(x), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "population", ["log-normal", "inverse-gamma", Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])]
)
@pytest.mark.parametrize(("gamma", "rho"), [(0.02, 0.3), (0.25, 0.7), (1.0, 1.5)])
def test_with_a_population_mass_and_moments(gamma, rho, population):
    law = MarchenkoPastur(gamma, 2.0, rho, population)
    x = law.ppf([1e-7, 0.2, 0.6, 1 - 1e-7])
    assert_allclose(law.cdf(x), [1e-7, 0.2, 0.6, 1 - 1e-7], rtol=1e-7)
    mass, _ = quad(lambda u: law.pdf(np.exp(u)) * np.exp(u), *np.log(x[1:3]), epsabs=1e-8, limit=100)
    assert mass == pytest.approx(law.cdf(x[2]) - law.cdf(x[1]), abs=1e-6)
    noise = np.random.default_rng(3).normal(size=(400, int(400 / gamma)))
    h = law.population.quantile((np.arange(400) + 0.5) / 400, rho)
    eigenvalues = 2.0 * np.linalg.svd(np.sqrt(h)[:, None] * noise, compute_uv=False) ** 2 / noise.shape[1]
    uniform = law.cdf(np.sort(eigenvalues))
    assert np.abs(uniform - (np.arange(400) + 0.5) / 400).max() < 0.01
    if rho < 1:
        assert law.mean() == pytest.approx(2.0 * law.population.moments(rho)[0])
        expected = eigenvalues.mean() / 2 / h.mean() * law.mean()
        assert law.mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("rho", [0.7, 2.0])
def test_edges_of_a_population_of_atoms(rho):
    law = MarchenkoPastur(0.1, 2.0, rho, Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2]))
    low, high = law.support()
    assert law.cdf(low * (1 - 1e-6)) == 0.0
    assert 0 < law.cdf(low * (1 + 1e-4)) < 1e-4
    assert law.sf(high * (1 + 1e-6)) == 0.0
    assert 0 < law.sf(high * (1 - 1e-4)) < 1e-4


def test_deep_tails_of_a_population_are_those_of_the_population():
    law = MarchenkoPastur(0.25, 1.0, 1.0)
    x = law.isf([1e-15, 1e-18])
    assert -np.diff(law.logpdf(x)) / np.diff(np.log(x)) == pytest.approx(law.tail_index(), abs=1e-3)
    low = law.ppf([1e-20, 1e-8])
    assert_allclose(law.cdf(low), [1e-20, 1e-8], rtol=1e-9)


def test_a_correlation_next_to_none_is_none():
    x = [0.4, 1.0, 2.0]
    assert_allclose(MarchenkoPastur(0.25, correlation=1e-5).pdf(x), MarchenkoPastur(0.25).pdf(x), rtol=1e-7)


def test_outside_the_range():
    with pytest.raises(ValueError, match=r"gamma must be in .*1"):
        MarchenkoPastur(1.5)
    with pytest.raises(ValueError, match="scale"):
        MarchenkoPastur(0.5, -1.0)
    with pytest.raises(ValueError, match=r"gamma must be in \[0.005, 1\].*with a correlation"):
        MarchenkoPastur(0.001, correlation=0.5)
    with pytest.raises(ValueError, match=r"correlation must be in \[0, 3\]"):
        MarchenkoPastur(0.5, correlation=4.0)
