"""The polynomials that stand for the law at a posterior's draws, beside the law itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from htmp_bayes import laws
from htmp_bayes.laws import sample_ensemble
from htmp_bayes.models import law_polynomial
from htmp_bayes.models.adjustment import Adjustment
from htmp_bayes.models.law_polynomial import ENOUGH, TOLERANCE, NodeDensities
from htmp_bayes.models.layer import POPULATIONS, expected_log, layer_data
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.uncorrelated import UncorrelatedPosterior

# kappa, gamma, correlation, and standard deviations of log kappa, correlation and expected log-eigenvalue
CLOUDS = [
    (5.0, 0.25, 0.5, (0.2, 0.04, 0.04)),
    (76.0, 1.0, 0.65, (0.8, 0.05, 0.08)),
    (1.0, 0.5, 1.5, (0.4, 0.1, 0.1)),
    (30.0, 0.5, 0.05, (0.3, 0.03, 0.03)),
]


def _cloud(kappa, gamma, correlation, spreads, population="inverse-gamma", size=ENOUGH):
    eigenvalues = sample_ensemble(200, kappa, gamma, 2.0, correlation, population, random_state=1)
    data = layer_data(eigenvalues, gamma, population)
    centre = [np.log(kappa), correlation, expected_log(kappa, gamma) + np.log(2.0)]
    points = np.random.default_rng(1).normal(centre, spreads, size=(size, 3))
    return data, np.abs(points * [1, 1, 0]) + points * [0, 0, 1]


def log_density_at_nodes(data, points):
    return NodeDensities(data).at(points)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("cloud", CLOUDS, ids=str)
def test_it_is_the_law(cloud, population):
    data, points = _cloud(*cloud, population)
    found = log_density_at_nodes(data, points)
    for point, row in list(zip(points, found, strict=True))[::50]:
        kappa, temperature = np.exp(point[0]), np.exp(point[2] - expected_log(np.exp(point[0]), cloud[1]))
        law = laws.HTMP(kappa, cloud[1], temperature, point[1], population)
        assert_allclose(row, law.logpdf(np.exp(data["log_nodes"])), atol=TOLERANCE)


@pytest.fixture
def evaluated(monkeypatch):
    """Parameter points at which the law itself was evaluated."""
    points = []

    def counting(data, log_eigenvalues, expected, pool, of=law_polynomial._at_all):
        points.extend(expected)
        return of(data, log_eigenvalues, expected, pool)

    monkeypatch.setattr(law_polynomial, "_at_all", counting)
    return points


def test_few_evaluations_serve_many_points(evaluated):
    data, points = _cloud(*CLOUDS[0], size=4000)
    log_density_at_nodes(data, points)
    assert len(evaluated) < 250


def test_one_polynomial_serves_a_later_set(evaluated):
    data, points = _cloud(*CLOUDS[0], size=2 * ENOUGH)
    first, later = points[:ENOUGH], points[ENOUGH:]
    densities = NodeDensities(data)
    densities.at(first, later=later)
    evaluated.clear()
    found = densities.at(later)
    assert not evaluated
    assert_allclose(found, log_density_at_nodes(data, later), atol=2 * TOLERANCE)


def test_another_set_has_a_polynomial_of_its_own(evaluated):
    data, points = _cloud(*CLOUDS[0])
    others = points + np.array([2.0, 0.0, 0.0])
    densities = NodeDensities(data)
    densities.at(points)
    evaluated.clear()
    found = densities.at(others)
    assert len(evaluated) > 60
    assert_allclose(found[::50], log_density_at_nodes(data, others[::50]), atol=TOLERANCE)


def test_points_far_out_are_evaluated_each(evaluated):
    """Three of them would stretch the box to where the law has edges too sharp for a polynomial."""
    data, points = _cloud(20.0, 0.5, 0.5, (0.2, 0.03, 0.03), size=2000)
    points[:3, :2] = np.log(9000.0), 0.01
    found = log_density_at_nodes(data, points)
    outliers = [point for point in evaluated if point[0] == np.log(9000.0)]
    assert len(outliers) >= 3
    assert len(evaluated) < 500
    assert_allclose(found[:3], log_density_at_nodes(data, points[:3]), atol=0)
    assert_allclose(found[3::200], log_density_at_nodes(data, points[3::200]), atol=TOLERANCE)


@pytest.mark.parametrize(
    "cloud",
    [(60.0, 0.5, 0.0, (1.5, 0.0, 0.3)), (2.0, 0.25, 0.5, (3.0, 0.5, 0.1))],
    ids=["sharp edges", "a wide posterior"],
)
def test_where_no_polynomial_is_good_enough_each_point_is_evaluated(cloud, evaluated):
    data, points = _cloud(*cloud)
    points[:, 0] = np.clip(points[:, 0], np.log(0.05), np.log(1e4))
    found = log_density_at_nodes(data, points)
    assert_array_equal(np.array(evaluated)[-ENOUGH:], points)
    alone = log_density_at_nodes(data, points[::100])
    assert_array_equal(found[::100], alone)


def test_a_wide_posterior_is_served_in_pieces(evaluated):
    """One polynomial over the whole box is not good enough; those of its halves are, where there are many points."""
    data, points = _cloud(4.0, 0.25, 0.6, (1.0, 0.2, 0.1), size=8000)
    densities = NodeDensities(data, 1e-5)
    found = densities.at(points)
    assert len(densities._pieces) > 1
    assert len(evaluated) < 4000
    assert_allclose(found[::100], NodeDensities(data).at(points[::100]), atol=2e-5)


@pytest.mark.parametrize("kind", [LayerPosterior, UncorrelatedPosterior])
def test_many_log_densities_are_those_of_single_points(kind):
    data, points = _cloud(*CLOUDS[0])
    posterior = kind(data)
    points[:, 2] = (points[:, 2] - data["log_mean"]) / data["log_sd"]
    single = [posterior.log_density(point)[0] for point in points[:20]]
    assert_allclose(posterior.log_densities(points)[:20], single, atol=1e-3)
    assert_allclose(posterior.log_densities(points[:20]), single, rtol=1e-12)


def test_many_log_densities_are_adjusted_and_have_the_prior():
    data, points = _cloud(*CLOUDS[0])
    points[:, 2] = (points[:, 2] - data["log_mean"]) / data["log_sd"]
    centre = np.array([np.log(5.0), 0.5, data["log_mean"]])
    stretch = np.array([[1.2, 0.0, 0.0], [0.1, 1.1, 0.0], [0.2, 0.0, 0.9]])
    adjustment = Adjustment(centre, centre + 0.05, stretch, np.array([0.1, -0.2]))
    for with_prior in (True, False):
        posterior = LayerPosterior(data, adjustment, with_prior)
        single = [posterior.log_density(point)[0] for point in points[::60]]
        assert_allclose(posterior.log_densities(points)[::60], single, atol=1e-3)
