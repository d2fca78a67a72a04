"""`estimate` of one-parameter populations: what it maximises, its standard errors, and what it refuses."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import htmp_bayes as hb
from htmp_bayes import Spectrum, sample_ensemble
from htmp_bayes._settings import FitError
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.likelihood import log_density_of_gaps
from tests.models.at_point import counts_at

estimate = functools.partial(hb.estimate, population="inverse-gamma")

EIGENVALUES = sample_ensemble(100, 100.0, 0.25, 0.2, 0.6, random_state=3)


def log_likelihood(kappa, temperature, correlation):
    data = layer_data(EIGENVALUES, 0.25)
    counts = counts_at(data, kappa, correlation, np.log(temperature))
    return counts.log_density + float(log_density_of_gaps(data, kappa / 100))


def test_the_likelihood_is_at_its_maximum():
    found = estimate(EIGENVALUES, n=400, maximise="likelihood")
    parameters = np.array([found.values[name] for name in ("kappa", "temperature", "correlation")])
    assert_allclose(found.log_density, log_likelihood(*parameters), atol=1e-6)
    # kappa T is what the eigenvalues' mean fixes, so that it stays where kappa moves
    for moves in (
        [1.3, 1 / 1.3, 1],
        [0.75, 1 / 0.75, 1],
        [1, 1.02, 1],
        [1, 0.98, 1],
        [1, 1, 1.05],
        [1, 1, 0.95],
    ):
        assert log_likelihood(*(parameters * moves)) < found.log_density


def test_values_and_their_names():
    found = estimate(EIGENVALUES, n=400)
    assert list(found.values) == ["kappa", "dyson_index", "correlation", "temperature"]
    assert found.values["dyson_index"] == pytest.approx(found.values["kappa"] / 100)
    assert found.standard_errors["dyson_index"] == found.standard_errors["kappa"]
    assert str(found).startswith("kappa ")
    assert "correlation" not in estimate(EIGENVALUES, n=400, population="none").values


def test_the_prior_pulls_and_the_likelihood_is_as_wide_as_fit_says():
    likelihood = estimate(EIGENVALUES, n=400, maximise="likelihood")
    posterior = estimate(EIGENVALUES, n=400)
    assert posterior.values["kappa"] != likelihood.values["kappa"]
    assert posterior.standard_errors["kappa"] < likelihood.standard_errors["kappa"] * 1.05


def test_kernel_spectra_by_the_inverse_law():
    weights, kernel = estimate(EIGENVALUES, n=400), estimate(Spectrum(1 / EIGENVALUES, n=400, kind="kernel"))
    assert_allclose(list(kernel.values.values()), list(weights.values.values()), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": "cauchy"}, "population is one of"),
        ({"maximise": "entropy"}, "maximise is one of"),
        ({"adjust": True}, "needs no adjustment: leave it out"),
    ],
)
def test_settings_that_are_not_available(settings, message):
    with pytest.raises(FitError, match=message):
        estimate(EIGENVALUES, n=400, **settings)


def test_a_setting_that_never_was_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'adjusted'"):
        estimate(EIGENVALUES, n=400, adjusted=True)


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, reason="the mode of log kappa is 0.62 standard errors too low; not mended yet"
)
def test_bias_and_coverage_of_the_standard_errors():
    """Over 30 real matrices: bias below half a standard error, and 68 % within one, up to three binomial errors."""
    deviations = []
    for seed in range(30):
        eigenvalues = sample_ensemble(128, 128.0, 0.25, 0.1, 0.6, random_state=seed)
        found = estimate(eigenvalues, n=512)
        away = np.log(found.values["kappa"] / 128), found.values["correlation"] - 0.6
        deviations.append(np.divide(away, [found.standard_errors[name] for name in ("kappa", "correlation")]))
    deviations = np.array(deviations)
    assert np.all(np.abs(np.median(deviations, axis=0)) < 0.6), np.median(deviations, axis=0)
    within = np.mean(np.abs(deviations) < 1, axis=0)
    assert np.all(np.abs(within - 0.68) < 3 * np.sqrt(0.68 * 0.32 / 30)), within
