"""The polynomial that stands for a log-posterior: its box, its error, and what happens where there is none."""

import numpy as np
import pytest
from scipy import stats

from htmp_bayes.models import surrogate
from htmp_bayes.models.surrogate import SurrogateError, build_surrogate, find_box, sample_surrogate


class Bent:
    """A skewed, correlated log-density with known moments: independent log-Gammas of shape 4, rotated."""

    axes = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, -0.2], [0.0, 0.0, 0.5]])

    def __init__(self):
        self.mode = self.axes @ np.full(3, np.log(4.0))

    def log_density(self, point):
        t = np.linalg.solve(self.axes, point)
        gradient = np.linalg.solve(self.axes.T, 4 - np.exp(t))
        return float(np.sum(4 * t - np.exp(t))), gradient


class Step(Bent):
    """A log-density with a jump, which no polynomial reproduces."""

    def log_density(self, point):
        value, gradient = super().log_density(point)
        return value - 3.0 * (point[0] > self.mode[0] + 0.1), gradient


def test_box_ends_where_the_density_has_fallen():
    posterior = Bent()
    low, high = find_box(posterior)
    top = posterior.log_density(posterior.mode)[0]
    scale = surrogate.principal_axes(posterior)
    for i in range(3):
        for end in (low[i], high[i]):
            fall = top - posterior.log_density(posterior.mode + end * scale[:, i])[0]
            assert fall > 0.9 * surrogate.DROP or abs(end) == surrogate.WIDEST


def test_error_is_measured_and_true():
    posterior = Bent()
    polynomial = build_surrogate(posterior, *find_box(posterior))
    assert polynomial.error <= surrogate.TOLERANCE
    rng = np.random.default_rng(1)
    inverse = np.linalg.inv(polynomial.axes)
    for _ in range(200):
        point = posterior.axes @ np.log(rng.gamma(4.0, size=3))
        difference = polynomial.value(inverse @ (point - polynomial.origin)) - posterior.log_density(point)[0]
        assert abs(difference) < 3 * surrogate.TOLERANCE


def test_draws_have_the_moments_of_what_they_stand_for():
    posterior = Bent()
    points, tree, error = sample_surrogate(posterior, draws=500, tune=300, chains=2, random_seed=1)
    assert points.shape == (2, 500, 3)
    assert error < surrogate.LARGEST_ERROR
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    marginal = np.linalg.solve(posterior.axes, points.reshape(-1, 3).T)
    exact = stats.loggamma(4.0)
    assert np.abs(marginal.mean(axis=1) - exact.mean()).max() < 5 * exact.std() / np.sqrt(400)
    assert np.abs(marginal.std(axis=1) / exact.std() - 1).max() < 0.15


def test_a_jump_is_refused():
    posterior = Step()
    with pytest.raises(SurrogateError, match="not smooth enough"):
        build_surrogate(posterior, -np.full(3, 4.0), np.full(3, 4.0))
