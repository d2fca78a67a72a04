"""The polynomials that stand for a posterior: how far they are off, and that the same seed gives the same draws."""

import numpy as np
import pytest

from htmp_bayes.models.layer import stand_in
from htmp_bayes.models.layer.sampling import Sampling, sample_layer
from tests.models.layer.test_posterior import posterior_of


@pytest.mark.parametrize(
    ("size", "kappa", "rho", "population"),
    [
        (96, 96.0, 0.5, "log-normal"),
        (96, 4.0, 0.5, "inverse-gamma"),
        (96, 30.0, 0.05, "log-normal"),
        (48, 48.0, 0.0, "none"),
    ],
)
def test_they_are_close_over_the_posterior(size, kappa, rho, population):
    posterior = posterior_of(size, kappa, 0.25, rho, population)
    found = stand_in.build_stand_in(posterior)
    assert found.error < stand_in.LARGEST_ERROR
    spread = np.linalg.cholesky(posterior.covariance)
    points = posterior.mode + np.random.default_rng(9).standard_normal((30, len(posterior.mode))) @ spread.T
    exact = np.array([posterior.log_density(point) for point in points])
    known = found.log_density(found.box.coordinates(points))
    inside = np.isfinite(exact) & (exact > posterior.highest - 6)
    assert np.std((known - exact)[inside]) < 0.15


def test_the_same_seed_gives_the_same_bits_on_any_number_of_cores():
    posterior = posterior_of(48, 48.0)
    draws = [sample_layer(posterior, Sampling(50, 100, 2, 7, cores=cores)).parameters for cores in (1, 2)]
    np.testing.assert_array_equal(draws[0]["kappa"], draws[1]["kappa"])
    other = sample_layer(posterior, Sampling(50, 100, 2, 8)).parameters
    assert not np.array_equal(draws[0]["kappa"], other["kappa"])


def test_a_posterior_that_no_polynomial_follows_is_said_to_be_one(monkeypatch):
    posterior = posterior_of(48, 48.0)
    original = posterior.whitened
    rng = np.random.default_rng(1)

    def rough(point):
        found = original(point)
        return found._replace(constant=found.constant + rng.normal())

    posterior.mode, posterior.covariance  # noqa: B018  # found before it turns rough
    monkeypatch.setattr(posterior, "whitened", rough)
    with pytest.raises(stand_in.StandInError):
        stand_in.build_stand_in(posterior)
