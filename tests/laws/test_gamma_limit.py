"""The limit without repulsion: closed forms, quadrature, and the HTMP law approaching it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.integrate import quad

from htmp_bayes.laws import HTMP, Atoms, GammaLimit

X = np.array([1e-3, 0.3, 2.0, 9.0, 60.0])
POPULATIONS = ["log-normal", "inverse-gamma", Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])]


def test_without_population_it_is_scipys_gamma_law():
    ours, theirs = GammaLimit(2.5, 3.0), stats.gamma(2.5, scale=3.0)
    for method in ("logpdf", "cdf", "sf", "pdf", "logsf"):
        assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-12, atol=1e-14)
    assert_allclose([ours.mean(), ours.var()], theirs.stats(), rtol=1e-14)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize(("shape", "rho"), [(0.1, 0.5), (3.0, 2.0), (400.0, 0.3)])
def test_is_the_mixture_over_the_population(shape, rho, population):
    """By adaptive quadrature over the probabilities of h."""
    law = GammaLimit(shape, 2.0, rho, population)
    for x in 2.0 * shape * np.array([0.4, 1.0, 3.0]):

        def conditional(p, method, x=x, population=law.population):
            h = population.quantile(p, rho)
            return getattr(stats.gamma(shape, scale=2.0 * h), method)(x)

        if isinstance(population, Atoms):
            h, w = population.values(rho), np.array(population.weights)
            expected = [
                stats.gamma(shape, scale=2.0 * h).pdf(x) @ w,
                stats.gamma(shape, scale=2.0 * h).cdf(x) @ w,
            ]
        else:
            expected = [
                quad(conditional, 1e-16, 1 - 1e-16, args=(m,), epsabs=1e-11, limit=400)[0]
                for m in ("pdf", "cdf")
            ]
        assert_allclose([law.pdf(x), law.cdf(x)], expected, rtol=2e-7)
        assert law.cdf(x) + law.sf(x) == pytest.approx(1.0, abs=1e-14)
    assert_allclose(law.cdf(law.ppf([0.01, 0.5, 0.99])), [0.01, 0.5, 0.99], rtol=1e-9)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("rho", [0.0, 0.5, 1.5])
def test_the_law_approaches_it(rho, population):
    """What is left at small kappa is linear in kappa, so that extrapolation to 0 agrees to second order."""
    shape = 0.1
    limit = GammaLimit(shape, 2.0, rho, population)
    x = limit.ppf([0.6, 0.95, 0.999])
    near, nearer = (HTMP(k, k / (2 * shape), 2.0, rho, population) for k in (0.002, 0.001))
    extrapolated = 2 * nearer.logpdf(x) - near.logpdf(x)
    assert_allclose(extrapolated, limit.logpdf(x), atol=2e-4)
    assert_allclose(2 * nearer.cdf(x) - near.cdf(x), limit.cdf(x), atol=2e-5)
    assert_allclose(2 * nearer.stieltjes(1j) - near.stieltjes(1j), limit.stieltjes(1j), rtol=1e-4)


def test_stieltjes_transform_is_the_integral():
    law = GammaLimit(2.5, 3.0, 0.7)
    log_x = np.linspace(-25, 40, 4001)
    mass = np.exp(law.logpdf(np.exp(log_x)) + log_x) * (log_x[1] - log_x[0])
    for z in (1.0 + 2.0j, -3.0, 20.0 - 5.0j):
        assert_allclose(law.stieltjes(z), np.sum(mass / (np.exp(log_x) - z)), rtol=1e-9)


def test_outside_the_range():
    with pytest.raises(ValueError, match=r"shape_parameter must be in \[0.001, 1000\]"):
        GammaLimit(0.0)
    with pytest.raises(ValueError, match="has no spread"):
        GammaLimit(1.0, correlation=0.5, population="point")
