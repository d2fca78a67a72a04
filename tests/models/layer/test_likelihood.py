"""The likelihood of counts: moments where two regimes meet, its covariance, leave-one-out."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from htmp_bayes import sample_ensemble
from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.ensemble import sample_ensembles
from htmp_bayes.models.layer import likelihood
from htmp_bayes.models.layer.data import average_counts, layer_data
from tests.models.at_point import counts_at


def data_of(size, kappa, gamma, rho, population="log-normal", seed=1):
    law = "log-normal" if population == "none" else population
    return layer_data(
        sample_ensemble(size, kappa, gamma, 1.0, rho, law, random_state=seed), gamma, population
    )


@pytest.mark.parametrize(
    ("size", "gamma", "rho", "population"),
    [(384, 0.25, 0.6, "log-normal"), (384, 1.0, 0.3, "inverse-gamma"), (64, 0.5, 0.0, "none")],
)
def test_the_exact_law_and_its_first_order_meet(size, gamma, rho, population):
    """From 60 to 120 the two means differ by a small part of a count's standard deviation, most at a sharp edge."""
    worst = []
    for kappa in (likelihood.FINITE, likelihood.LIMIT):
        data = data_of(size, kappa, gamma, rho, population)
        exact = likelihood._exact_moments(data, kappa, rho, 0.0)
        limit = likelihood._limit_moments(data, kappa, rho, 0.0)
        covariance = np.linalg.inv(likelihood.precision(data, exact, kappa).factor)
        spread = np.sqrt(np.sum(covariance**2, axis=0))
        worst.append(np.abs((exact.mean - limit.mean) / spread))
    assert worst[0].max() < 0.25
    assert worst[1].max() < 0.12
    assert np.median(worst[1]) < 0.5 * np.median(worst[0]) + 1e-3


@pytest.mark.parametrize(
    ("kappa", "gamma", "rho"),
    [(1.0, 0.8, 0.0), (2.0, 0.25, 0.3), (20.0, 0.25, 0.0), (60.0, 0.5, 0.1), (100.0, 1.0, 0.05)],
)
def test_far_above_an_edge_the_law_is_what_it_is_said_to_be(kappa, gamma, rho):
    """The distribution function and density of log eigenvalue, from far below the spectrum to far above it."""
    middle = np.log(kappa / (2 * gamma))
    log_y = np.linspace(middle - 12, middle + 6, 90)
    law = (kappa, gamma, rho, layer_data([1.0, 2.0], gamma, "log-normal").code)
    ours, exact = likelihood._rows(log_y, *law), htmp_density.fast_rows(log_y, *law)
    np.testing.assert_allclose(ours[:, 5], exact[:, 5], atol=1e-9)
    np.testing.assert_allclose(np.exp(ours[:, 0] + log_y), np.exp(exact[:, 0] + log_y), atol=1e-8)


def test_moments_pass_smoothly_from_one_to_the_other():
    data = data_of(128, 90.0, 0.25, 0.5)
    step = 1e-3
    for kappa in (likelihood.FINITE, np.sqrt(likelihood.FINITE * likelihood.LIMIT), likelihood.LIMIT):
        values = [
            counts_at(data, float(kappa * np.exp(k * step)), 0.5, 0.0).log_density for k in range(-2, 3)
        ]
        slopes = np.diff(values) / step
        assert np.abs(np.diff(slopes)).max() < 0.05 * (1 + np.abs(slopes).max())


@pytest.mark.parametrize(("kappa", "gamma", "rho"), [(2.0, 0.5, 0.0), (5.0, 0.25, 0.6), (150.0, 0.5, 0.5)])
def test_the_variance_of_the_sum_of_logarithms_is_that_of_draws(kappa, gamma, rho):
    size = 100
    spectra = np.log(sample_ensembles(400, size, kappa, gamma, 1.0, rho, "log-normal", 3))
    data = layer_data(np.exp(np.median(spectra, axis=0)), gamma, "log-normal")
    found = likelihood.moments(data, kappa, rho, 0.0)
    inverse = np.linalg.inv(likelihood.precision(data, found, kappa).factor)
    lengths = np.diff(data.knots)
    stated = lengths @ inverse.T @ inverse @ lengths
    observed = np.var(average_counts(spectra, data.knots) @ lengths)
    assert observed == pytest.approx(stated, rel=4 * np.sqrt(2 / 400))


def test_predictive_spectra_have_the_covariance_of_the_likelihood():
    """Draws with the population fixed: the mean square of whitened residuals is 1, and their mean 0."""
    size, kappa, gamma, rho = 96, 96.0, 0.25, 0.6
    spectra = sample_ensembles(200, size, kappa, gamma, 1.0, rho, "inverse-gamma", 5)
    data = layer_data(np.median(spectra, axis=0), gamma, "inverse-gamma")
    found = likelihood.moments(data, kappa, rho, 0.0)
    factor = likelihood.precision(data, found, kappa).factor
    residuals = (average_counts(np.log(spectra), data.knots) - found.mean) @ factor
    residuals -= residuals.mean(axis=0)
    assert np.mean(residuals**2) == pytest.approx(1.0, abs=0.08)


def test_leaving_a_count_out_is_conditioning_on_the_others():
    data = data_of(64, 64.0, 0.5, 0.4)
    found = likelihood.moments(data, 64.0, 0.4, 0.0)
    inverse = np.linalg.inv(likelihood.precision(data, found, 64.0).factor)
    law = multivariate_normal(found.mean, inverse.T @ inverse, allow_singular=True)
    left_out = likelihood.leave_one_out(data, found, 64.0)
    joint = law.logpdf(data.counts)
    assert likelihood.whitened(data, found, 64.0).log_density == pytest.approx(joint, abs=1e-6)
    for i in (0, 5, len(left_out) - 1):
        others = np.delete(np.arange(len(left_out)), i)
        rest = multivariate_normal(
            found.mean[others], law.cov_object.covariance[np.ix_(others, others)], allow_singular=True
        )
        assert left_out[i] == pytest.approx(joint - rest.logpdf(data.counts[others]), abs=1e-5)


def test_gaps_are_a_factor_of_their_own_and_none_without_gaps():
    data = data_of(100, 100.0, 0.5, 0.3)
    assert likelihood.log_density_of_gaps(data, 1.0) > likelihood.log_density_of_gaps(data, 0.05)
    assert likelihood.log_density_of_gaps(dataclasses.replace(data, gap_ratios=0), 1.0) == 0.0
