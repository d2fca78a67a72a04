"""The correction of the composite likelihood: its map, and that it says how widely estimates scatter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes import Spectrum
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.adjustment import IDENTITY, Adjustment, estimate_adjustment, softly_between
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior

STRETCHED = Adjustment(np.array([1.0, 0.5, 0.2]), np.array([0.9, 0.6, 0.1]), np.diag([2.0, 1.5, 1.2]))


def test_the_origin_is_evaluated_at_the_centre():
    point, slopes = STRETCHED.at(STRETCHED.origin)
    assert_allclose(point, STRETCHED.centre, rtol=1e-15)
    assert_allclose(slopes, STRETCHED.stretch, rtol=1e-15)


def test_identity_leaves_points_alone():
    for point in np.array([[1.0, 0.5, 0.2], [-2.5, 2.9, 100.0]]):
        assert_allclose(IDENTITY.at(point)[0], point, rtol=1e-15)


@pytest.mark.parametrize("point", [(-6.0, 0.2, 0.0), (9.0, 0.6, 0.0), (4.0, 2.5, 0.0), (60.0, -4.0, 3.0)])
def test_what_leaves_the_range_comes_back_smoothly(point):
    point, step = np.array(point), 1e-6
    evaluated, slopes = STRETCHED.at(point)
    assert np.log(1e-3) <= evaluated[0] <= np.log(1e4)
    assert 0 <= evaluated[1] <= 3
    for i, unit in enumerate(step * np.eye(3)):
        difference = (STRETCHED.at(point + unit)[0] - STRETCHED.at(point - unit)[0]) / (2 * step)
        assert_allclose(slopes[:, i], difference, atol=1e-6)


def test_log_kappa_is_kept_within_the_range():
    values = softly_between(np.linspace(-50, 50, 2001))
    assert np.all(np.diff(values) >= 0)
    assert_allclose(softly_between(np.array([-4.0, 0.0, 6.0])), [-4.0, 0.0, 6.0], atol=0)


def test_same_seed_same_adjustment():
    data = layer_data(sample_ensemble(40, 3.0, 0.5, 0.1, 0.5, random_state=1), 0.5)
    first, second = (adjusted_posterior(data, 3).adjustment for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_mode_of_the_adjusted_posterior_is_not_missed():
    """Two bulks, which no law fits: there is a second, lower maximum where kappa and the correlation are small."""
    rng = np.random.default_rng(1)
    bulks = [Spectrum.from_matrix(rng.normal(size=shape)).eigenvalues for shape in ((150, 600), (100, 4000))]
    data = layer_data(np.sort(np.append(bulks[0], 30 * bulks[1])), 0.25)
    composite, adjusted = LayerPosterior(data), adjusted_posterior(data, 1)
    at_origin = (adjusted.adjustment.origin - [0, 0, data["log_mean"]]) / [1, 1, data["log_sd"]]
    assert adjusted.log_density(adjusted.mode)[0] >= adjusted.log_density(adjusted.inside(at_origin))[0]
    assert abs(adjusted.mode[1] - composite.mode[1]) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kappa", "gamma", "correlation", "least"), [(10.0, 1.0, 0.5, 1.4), (3.0, 0.25, 0.7, 0.8)]
)
def test_estimates_scatter_as_the_adjusted_curvature_says(kappa, gamma, correlation, least):
    """Modes over 60 matrices, whose standard deviation is known to 9 %; `least` is the composite's own ratio to it."""
    modes, claimed, composite = [], [], []
    for seed in range(60):
        eigenvalues = sample_ensemble(192, kappa, gamma, 1.0, correlation, random_state=seed)
        posterior = LayerPosterior(layer_data(eigenvalues, gamma))
        modes.append(posterior.expected(posterior.mode))
        composite.append(np.sqrt(np.diag(posterior.covariance)[:2]))
        if seed < 8:
            adjustment = estimate_adjustment(modes[-1], posterior.data, seed)
            inverse = np.linalg.inv(adjustment.stretch)
            units = np.diag([1.0, 1.0, posterior.data["log_sd"]])
            covariance = inverse @ units @ posterior.covariance @ units @ inverse.T
            claimed.append(np.sqrt(np.diag(covariance)[:2]))
    scatter = np.std(modes, axis=0)[:2]
    assert_allclose(np.mean(claimed, axis=0), scatter, rtol=0.3)
    assert np.mean(composite, axis=0)[0] > least * scatter[0]
