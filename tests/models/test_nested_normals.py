"""Effects that are integrated out level by level: against one normal density of everything."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from htmp_bayes.models.nested_normals import PACKED, Known, effect_draw, integrated


def normal_likelihoods(rng, count):
    """Means, covariances and natural form of normal likelihoods of three coordinates."""
    roots = rng.normal(size=(count, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(3)
    means = rng.normal(size=(count, 3))
    precisions = np.linalg.inv(covariances)
    linear = np.einsum("lij,lj->li", precisions, means)
    known = Known([precisions[:, i, j] for i, j in PACKED], list(linear.T))
    return means, covariances, known


def test_two_levels_are_the_normal_density_of_all():
    rng = np.random.default_rng(1)
    means, covariances, known = normal_likelihoods(rng, 4)
    inner, outer = np.array([0.3, 1.0, 0.2]), np.array([2.0, 0.1, 0.7])
    above, first = integrated(known, list(inner), np.log)
    _, second = integrated(above.summed(0), list(outer), np.log)
    blocks = np.kron(np.ones((4, 4)), np.diag(outer**2)) + np.kron(np.eye(4), np.diag(inner**2))
    noise = np.zeros((12, 12))
    for i, covariance in enumerate(covariances):
        noise[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = covariance
    expected = multivariate_normal(np.zeros(12), blocks + noise).logpdf(means.ravel())
    # the likelihood of the means is exp(-x'Px/2 + b'x) times this, which does not depend on the spreads
    constant = multivariate_normal(np.zeros(12), noise).logpdf(means.ravel())
    assert first.sum() + second + constant == pytest.approx(expected, rel=1e-10)


def test_draws_of_an_effect_have_its_mean_and_covariance():
    rng = np.random.default_rng(2)
    _, covariances, known = normal_likelihoods(rng, 1)
    spread = np.array([0.5, 1.0, 2.0])
    draws = np.array(effect_draw(known, list(spread), list(rng.normal(size=(3, 40_000)))))
    precision = np.linalg.inv(covariances[0]) + np.diag(spread**-2.0)
    covariance = np.linalg.inv(precision)
    mean = covariance @ np.array(known.linear).ravel()
    assert draws.mean(axis=1) == pytest.approx(mean, abs=4 * np.sqrt(covariance.max() / 40_000))
    assert np.cov(draws) == pytest.approx(covariance, abs=0.02 * covariance.max())


def test_nothing_known_leaves_nothing_known():
    nothing = Known([np.zeros(1)] * 6, [np.zeros(1)] * 3)
    above, value = integrated(nothing, [1.0, 2.0, 3.0], np.log)
    assert value == 0.0
    assert not np.any(above.precision)
    assert not np.any(above.linear)
