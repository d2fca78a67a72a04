"""The one-layer model: its prior, its scale-equivariance, and one compilation for every layer."""

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose

from htmp_bayes import laws
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models import layer_data, layer_model
from htmp_bayes.models.layer import CORRELATION_MAX, KAPPA_RANGE, log_prior, prior_draws
from htmp_bayes.models.sampling import LayerPosterior, _compiled_model, _constrained, _logit


@pytest.fixture(scope="module")
def data():
    return layer_data(sample_ensemble(60, 3.0, 0.3, 0.2, 0.5, random_state=1), gamma=0.3)


def log_posterior_by_hand(eigenvalues, gamma, population, kappa, correlation, location, temperature):
    law = laws.HTMP(kappa, gamma, temperature, correlation, population)
    transforms = np.log((kappa - KAPPA_RANGE[0]) * (KAPPA_RANGE[1] - kappa) / np.diff(KAPPA_RANGE)[0])
    transforms += np.log(correlation * (CORRELATION_MAX - correlation) / CORRELATION_MAX)
    prior = (
        log_prior("kappa", kappa) + log_prior("correlation", correlation) + log_prior("location", location)
    )
    return law.logpdf(eigenvalues).sum() + prior + transforms


@pytest.mark.parametrize("population", ["inverse-gamma", "log-normal"])
@pytest.mark.parametrize(("size", "gamma"), [(30, 0.3), (90, 1.0)])
def test_one_compilation_serves_every_layer(population, size, gamma):
    """Layers of other N, gamma and population, against the density summed by hand."""
    eigenvalues = sample_ensemble(size, 3.0, gamma, 0.2, 0.5, random_state=size)
    layer = layer_data(eigenvalues, gamma, population)
    posterior = LayerPosterior(layer)
    kappa, correlation, location = 4.0, 0.6, 0.1
    point = np.array([_logit(kappa, *KAPPA_RANGE), _logit(correlation, 0.0, CORRELATION_MAX), location])
    temperature = np.exp(layer["log_mean"] + layer["log_sd"] * location - expected_log(kappa, gamma))
    by_hand = log_posterior_by_hand(eigenvalues, gamma, population, kappa, correlation, location, temperature)
    assert_allclose(posterior.log_density(point)[0], by_hand, rtol=0, atol=1e-3)
    assert _compiled_model.cache_info().misses == 1


def expected_log(kappa, gamma):
    from scipy.integrate import quad
    from scipy.special import digamma

    low, high = kappa / 2 * (1 / gamma - 1), kappa / (2 * gamma)
    return quad(lambda shape: digamma(shape + 0.25), low, high)[0] / (high - low)


def test_gradient_agrees_with_differences(data):
    posterior = LayerPosterior(data)
    point = np.array([-7.5, -1.3, 0.2])
    gradient = posterior.log_density(point)[1]
    for number, unit in enumerate(1e-5 * np.eye(3)):
        rise = posterior.log_density(point + unit)[0] - posterior.log_density(point - unit)[0]
        assert_allclose(gradient[number], rise / 2e-5, rtol=1e-5)


def test_the_mode_is_a_mode(data):
    posterior = LayerPosterior(data)
    value, gradient = posterior.log_density(posterior.mode)
    assert_allclose(gradient, 0, atol=0.05)
    rng = np.random.default_rng(1)
    for _ in range(20):
        elsewhere = posterior.mode + posterior.spread * rng.normal(size=3)
        assert posterior.log_density(elsewhere)[0] < value + 1e-6


def test_starts_are_scattered_and_reproducible(data):
    posterior = LayerPosterior(data)
    starts = np.array([posterior.initial_point(seed) for seed in range(8)])
    assert np.all(starts.std(axis=0) > 0.3 * posterior.spread)
    assert_allclose(posterior.initial_point(5), starts[5], rtol=0)
    inside = _constrained(starts[0])
    assert KAPPA_RANGE[0] < inside["kappa"] < KAPPA_RANGE[1]


def test_posterior_moves_along_with_the_scale(data):
    eigenvalues = sample_ensemble(60, 3.0, 0.3, 0.2, 0.5, random_state=1)
    scaled = LayerPosterior(layer_data(1e6 * eigenvalues, gamma=0.3))
    point = np.array([-7.5, -1.3, 0.2])
    shift = len(eigenvalues) * np.log(1e6)
    assert_allclose(
        scaled.log_density(point)[0], LayerPosterior(data).log_density(point)[0] - shift, rtol=1e-9
    )


def test_prior_draws_are_those_of_the_model(data):
    ours = prior_draws(data, 4000, np.random.default_rng(1))
    model = layer_model(data)
    names = ["kappa", "correlation", "temperature"]
    theirs = dict(zip(names, pm.draw([model[name] for name in names], 4000, random_seed=1), strict=True))
    for name in names:
        quantiles = [np.quantile(np.log(draws[name]), [0.1, 0.5, 0.9]) for draws in (ours, theirs)]
        # standard error of these quantiles: about 1.2 sd / sqrt(4000) each
        assert_allclose(*quantiles, atol=4 * 1.2 * np.log(ours[name]).std() * np.sqrt(2 / 4000))
    assert ours["kappa"].min() > KAPPA_RANGE[0]
    assert ours["correlation"].max() < CORRELATION_MAX


def test_log_prior_is_the_models(data):
    model = layer_model(data)
    kappa, correlation, location = model["kappa"], model["correlation"], model["location"]
    values = {"kappa": 7.0, "correlation": 1.2, "location": -0.4}
    for name, variable in {"kappa": kappa, "correlation": correlation, "location": location}.items():
        expected = pm.logp(variable, values[name]).eval()
        assert_allclose(log_prior(name, values[name]), expected, atol=1e-9)


def test_unknown_population_is_refused():
    with pytest.raises(ValueError, match="population must be one of"):
        layer_data([1.0, 2.0], 0.5, "cauchy")
