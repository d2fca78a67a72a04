"""The table that searches for a mode start from: it is the law's, and no mode is missed for it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from htmp_bayes import HTMP, Spectrum, sample_ensemble
from htmp_bayes.models.layer import POPULATIONS, expected_log, layer_data
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.shape_table import AXES, PROBABILITIES, Shape, _shapes, likely_points
from htmp_bayes.models.surrogate import _HOPELESS

NODES = [
    ("log-normal", 0.005, 3, 2),
    ("log-normal", 1.0, 9, 7),
    ("inverse-gamma", 0.25, 6, 4),
    ("inverse-gamma", 0.97, 13, 0),
]
LAWS = [
    ("inverse-gamma", 20, 0.3, 0.15, 1.2),
    ("inverse-gamma", 384, 5.0, 0.25, 0.5),
    ("inverse-gamma", 384, 90.0, 1.0, 0.8),
    ("log-normal", 64, 0.1, 0.73, 0.6),
    ("log-normal", 100, 40.0, 0.03, 0.0),
    ("log-normal", 384, 700.0, 0.95, 0.0),
    ("log-normal", 32, 2.0, 0.6, 2.5),
]


def two_bulks():
    rng = np.random.default_rng(1)
    bulks = [Spectrum.from_matrix(rng.normal(size=shape)).eigenvalues for shape in ((150, 600), (100, 4000))]
    return np.append(bulks[0], 30 * bulks[1])


def heavy_tail():
    return np.random.default_rng(3).pareto(0.3, size=300)


def outlier():
    return np.append(np.random.default_rng(3).gamma(3.0, size=60), 1e12)


def drawn(population, size, kappa, gamma, correlation):
    eigenvalues = sample_ensemble(size, kappa, gamma, 0.3, correlation, population, random_state=5)
    return layer_data(eigenvalues, gamma, population)


@pytest.mark.parametrize(("population", "gamma", "kappa", "correlation"), NODES)
def test_a_node_holds_the_law(population, gamma, kappa, correlation):
    kappa, correlation = AXES["kappa"][kappa], AXES["correlation"][correlation]
    data = {"population": POPULATIONS[population], "gamma": gamma}
    shape = _shapes(data, np.log([kappa]), np.array([correlation]))
    law = HTMP(kappa, gamma, 1.0, correlation, population=population)
    log_x = shape.log_x[0, 0] + expected_log(kappa, gamma)
    assert_allclose(law.cdf(np.exp(log_x)), PROBABILITIES, atol=5e-3)
    assert_allclose(law.logpdf(np.exp(log_x)) + log_x, shape.log_density[0, 0], atol=0.05)


def test_rows_give_back_the_shape():
    log_x = np.sort(np.random.default_rng(1).normal(size=(2, len(PROBABILITIES))), axis=1)
    shape = Shape(log_x, np.sin(log_x))
    again = Shape.of_rows(shape.as_rows())
    assert_allclose(again.log_x, shape.log_x, atol=1e-12)
    assert_allclose(again.log_density, shape.log_density)


@pytest.mark.parametrize("with_prior", [True, False], ids=["posterior", "likelihood"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: "-".join(map(str, law)))
def test_starts_are_close_and_no_mode_is_missed(law, with_prior):
    posterior = LayerPosterior(drawn(*law), with_prior=with_prior)
    start = posterior.inside(likely_points(posterior.data, with_prior)[0])
    assert posterior.log_density(start)[0] > posterior.log_density(posterior.mode)[0] - 8
    assert posterior.log_density(posterior.mode)[0] > highest(posterior) - 0.3


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("spectrum", [two_bulks, heavy_tail, outlier])
def test_the_mode_of_what_no_law_fits(spectrum, population):
    posterior = LayerPosterior(layer_data(spectrum(), 0.25, population))
    assert posterior.log_density(posterior.mode)[0] > highest(posterior) - 0.3


@pytest.mark.parametrize("law", LAWS, ids=lambda law: "-".join(map(str, law)))
def test_what_is_not_hopeless_is_not_called_so(law):
    """At points as far out as the box of a polynomial reaches, and further."""
    posterior = LayerPosterior(drawn(*law))
    top = posterior.log_density(posterior.mode)[0]
    widths = 4 * np.sqrt(np.diag(posterior.covariance))
    points = posterior.inside(
        posterior.mode + widths * np.random.default_rng(1).uniform(-1, 1, size=(150, 3))
    )
    rough = top - posterior.rough_log_densities(points)
    worthwhile = rough < _HOPELESS
    exact = np.array([top - posterior.log_density(point)[0] for point in points[worthwhile]])
    assert np.sum(exact < 30) > 5
    assert rough[worthwhile][exact < 30].max() < _HOPELESS / 2
    assert all(top - posterior.log_density(point)[0] > 60 for point in points[~worthwhile][:10])


def highest(posterior):
    """Highest of the tops that are reached from places all over the range."""

    def descent(point):
        value, gradient = posterior.log_density(point)
        return (-value, -gradient) if np.isfinite(value) else (1e300, gradient)

    bounds = [*map(tuple, posterior.bounds[:2]), (-2.0, 2.0)]
    starts = [np.array([a, b, 0.0]) for a in (-1.0, 1.0, 3.0, 6.0) for b in (0.1, 0.5, 1.5)]
    tops = [minimize(descent, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in starts]
    return -min(top.fun for top in tops)
