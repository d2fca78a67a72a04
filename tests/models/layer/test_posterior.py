"""The posterior of one layer: coordinates, gradient, mode, and the samplers that agree on it."""

import numpy as np
import pytest
from scipy.optimize import minimize

from htmp_bayes import sample_ensemble
from htmp_bayes.models import layer_model
from htmp_bayes.models.layer import prior
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.posterior import LayerPosterior


def posterior_of(size=64, kappa=64.0, gamma=0.5, rho=0.5, population="log-normal", seed=1):
    law = "log-normal" if population == "none" else population
    eigenvalues = sample_ensemble(size, kappa, gamma, 2.0, rho, law, random_state=seed)
    return LayerPosterior(layer_data(eigenvalues, gamma, population))


@pytest.mark.parametrize(
    ("kappa", "population"), [(5.0, "inverse-gamma"), (64.0, "log-normal"), (64.0, "none")]
)
def test_the_gradient_is_that_of_the_log_density(kappa, population):
    posterior = posterior_of(kappa=kappa, population=population, rho=0.0 if population == "none" else 0.5)
    point = posterior.mode + 0.1
    value, gradient = posterior.with_gradient(point)
    assert value == pytest.approx(posterior.log_density(point))
    for i, slope in enumerate(gradient):
        step = 1e-3 * np.eye(len(point))[i]
        difference = posterior.log_density(point + step) - posterior.log_density(point - step)
        assert slope == pytest.approx(difference / 2e-3, rel=2e-3, abs=2e-2)


def test_the_likelihood_is_even_in_the_correlation():
    posterior = posterior_of(rho=0.1)
    there = posterior.mode * [1, -1, 1]
    assert posterior.log_density(there) == pytest.approx(posterior.log_density(posterior.mode))
    assert posterior.mode[1] >= 0


@pytest.mark.parametrize("kappa", [3.0, 64.0])
def test_nothing_near_the_mode_is_higher(kappa):
    posterior = posterior_of(kappa=kappa)
    found = minimize(
        lambda point: -posterior.log_density(point), posterior.mode, method="Nelder-Mead",
        options={"maxfev": 150},
    )  # fmt: skip
    assert posterior.highest > -found.fun - 0.02


def test_the_model_has_the_posterior_s_log_density():
    posterior = posterior_of()
    model = layer_model(posterior.data)
    log_density = model.compile_logp()
    values = []
    for point in (posterior.mode, posterior.mode + np.array([0.4, 0.05, 0.02])):
        at = {name: float(value) for name, value in posterior.parameters(point).items()}
        low, high = prior.kappa_range(posterior.data.size)
        transformed = {
            "kappa_interval__": np.log(at["kappa"] - low) - np.log(high - at["kappa"]),
            "correlation_interval__": np.log(at["correlation"]) - np.log(3 - at["correlation"]),
            "location": at["location"],
        }
        # the transform's own Jacobian, and that of log kappa
        jacobian = np.log((at["kappa"] - low) * (high - at["kappa"]) / (high - low))
        jacobian += np.log(at["correlation"] * (3 - at["correlation"]) / 3) - np.log(at["kappa"])
        values.append(float(log_density(transformed)) - jacobian - posterior.log_density(point))
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_the_prior_of_kappa_covers_one_and_n():
    law = prior.log_kappa_prior(384)
    assert law.cdf(np.log(0.5)) == pytest.approx(0.025, abs=0.003)
    assert law.sf(np.log(4 * 384)) == pytest.approx(0.025, abs=0.003)
