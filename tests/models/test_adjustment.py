"""The correction of the composite likelihood: its map, and that it says how widely estimates scatter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from htmp_bayes import Spectrum
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.adjustment import (
    IDENTITY,
    Adjustment,
    bend,
    curvature_and_stretch,
    estimate_adjustment,
    simulated_scores,
    softly_between,
)
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior

STRETCHED = Adjustment(np.array([1.0, 0.5, 0.2]), np.array([0.9, 0.6, 0.1]), np.diag([2.0, 1.5, 1.2]))
BENT = STRETCHED._replace(stretch=STRETCHED.stretch + 0.1, ridge=np.array([0.2, -0.3]))


def test_the_origin_is_evaluated_at_the_centre():
    point, slopes = STRETCHED.at(STRETCHED.origin)
    assert_allclose(point, STRETCHED.centre, rtol=1e-15)
    assert_allclose(slopes, STRETCHED.stretch, rtol=1e-15)
    at_centre = BENT._replace(origin=BENT.centre)
    point, slopes = at_centre.at(BENT.centre)
    assert_allclose(point, BENT.centre, rtol=1e-15)
    assert_allclose(slopes, BENT.stretch, rtol=1e-12)


def test_points_of_the_ridge_stay_on_it():
    """However far the stretch along the ridge takes them; away from it, distances grow by its own factor."""
    bent = Adjustment(BENT.centre, BENT.centre, np.diag([1.5, 1.2, 1.3]), np.zeros(2))
    bent = bent._replace(ridge=np.array([0.2, -0.3]), stretch=_along_ridge(bent.stretch, [0.2, -0.3]))
    log_kappa = np.array([-0.5, 1.0, 2.0, 4.0])
    for a, (correlation, expected) in zip(log_kappa, _ridge(bent, log_kappa), strict=True):
        moved = bent.at(np.array([a, correlation + 0.01, expected - 0.02]))[0]
        ((on_ridge, at_height),) = _ridge(bent, moved[:1])
        assert_allclose(moved, [1.0 + 1.5 * (a - 1.0), on_ridge + 0.012, at_height - 0.026], atol=1e-12)


def _along_ridge(stretch, slopes):
    shear = np.eye(3)
    shear[1:, 0] = slopes
    return shear @ stretch @ np.linalg.inv(shear)


def _ridge(adjustment, log_kappa):
    """Correlation and expected log-eigenvalue on the ridge."""
    away = (log_kappa - adjustment.centre[0])[:, None] * adjustment.ridge
    bends = np.stack(bend(log_kappa, adjustment.centre, adjustment.ridge), axis=1)
    return adjustment.centre[1:] + away + bends


def test_the_ridge_is_that_of_the_likelihood():
    """The best correlation and scale for each kappa, of which this spectrum says little."""
    eigenvalues = sample_ensemble(200, 20.0, 0.1, 1.0, 0.7, "log-normal", random_state=13)
    data = layer_data(eigenvalues, 0.1, "log-normal")
    composite = LayerPosterior(data, with_prior=False)
    adjustment = estimate_adjustment(composite.expected(composite.mode), data, 1)
    log_kappa = composite.mode[0] + np.array([-0.2, 0.7, 1.5, 3.0])
    for a, (correlation, expected) in zip(log_kappa, _ridge(adjustment, log_kappa), strict=True):
        best = _profile(composite, a)
        assert_allclose(correlation, best[0], atol=0.05)
        assert_allclose((expected - data["log_mean"]) / data["log_sd"], best[1], atol=0.05)
    on_tangent = composite.mode[1] + adjustment.ridge[0] * 3.0
    assert abs(on_tangent - best[0]) > 0.2


def _profile(posterior, log_kappa):
    def descent(rest):
        value, gradient = posterior.log_density(np.array([log_kappa, *rest]))
        return -value, -gradient[1:]

    return minimize(descent, posterior.mode[1:], jac=True, method="L-BFGS-B", bounds=[(0, 3), (None, None)]).x


def test_identity_leaves_points_alone():
    for point in np.array([[1.0, 0.5, 0.2], [-2.5, 2.9, 100.0]]):
        assert_allclose(IDENTITY.at(point)[0], point, rtol=1e-15)


def test_the_slope_at_the_end_of_the_range_is_that_from_within():
    """A search that stands there would otherwise be told that the likelihood is flat."""
    assert_allclose(IDENTITY.at(np.array([1.0, 3.0, 0.2]))[1], np.eye(3))


@pytest.mark.parametrize("adjustment", [STRETCHED, BENT], ids=["straight", "bent"])
@pytest.mark.parametrize("point", [(-6.0, 0.2, 0.0), (9.0, 0.6, 0.0), (4.0, 2.5, 0.0), (60.0, -4.0, 3.0)])
def test_what_leaves_the_range_comes_back_smoothly(point, adjustment):
    point, step = np.array(point), 1e-6
    evaluated, slopes = adjustment.at(point)
    assert np.log(1e-3) <= evaluated[0] <= np.log(1e4)
    assert 0 <= evaluated[1] <= 3
    for i, unit in enumerate(step * np.eye(3)):
        difference = (adjustment.at(point + unit)[0] - adjustment.at(point - unit)[0]) / (2 * step)
        assert_allclose(slopes[:, i], difference, atol=1e-6)


@pytest.mark.parametrize("adjustment", [STRETCHED, BENT, IDENTITY], ids=["straight", "bent", "none"])
def test_many_points_are_moved_as_each_of_them(adjustment):
    points = np.random.default_rng(1).normal([2.0, 0.3, 0.0], [3.0, 2.0, 5.0], size=(40, 3))
    assert_allclose(
        adjustment.evaluated_at(points), [adjustment.at(point)[0] for point in points], rtol=1e-13
    )


def test_log_kappa_is_kept_within_the_range():
    values = softly_between(np.linspace(-50, 50, 2001))
    assert np.all(np.diff(values) >= 0)
    assert_allclose(softly_between(np.array([-4.0, 0.0, 6.0])), [-4.0, 0.0, 6.0], atol=0)


def test_same_seed_same_adjustment():
    data = layer_data(sample_ensemble(40, 3.0, 0.5, 0.1, 0.5, random_state=1), 0.5)
    first, second = (adjusted_posterior(data, 3).adjustment for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_large_square_matrices_are_adjusted_by_their_own_size():
    """Of matrices of 96 the stretch of log kappa is a quarter less; that of 100 of 384 is known to 7 %."""
    kappa, correlation = 60.0, 0.5
    data = layer_data(sample_ensemble(384, kappa, 1.0, 1.0, correlation, random_state=1), 1.0)
    expected = LayerPosterior(data).expected(np.array([np.log(kappa), correlation, 0.0]))
    found = estimate_adjustment(expected, data, 1).stretch[0, 0]
    scores = [
        simulated_scores(kappa, 1.0, correlation, data["population"], size, 100, 2) for size in (96, 384)
    ]
    small, large = (curvature_and_stretch(of_size)[1][0, 0] for of_size in scores)
    assert small < 0.9 * large
    assert_allclose(found, large, rtol=0.15)


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
