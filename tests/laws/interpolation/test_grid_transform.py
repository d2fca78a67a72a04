"""The transform of a density on a grid against closed forms and the laws' own transforms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws.compiled import counting_mean, htmp_density
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.laws.interpolation.grid_transform import companion_transform, principal_values


def test_a_piecewise_linear_density_is_exact():
    # the triangle on (0, 2): the integral is the sum over its kinks of the slope's change times (t - x) log|t - x|
    nodes = np.array([0.0, 0.3, 1.0, 1.6, 2.0])
    x = np.array([-3.0, 0.1, 0.99, 1.7, 2.5, 50.0])
    density = 1 - np.abs(nodes - 1)
    expected = sum(
        change * (kink - x) * np.log(np.abs(kink - x))
        for kink, change in [(0.0, 1.0), (1.0, -2.0), (2.0, 1.0)]
    )
    assert_allclose(principal_values(x, nodes) @ density, expected, rtol=1e-10, atol=1e-13)


def test_scaling_the_points():
    nodes, x = np.geomspace(0.1, 10.0, 20), np.array([0.5, 3.0])
    weights = principal_values(x, nodes)
    assert_allclose(principal_values(1e8 * x, 1e8 * nodes), weights, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("kappa", "gamma", "rho", "population"),
    [(3.0, 0.5, 0.0, 0), (50.0, 0.25, 0.8, 0), (384.0, 0.25, 0.5, 1), (20.0, 1.0, 0.5, 1)],
)
def test_the_transform_of_htmp(kappa, gamma, rho, population):
    # steps of 0.02 in log x, as cells of an interval have
    ends = np.linspace(-26.0, 20.0, 2301)
    middles = (ends[1:] + ends[:-1]) / 2
    rows = htmp_density.fast_rows(ends, kappa, gamma, rho, population)
    here = htmp_density.fast_rows(middles, kappa, gamma, rho, population)
    # at gamma = 1 some of the law lies below the grid, and is taken to be at 0
    bulk = (here[:, 5] > 0.002) & (here[:, 6] > 0.002) & (middles > -14)
    x = np.exp(middles)
    stieltjes = principal_values(x, np.exp(ends)) @ np.exp(rows[:, 0]) - rows[0, 5] / x
    found = companion_transform(x, stieltjes, np.exp(here[:, 0]), gamma)[bulk]
    exact = (counting_mean.finite_transform(here[:, 0], here[:, 7], middles, kappa) * gamma / (kappa / 2))[
        bulk
    ]
    assert np.max(np.abs(found - exact) / np.abs(exact)) < 2e-3
    assert np.median(np.abs(found - exact) / np.abs(exact)) < 1e-4


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_transform_of_marchenko_pastur(rho):
    gamma = 0.25
    ends = np.linspace(np.log(0.01), np.log(60.0), 1501)
    middles = (ends[1:] + ends[:-1]) / 2
    rule = population_rule(rho, 0)
    # in units in which x = (1 - sqrt(gamma))^2/gamma is the lower edge, Im m = pi f
    cdf, _, m, _ = counting_mean.limit_columns(ends, gamma, rule)
    here, _, exact, _ = counting_mean.limit_columns(middles, gamma, rule)
    bulk = (here > 0.01) & (here < 0.99)
    x = np.exp(middles)
    stieltjes = principal_values(x, np.exp(ends)) @ (m.imag / np.pi) - cdf[0] / x
    found = companion_transform(x, stieltjes, exact.imag / np.pi, gamma)[bulk]
    assert_allclose(found, gamma * exact[bulk], atol=3e-4 * np.abs(gamma * exact[bulk]).max())
