"""The quantile curve: lists of log-logistic laws, derivatives by differences, and sizes from 2 to 100,000."""

import numpy as np
import pytest
from scipy.special import logit

from htmp_bayes.models.free.curve import KNOTS, PARAMETERS, curve

RNG = np.random.default_rng(8)


def theta_of(level, d=0.0, median=0.3):
    return np.concatenate([[median, level], np.broadcast_to(d, KNOTS)])


@pytest.mark.parametrize("size", [32, 70, 71, 384, 4096, 100_000])
@pytest.mark.parametrize("gamma", [0.0005, 0.25, 1.0])
def test_a_list_has_all_mass_and_its_single_directions_at_the_ends(size, gamma):
    found = curve(size, gamma)
    np.testing.assert_allclose(found.shares.sum(), 1.0)
    np.testing.assert_allclose(found.shares[[0, -1]], 1 / size)
    np.testing.assert_allclose(found.levels[[0, -1]], [0.5 / size, 1 - 0.5 / size])
    assert np.all(np.diff(found.levels) > 0)
    np.testing.assert_allclose(found.shares, found.shares[::-1])


def test_without_features_it_is_log_logistic():
    found = curve(384, 0.25)
    values = found.log_values(theta_of(np.log(0.4)))
    np.testing.assert_allclose(values, 0.3 + 0.4 * logit(found.levels), atol=1e-12)
    np.testing.assert_allclose(
        found.quantiles(values, np.array([0.1, 0.5, 0.9])), 0.3 + 0.4 * logit([0.1, 0.5, 0.9]), atol=2e-3
    )


def test_derivatives_are_those_of_differences():
    found = curve(200, 0.5)
    theta = np.concatenate([[0.2, -1.0], RNG.normal(size=KNOTS)])
    step = 1e-6
    moved = [
        found.log_values(theta + step * unit) - found.log_values(theta - step * unit)
        for unit in np.eye(PARAMETERS)
    ]
    np.testing.assert_allclose(found.derivatives(theta), np.array(moved).T / (2 * step), atol=1e-7)


def test_directions_are_the_whole_list():
    found = curve(50, 0.5)
    theta = np.concatenate([[0.2, -1.0], RNG.normal(size=KNOTS)])
    np.testing.assert_allclose(found.directions(found.log_values(theta)), found.log_values(theta))
