"""The polynomial of one layer's likelihood: its box, its error, and the compiled sum over layers."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from htmp_bayes import Spectrum, sample_ensemble
from htmp_bayes.models import layer_likelihood as ll
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.network_op import TABLES, network_log_likelihood, tables


@pytest.fixture(scope="module")
def likelihoods():
    """A correlated layer, whose kappa is bounded on both sides, and noise, whose kappa is not."""
    correlated = sample_ensemble(400, 2.0, 0.25, 1.0, 0.5, random_state=1)
    noise = Spectrum.from_matrix(np.random.default_rng(2).normal(size=(64, 192))).eigenvalues
    return [
        ll.LayerLikelihood(layer_data(correlated, 0.25)),
        ll.LayerLikelihood(layer_data(noise, 1 / 3)),
    ]


@pytest.fixture(scope="module")
def surrogates(likelihoods):
    return [ll.build(likelihood) for likelihood in likelihoods]


def test_coordinates_have_inverses():
    kappa, correlation = np.geomspace(0.02, 1e4, 20), np.linspace(0, 3, 20)
    assert np.allclose(ll._kappa_at(ll.saturated(np.log(kappa))), kappa, rtol=1e-9)
    assert np.allclose(ll.correlation_at(ll.softened(correlation)), correlation, atol=1e-7)


def test_slope_along_the_location_is_that_of_the_value(likelihoods):
    step = 1e-5
    values, slopes = likelihoods[0].along_location(4.0, 0.4, np.array([0.1 - step, 0.1, 0.1 + step]))
    assert slopes[1] == pytest.approx((values[2] - values[0]) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_the_polynomial_is_close_where_the_likelihood_has_its_mass(likelihoods, surrogates, which):
    likelihood, surrogate = likelihoods[which], surrogates[which]
    z = np.random.default_rng(5).uniform(-1, 1, (4000, 3))
    guess = surrogate.at(z)
    near = np.flatnonzero(guess > guess.max() - 6)[:40]
    exact = [likelihood.value(*point) for point in surrogate.box.points(z[near])]
    assert surrogate.error < 0.1
    assert np.abs(exact - guess[near]).max() < 0.15


def test_the_box_holds_all_that_is_not_far_below_the_maximum(likelihoods, surrogates):
    likelihood, box = likelihoods[0], surrogates[0].box
    top = max(found.top for found in ll._explore(likelihood).values())
    low, high = box.centre - box.half, box.centre + box.half
    for kappa in (ll._kappa_at(low[0]), ll._kappa_at(high[0])):
        for correlation in ll.correlation_at(np.linspace(low[1], high[1], 7)):
            assert ll.reach(likelihood, float(kappa), float(correlation), 0.0, 0.3).top < top - 0.8 * ll.DROP


def test_noise_reaches_to_the_largest_kappa_and_no_correlation(surrogates):
    box = surrogates[1].box
    assert box.centre[0] + box.half[0] == pytest.approx(ll.HIGHEST)
    assert box.centre[1] - box.half[1] == pytest.approx(ll.softened(0.0))
    assert surrogates[0].box.centre[0] + surrogates[0].box.half[0] < ll.saturated(np.log(100.0))


@pytest.mark.parametrize("scale", [0.9, 1.3])
def test_the_compiled_sum_has_the_polynomials_values_and_right_gradients(surrogates, scale):
    given = [tables(surrogates)[name] for name in TABLES]
    rng = np.random.default_rng(3)
    for _ in range(10):
        z = rng.uniform(-scale, scale, (2, 3))
        points = np.array([_unscaled(s.box, row) for s, row in zip(surrogates, z, strict=True)])
        values, gradient = network_log_likelihood(points, *given)
        for k in range(2):
            if np.abs(z[k]).max() < 1:
                assert values[k] == pytest.approx(surrogates[k].at(z[k : k + 1])[0], abs=1e-9)
        for i in range(3):
            step = 1e-6 * np.eye(3)[i]
            above, below = (network_log_likelihood(points + s, *given)[0] for s in (step, -step))
            assert gradient[:, i] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-3)


def _unscaled(box, z):
    inside = np.clip(z, -1, 1)
    ridge, log_width = (chebyshev.chebval2d(*inside[:2], c) for c in (box.ridge, box.log_width))
    return [*(box.centre + box.half * z[:2]), ridge + np.exp(log_width) * z[2]]
