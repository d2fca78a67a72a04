"""The one-layer model: its prior, its scale-equivariance, and one compilation for every layer."""

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose

from htmp_bayes import laws
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models import layer_data, layer_model
from htmp_bayes.models.adjustment import Adjustment
from htmp_bayes.models.layer import CORRELATION_MAX, KAPPA_RANGE, log_prior, prior_draws
from htmp_bayes.models.posterior import LayerPosterior


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
def test_model_and_posterior_against_the_density_summed_by_hand(population, size, gamma):
    """Layers of other N, gamma and population, with one compilation for nutpie."""
    eigenvalues = sample_ensemble(size, 3.0, gamma, 0.2, 0.5, random_state=size)
    layer = layer_data(eigenvalues, gamma, population)
    kappa, correlation, location = 4.0, 0.6, 0.1
    temperature = np.exp(layer["log_mean"] + layer["log_sd"] * location - regularised_log(kappa, gamma))
    law = laws.HTMP(kappa, gamma, temperature, correlation, population)
    values = {"kappa": kappa, "correlation": correlation, "location": location}
    by_hand = law.logpdf(eigenvalues).sum() + sum(log_prior(name, value) for name, value in values.items())
    posterior = LayerPosterior(layer).log_density(np.array([np.log(kappa), correlation, location]))[0]
    assert_allclose(posterior - np.log(kappa), by_hand, rtol=0, atol=1e-3)
    model = layer_model(layer)
    assert_allclose(model_log_density(model, values), by_hand, rtol=0, atol=1e-3)


def test_the_adjusted_model_is_the_adjusted_posterior(data):
    adjustment = Adjustment(
        np.array([1.2, 0.4, -0.2]), np.array([1.1, 0.5, -0.3]), np.eye(3) + 0.3, np.array([0.1, -0.2])
    )
    posterior, model = LayerPosterior(data, adjustment), layer_model(data, adjustment)
    for kappa, correlation, location in ((4.0, 0.6, 0.1), (5000.0, 0.02, -0.4), (0.06, 1.8, 0.3)):
        by_hand = posterior.log_density(np.array([np.log(kappa), correlation, location]))[0] - np.log(kappa)
        values = {"kappa": kappa, "correlation": correlation, "location": location}
        assert_allclose(model_log_density(model, values), by_hand, rtol=1e-9)


def model_log_density(model, values):
    """Log-density of a PyMC model by its parameters themselves; the bounded ones have interval transforms."""
    point = {"location": values["location"]}
    for name, (low, high) in {"kappa": KAPPA_RANGE, "correlation": (0.0, CORRELATION_MAX)}.items():
        point[f"{name}_interval__"] = np.log(values[name] - low) - np.log(high - values[name])
    return float(model.compile_logp(jacobian=False)(point))


def regularised_log(kappa, gamma):
    from scipy.integrate import quad
    from scipy.special import digamma

    low, high = kappa / 2 * (1 / gamma - 1), kappa / (2 * gamma)
    return quad(lambda shape: digamma(shape + 0.25), low, high)[0] / (high - low)


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
