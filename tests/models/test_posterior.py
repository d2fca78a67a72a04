"""One layer's posterior as a function: gradients, mode, and what it does at the ends of the range."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.adjustment import IDENTITY, Adjustment
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.surrogate import sample_surrogate

POINTS = [(1.0, 0.5, 0.2), (4.0, 0.1, -0.3), (-2.5, 1.4, 0.5), (9.0, 0.6, 0.0)]


@pytest.fixture(scope="module")
def data():
    return layer_data(sample_ensemble(60, 3.0, 0.3, 0.2, 0.5, random_state=1), gamma=0.3)


@pytest.fixture(scope="module")
def posterior(data):
    return LayerPosterior(data)


ADJUSTMENT = Adjustment(
    np.array([1.2, 0.4, -0.2]),
    np.array([1.1, 0.45, -0.25]),
    np.array([[1.4, -0.3, 0.1], [0.05, 1.2, -0.2], [0.0, 0.1, 1.5]]),
    np.array([0.15, -0.1]),
)


@pytest.mark.parametrize("adjustment", [IDENTITY, ADJUSTMENT], ids=["as it is", "adjusted"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_gradients_agree_with_differences(data, adjustment, point, gamma):
    posterior, point = LayerPosterior({**data, "gamma": gamma}, adjustment), np.array(point)
    gradient, step = posterior.log_density(point)[1], 1e-4
    for number, unit in enumerate(step * np.eye(3)):
        values = [posterior.log_density(point + k * unit)[0] for k in (-2, -1, 1, 2)]
        difference = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
        assert_allclose(gradient[number], difference, rtol=1e-6, atol=1e-6)


def test_the_parts_add_up(posterior, data):
    point = np.array(POINTS[0])
    prior = LayerPosterior({**data, "weights": 0 * data["weights"]}).log_density(point)[0]
    expected = prior + data["weights"] @ posterior.node_log_density(point)
    assert_allclose(posterior.log_density(point)[0], expected, rtol=1e-10)


def test_the_mode_is_a_mode(posterior):
    value, gradient = posterior.log_density(posterior.mode)
    assert_allclose(gradient, 0, atol=0.05)
    spread = np.linalg.cholesky(posterior.covariance)
    for step in np.random.default_rng(1).normal(size=(20, 3)):
        assert posterior.log_density(posterior.inside(posterior.mode + spread @ step))[0] < value + 1e-6


def test_a_mode_at_the_end_of_the_range():
    """Noise has correlation 0."""
    noise = sample_ensemble(300, 100.0, 0.5, 0.1, 0.0, random_state=1)
    posterior = LayerPosterior(layer_data(noise, gamma=0.5))
    assert posterior.mode[1] == pytest.approx(0, abs=1e-3)
    assert np.all(np.linalg.eigvalsh(posterior.covariance) > 0)


def test_posterior_moves_along_with_the_scale(posterior, data):
    eigenvalues = sample_ensemble(60, 3.0, 0.3, 0.2, 0.5, random_state=1)
    scaled = LayerPosterior(layer_data(1e6 * eigenvalues, gamma=0.3))
    point, shift = np.array(POINTS[0]), len(eigenvalues) * np.log(1e6)
    assert_allclose(scaled.log_density(point)[0], posterior.log_density(point)[0] - shift, rtol=1e-9)


@pytest.fixture(scope="module")
def curved():
    """A spectrum of which kappa is not known, so that correlation and scale follow it along a curved ridge."""
    eigenvalues = sample_ensemble(200, 20.0, 0.1, 1.0, 0.7, "log-normal", random_state=13)
    return LayerPosterior(layer_data(eigenvalues, 0.1, "log-normal"))


def test_draws_of_a_curved_posterior_are_those_of_its_marginal(curved):
    log_kappa = np.linspace(-2.0, 9.0, 56)
    heights = np.array([_log_marginal(curved, a) for a in log_kappa])
    masses = np.exp(heights - heights.max())
    masses /= masses.sum()
    found = sample_surrogate(curved, draws=1000, tune=300, chains=2, random_seed=1).points[..., 0]
    below = np.cumsum(masses) - 0.5 * masses
    share = np.mean(found.ravel()[:, None] < log_kappa, axis=0)
    assert_allclose(share, below, atol=0.05)
    assert below[log_kappa < 2.5][-1] < 0.8  # a good part of it is beyond the box of the mode's neighbourhood


def _log_marginal(posterior, log_kappa):
    """Laplace's method for the integral over correlation and location."""

    def descent(rest):
        value, gradient = posterior.log_density(np.array([log_kappa, *rest]))
        return (-value, -gradient[1:]) if np.isfinite(value) else (1e300, -gradient[1:])

    start = _on_ridge(posterior, log_kappa)
    best = minimize(descent, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, 3), (None, None)]).x
    step = 1e-3
    curvature = [(descent(best + e)[1] - descent(best - e)[1]) / (2 * step) for e in step * np.eye(2)]
    return -descent(best)[0] - 0.5 * np.linalg.slogdet(np.array(curvature))[1]


def _on_ridge(posterior, log_kappa):
    """Correlation and location on the ridge."""
    away = (log_kappa - posterior.mode[0]) * posterior.covariance[1:, 0] / posterior.covariance[0, 0]
    return np.maximum(posterior.mode[1:] + away + posterior.bend(np.array(log_kappa))[0], [0.05, -3.0])
