"""`estimate`: what it maximises, its standard errors, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes import HTMP, InverseHTMP, Spectrum, estimate, sample_ensemble
from htmp_bayes._settings import FitError

EIGENVALUES = sample_ensemble(200, 4.0, 0.25, 0.2, 0.6, random_state=3)


def test_the_likelihood_is_at_its_maximum():
    found = estimate(EIGENVALUES, n=800, maximise="likelihood", adjust=False)
    parameters = np.array([found.values[name] for name in ("kappa", "temperature", "correlation")])

    def log_likelihood(parameters):
        kappa, temperature, correlation = parameters
        return HTMP(kappa, 0.25, temperature, correlation).logpdf(EIGENVALUES).sum()

    assert_allclose(found.log_density, log_likelihood(parameters), atol=1e-3)
    for factor in (0.95, 1.05):
        for i in range(3):
            moved = parameters.copy()
            moved[i] *= factor
            assert log_likelihood(moved) < found.log_density


def test_standard_errors_are_those_of_the_curvature():
    """Second differences of the log-likelihood in log kappa, correlation and log temperature."""
    found = estimate(EIGENVALUES, n=800, maximise="likelihood", adjust=False)
    centre = np.array(
        [np.log(found.values["kappa"]), found.values["correlation"], np.log(found.values["temperature"])]
    )

    def value(point):
        law = HTMP(np.exp(point[0]), 0.25, np.exp(point[2]), point[1])
        return law.logpdf(EIGENVALUES).sum()

    steps = 0.01 * np.eye(3)
    hessian = [
        [
            (value(centre + a + b) - value(centre + a - b) - value(centre - a + b) + value(centre - a - b))
            / 4e-4
            for a in steps
        ]
        for b in steps
    ]
    errors = np.sqrt(np.diag(np.linalg.inv(-np.array(hessian))))
    ours = [found.standard_errors[name] for name in ("kappa", "correlation", "temperature")]
    assert_allclose(ours, errors, rtol=0.02)


def test_the_prior_and_the_sandwich():
    likelihood = estimate(EIGENVALUES, n=800, maximise="likelihood")
    posterior = estimate(EIGENVALUES, n=800)
    assert posterior.values["kappa"] != likelihood.values["kappa"]
    assert (
        posterior.standard_errors["kappa"]
        < estimate(EIGENVALUES, n=800, adjust=False).standard_errors["kappa"]
    )
    assert str(posterior).startswith("kappa ")


def test_kernel_spectra_by_the_inverse_law():
    spectrum = Spectrum(1 / EIGENVALUES, n=800, kind="kernel")
    found = estimate(spectrum, maximise="likelihood", adjust=False)
    kappa, temperature, correlation = (found.values[n] for n in ("kappa", "temperature", "correlation"))
    exact = InverseHTMP(kappa, 0.25, temperature, correlation).logpdf(spectrum.eigenvalues).sum()
    assert_allclose(found.log_density, exact, atol=1e-3)


def test_noise_has_no_standard_error_of_its_correlation():
    noise = sample_ensemble(300, 100.0, 0.5, 0.1, 0.0, random_state=1)
    assert estimate(noise, n=600, adjust=False).standard_errors["correlation"] == np.inf


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": "cauchy"}, "population is one of"),
        ({"maximise": "entropy"}, "maximise is one of"),
    ],
)
def test_settings_that_are_not_available(settings, message):
    with pytest.raises(FitError, match=message):
        estimate(EIGENVALUES, n=800, **settings)


@pytest.mark.slow
def test_bias_and_coverage_of_the_standard_errors():
    """Over 100 matrices: 68 % and 95 % within one and two standard errors, up to three binomial errors."""
    for kappa, gamma, correlation in ((3.0, 0.25, 0.6), (5.0, 1.0, 0.7)):
        deviations = []
        for seed in range(50):
            eigenvalues = sample_ensemble(256, kappa, gamma, 0.1, correlation, random_state=seed)
            found = estimate(eigenvalues, n=round(256 / gamma))
            errors = [found.standard_errors[name] for name in ("kappa", "correlation", "temperature")]
            away = [
                np.log(found.values["kappa"] / kappa),
                found.values["correlation"] - correlation,
                np.log(found.values["temperature"] / 0.1),
            ]
            deviations.append(np.divide(away, errors))
        deviations = np.array(deviations)
        assert np.all(np.abs(np.median(deviations, axis=0)) < 0.6), np.median(deviations, axis=0)
        within = np.mean(np.abs(deviations) < 1, axis=0)
        assert np.all(np.abs(within - 0.68) < 3 * np.sqrt(0.68 * 0.32 / 50)), within
