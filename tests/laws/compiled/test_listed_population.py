"""The law of a listed population: against Marchenko-Pastur and its atoms, and derivatives by differences."""

import numpy as np
import pytest

from htmp_bayes.laws import MarchenkoPastur
from htmp_bayes.laws.compiled.counting_mean import limit_columns
from htmp_bayes.laws.compiled.listed_population import average_slopes, listed_columns, upper_angle
from htmp_bayes.laws.open_law import OpenLaw
from htmp_bayes.laws.parameters import quadrature_rule
from htmp_bayes.laws.populations import Atoms

LOG_H = np.sort(np.random.default_rng(5).normal(size=12))
SHARES = np.random.default_rng(6).dirichlet(np.ones(12))


def columns(log_x, gamma, log_h=LOG_H, shares=SHARES):
    return listed_columns(log_x, gamma, log_h, shares, np.zeros(len(log_x), np.complex128))


@pytest.mark.parametrize("gamma", [0.0005, 0.02, 0.25, 0.9, 1.0])
def test_it_is_the_law_of_atoms(gamma):
    log_x = np.linspace(-4.0, 3.0, 150)
    atoms = Atoms(tuple(LOG_H), tuple(SHARES))
    scale = np.exp(SHARES @ LOG_H)
    expected = limit_columns(log_x - np.log(gamma * scale), gamma, quadrature_rule(atoms, atoms.spread))
    below, above, transform, argument, _ = columns(log_x, gamma)
    np.testing.assert_allclose(below, expected[0], atol=1e-9)
    np.testing.assert_allclose(above, expected[1], atol=1e-9)
    np.testing.assert_allclose(transform, expected[2] / scale, rtol=1e-6, atol=1e-9)
    inside = transform.imag > 1e-3
    # the slope that it is made of is that of the last but one of Newton's places
    np.testing.assert_allclose(argument[inside], expected[3][inside], atol=2e-4)


def test_one_value_is_the_law_of_marchenko_and_pastur():
    x = np.linspace(0.3, 2.2, 20)
    found = columns(np.log(x), 0.25, np.zeros(1), np.ones(1))
    np.testing.assert_allclose(found[0], MarchenkoPastur(gamma=0.25).cdf(x), atol=1e-10)


def test_it_falls_through_gaps_without_a_step_back():
    """Between isolated values roots are real; a wrong branch there would show as a survival function that rises."""
    log_h = np.array([-3.0, 0.0, 0.1, 2.0, 4.0])
    above = columns(np.linspace(-4.0, 5.0, 800), 0.1, log_h, np.array([0.1, 0.4, 0.3, 0.1, 0.1]))[1]
    assert np.all(np.diff(above) <= 1e-9)
    np.testing.assert_allclose(above[[0, -1]], [1.0, 0.0], atol=1e-12)


def test_roots_from_nearby_are_the_same_roots():
    log_x = np.linspace(-4.0, 3.0, 150)
    guesses = columns(log_x, 0.25, LOG_H + 0.05)[-1]
    again = listed_columns(log_x, 0.25, LOG_H, SHARES, guesses)
    for place, (first, second) in enumerate(zip(columns(log_x, 0.25), again, strict=True)):
        np.testing.assert_allclose(second, first, atol=2e-4 if place == 3 else 1e-9)


@pytest.mark.parametrize("gamma", [0.05, 0.5, 1.0])
def test_slopes_are_those_of_differences(gamma):
    log_x = np.linspace(-3.0, 2.5, 120)
    width, interval = np.full(120, log_x[1] - log_x[0]), np.arange(120) // 10
    slopes = average_slopes(columns(log_x, gamma)[2], LOG_H, SHARES, width, interval, 12)
    step = 1e-5
    for q in (0, 5, 11):
        moved = [columns(log_x, gamma, LOG_H + sign * step * np.eye(12)[q])[0] for sign in (1, -1)]
        expected = ((moved[0] - moved[1]) / (2 * step)).reshape(12, 10).mean(axis=1)
        np.testing.assert_allclose(slopes[:, q], expected, atol=2e-7)


def test_open_law_is_that_of_a_large_kappa_and_of_reciprocals():
    x = np.geomspace(0.1, 6.0, 30)
    law = OpenLaw(np.array([1e8]), 0.25, LOG_H[None], SHARES)
    np.testing.assert_allclose(law.cdf(x)[0], columns(np.log(x), 0.25)[0], atol=1e-7)
    inverse = OpenLaw(np.array([1e8]), 0.25, LOG_H[None], SHARES, inverse=True)
    np.testing.assert_allclose(inverse.sf(1 / x)[0], law.cdf(x)[0], atol=1e-12)
    two = OpenLaw(np.array([1e8, 50.0]), 0.25, np.stack([LOG_H, LOG_H + 0.3]), SHARES)
    np.testing.assert_allclose(two.sf_at_own([0.5, 2.0]), np.diag(two.sf([0.5, 2.0])), atol=1e-9)
    x = np.geomspace(0.1, 6.0, 400)
    mass = np.trapezoid(law.pdf(x)[0], x)
    np.testing.assert_allclose(mass, law.cdf(x[-1:])[0, 0] - law.cdf(x[:1])[0, 0], atol=2e-3)
    np.testing.assert_allclose(law.mean(), SHARES @ np.exp(LOG_H))


def test_angles_are_right_to_rounding_in_the_whole_upper_half_plane():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 20_000)) * 10.0 ** rng.uniform(-150, 150, (2, 20_000))
    x[:50], y[50:100], y = 0.0, 0.0, np.abs(y)
    found = np.array([upper_angle(*point) for point in zip(x, y, strict=True)])
    np.testing.assert_allclose(found, np.arctan2(y, x), rtol=0, atol=5e-16)
