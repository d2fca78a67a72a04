"""HTMP at correlation 0: its plain function is the PyMC model's density, and it recovers what is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.layer import CORRELATION_MAX, layer_data
from htmp_bayes.models.uncorrelated import UncorrelatedPosterior, sample_uncorrelated, uncorrelated_model


@pytest.fixture(scope="module")
def data():
    return layer_data(sample_ensemble(100, 4.0, 0.25, 0.2, random_state=1), 0.25)


def test_the_correlation_has_its_prior_and_nothing_else(data):
    posterior = UncorrelatedPosterior(data)
    grid = np.linspace(0, CORRELATION_MAX, 7)
    for log_kappa, location in ((0.5, 0.0), (3.0, 0.7)):
        values = [posterior.log_density(np.array([log_kappa, rho, location]))[0] for rho in grid]
        assert_allclose(np.array(values) - values[0], -(grid**2) / 2, atol=1e-9)


def test_gradient(data):
    posterior = UncorrelatedPosterior(data)
    point = np.array([1.2, 0.6, 0.3])
    for i, step in enumerate(1e-5 * np.eye(3)):
        rise = posterior.log_density(point + step)[0] - posterior.log_density(point - step)[0]
        assert posterior.log_density(point)[1][i] == pytest.approx(rise / 2e-5, abs=1e-4)


@pytest.mark.slow
def test_agrees_with_the_pymc_model(data):
    model = uncorrelated_model(data)
    logp = model.compile_logp()
    posterior = UncorrelatedPosterior(data)
    differences = []
    for kappa, location in ((0.7, -0.4), (3.0, 0.0), (40.0, 0.5)):
        name, low, high = "kappa_interval__", 0.05, 1e4
        z = np.log(kappa - low) - np.log(high - kappa)
        # the transform's Jacobian d kappa / d z, and that of log kappa
        jacobian = np.log((kappa - low) * (high - kappa) / (high - low)) - np.log(kappa)
        theirs = logp({name: np.array(z), "location": np.array(location)}) - jacobian
        differences.append(theirs - posterior.log_density(np.array([np.log(kappa), 0.0, location]))[0])
    assert_allclose(differences, differences[0], atol=1e-6)


def test_recovers_kappa(data):
    found = sample_uncorrelated(data, draws=300, tune=300, chains=2, random_seed=1)
    assert set(found.parameters) == {"kappa", "location", "temperature"}
    low, high = np.quantile(found.parameters["kappa"], [0.005, 0.995])
    assert low < 4.0 < high


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_mode_is_found_also_for_a_spectrum_with_correlation(correlation):
    eigenvalues = sample_ensemble(100, 40.0, 0.5, 1.0, correlation, random_state=2)
    posterior = UncorrelatedPosterior(layer_data(eigenvalues, 0.5))
    top = posterior.log_density(posterior.mode)[0]
    for log_kappa in np.linspace(-2.0, 6.0, 17):
        for location in posterior.mode[2] + np.linspace(-0.4, 0.4, 9):
            assert posterior.log_density(np.array([log_kappa, 0.0, location]))[0] < top + 1e-4
    assert np.abs(posterior.at_mode[1]).max() < 0.05
