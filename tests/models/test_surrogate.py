"""The polynomial that stands for a log-posterior: its box, its error, and what happens where there is none."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.optimize import minimize

from htmp_bayes.models import surrogate
from htmp_bayes.models.surrogate import SurrogateError, build_surrogate, find_box, sample_surrogate


class Bent:
    """A skewed, correlated log-density with known moments: independent log-Gammas of shape 4, rotated."""

    bounds = np.array([(-np.inf, np.inf)] * 3)
    axes = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, -0.2], [0.0, 0.0, 0.5]])

    def __init__(self):
        self.mode = self.axes @ np.full(3, np.log(4.0))
        self.covariance = self.axes @ self.axes.T / 4

    def log_density(self, point):
        t = np.linalg.solve(self.axes, point)
        gradient = np.linalg.solve(self.axes.T, 4 - np.exp(t))
        return float(np.sum(4 * t - np.exp(t))), gradient

    def log_densities(self, points):
        return np.array([self.log_density(point)[0] for point in points])

    def rough_log_densities(self, points):
        return self.log_densities(points)

    def bend(self, first):
        return np.zeros((*first.shape, 2)), np.zeros((*first.shape, 2))


class Cut(Bent):
    """The same, with a second coordinate that ends at 0.9, below its mode."""

    bounds = np.array([(-np.inf, np.inf), (-np.inf, 0.9), (-np.inf, np.inf)])

    def __init__(self):
        super().__init__()
        inverse = np.linalg.inv(self.axes)
        found = minimize(
            lambda free: -self.log_density([free[0], 0.9, free[1]])[0], [1.0, 0.5], method="BFGS"
        )
        self.mode = np.array([found.x[0], 0.9, found.x[1]])
        self.covariance = np.linalg.inv(inverse.T @ np.diag(np.exp(inverse @ self.mode)) @ inverse)


class Step(Bent):
    """A log-density with a jump, which no polynomial reproduces."""

    def log_density(self, point):
        value, gradient = super().log_density(point)
        return value - 6.0 * (point[0] > self.mode[0] + 0.1), gradient


def test_box_ends_where_the_density_has_fallen():
    posterior = Bent()
    box = find_box(posterior)
    top = posterior.log_density(posterior.mode)[0]
    start = box.coordinates(posterior.mode)
    for i in range(3):
        for end in (-1.0, 1.0):
            face = start.copy()
            face[i] = end
            fall = top - posterior.log_density(box.points(face))[0]
            assert 0.9 * surrogate.DROP < fall < 1.6 * surrogate.DROP


def test_box_ends_at_the_bounds():
    posterior = Cut()
    corners = find_box(posterior).points(np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T)
    assert corners[:, 1].max() == pytest.approx(0.9)
    assert np.unique(corners[:, 1].round(9)).size == 2


def test_error_is_measured_and_true():
    posterior = Bent()
    polynomial = build_surrogate(posterior, find_box(posterior))
    assert polynomial.error <= surrogate.TOLERANCE
    rng = np.random.default_rng(1)
    points = np.log(rng.gamma(4.0, size=(400, 3))) @ posterior.axes.T
    exact = np.array([posterior.log_density(point)[0] for point in points])
    difference = polynomial.value(polynomial.box.coordinates(points)) - exact
    assert difference.std() < 2 * surrogate.TOLERANCE


def test_hopeless_points_are_not_evaluated(monkeypatch):
    """A rough value, 20 % off, is enough for a polynomial that is as good where it matters."""
    monkeypatch.setattr(surrogate, "_HOPELESS", 40.0)

    asked = []

    class Rough(Bent):
        def log_density(self, point):
            asked.append(super().log_density(point)[0])
            return super().log_density(point)

        def rough_log_densities(self, points):
            top = Bent.log_density(self, self.mode)[0]
            return top + 1.2 * (np.array([Bent.log_density(self, point)[0] for point in points]) - top)

    posterior = Rough()
    box = find_box(posterior)
    asked.clear()
    polynomial = build_surrogate(posterior, box)
    top = Bent().log_density(posterior.mode)[0]
    assert min(asked) > top - 40
    corners = box.points(np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T)
    assert min(Bent().log_densities(corners)) < top - 60
    assert polynomial.error <= surrogate.TOLERANCE


def test_draws_have_the_moments_of_what_they_stand_for():
    posterior = Bent()
    found = sample_surrogate(posterior, draws=500, tune=300, chains=2, random_seed=1)
    assert found.points.shape == (2, 500, 3)
    assert int(found.tree["sample_stats"]["diverging"].sum()) == 0
    assert 0.95 < found.attributes["surrogate_acceptance"] <= 1
    marginal = np.linalg.solve(posterior.axes, found.points.reshape(-1, 3).T)
    exact = stats.loggamma(4.0)
    assert np.abs(marginal.mean(axis=1) - exact.mean()).max() < 5 * exact.std() / np.sqrt(400)
    assert np.abs(marginal.std(axis=1) / exact.std() - 1).max() < 0.15


def test_draws_stay_within_the_bounds():
    posterior = Cut()
    found = sample_surrogate(posterior, draws=500, tune=300, chains=2, random_seed=1)
    second = found.points[..., 1]
    assert second.max() <= 0.9
    kept = np.log(np.random.default_rng(2).gamma(4.0, size=(200_000, 3))) @ posterior.axes.T
    kept = kept[kept[:, 1] < 0.9]
    assert np.mean(second) == pytest.approx(kept[:, 1].mean(), abs=5 * kept[:, 1].std() / np.sqrt(300))


def test_what_a_poor_polynomial_gets_wrong_is_taken_out(monkeypatch):
    """The draws are those of the skewed posterior all the same."""
    monkeypatch.setattr(surrogate, "DEGREES", (6,))
    posterior = Bent()
    found = sample_surrogate(posterior, draws=2000, tune=300, chains=2, random_seed=1)
    assert found.attributes["surrogate_acceptance"] < 0.97
    assert found.points.shape == (2, 2000, 3)
    statistics = found.tree["sample_stats"]
    assert statistics.sizes["draw"] == 2000
    assert statistics["draw"].values[-1] == 1999
    marginal = np.linalg.solve(posterior.axes, found.points.reshape(-1, 3).T)
    exact = stats.loggamma(4.0)
    for column in marginal:
        assert np.quantile(column, [0.05, 0.5, 0.95]) == pytest.approx(
            exact.ppf([0.05, 0.5, 0.95]), abs=5 * exact.std() / np.sqrt(800)
        )


def test_a_jump_is_refused():
    posterior = Step()
    with pytest.raises(SurrogateError, match="not smooth enough"):
        build_surrogate(posterior, find_box(posterior))


@pytest.mark.parametrize("steepness", [1.0, 0.85])
def test_integral_is_the_posteriors_even_where_the_polynomial_is_too_high(steepness):
    posterior = Bent()
    polynomial = build_surrogate(posterior, find_box(posterior))
    polynomial = dataclasses.replace(polynomial, coefficients=steepness * polynomial.coefficients)
    exact = 3 * np.log(6.0) + np.linalg.slogdet(posterior.axes)[1]  # the Gamma function of 4 is 6
    assert surrogate.log_integral(posterior, polynomial) == pytest.approx(exact, abs=0.03)


def test_faces_where_the_polynomial_overshoots_are_looked_up():
    posterior = Bent()
    polynomial = build_surrogate(posterior, find_box(posterior))
    overshooting = dataclasses.replace(polynomial, coefficients=0.01 * polynomial.coefficients)
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    assert overshooting.top - overshooting.value(corners).min() < surrogate._LOW
    assert surrogate._true_falls_on_faces(posterior, overshooting).min() > 2 * surrogate._LOW


def test_faces_of_a_box_that_is_too_small_are_high():
    posterior = Bent()
    small = build_surrogate(posterior, find_box(posterior, growth=np.full((2, 3), 0.3)))
    assert surrogate._true_falls_on_faces(posterior, small).max() < surrogate._LOW


def test_chains_that_hardly_move_mix_slowly():
    steps = np.random.default_rng(1).normal(size=(4, 500, 3))
    assert not surrogate._mixes_slowly(steps)
    walks = steps.copy()
    for i in range(1, walks.shape[1]):
        walks[:, i] += 0.97 * walks[:, i - 1]
    assert surrogate._mixes_slowly(walks)


def test_a_kept_draw_diverges_if_one_left_out_did():
    diverging = np.array(
        [[False, True, False, False, False, False], [False, False, False, False, False, True]]
    )
    values = xr.Dataset({"diverging": (("chain", "draw"), diverging)}, {"draw": np.arange(6)})
    tree = xr.DataTree.from_dict({"posterior": values, "sample_stats": values})
    kept = surrogate._thinned_tree(tree)
    assert kept["sample_stats/diverging"].values.tolist() == [[True, False], [False, True]]
    np.testing.assert_array_equal(kept["posterior/diverging"], diverging[:, [2, 5]])
