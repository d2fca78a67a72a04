"""Functionals of listed populations against the list's own, and the convention for spikes."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from htmp_bayes.models.free.curve import curve
from htmp_bayes.models.free.reported import functionals, population_density

SIZE = 200
U = (np.arange(SIZE) + 0.5) / SIZE


def found(log_h, index=1.0, gamma=0.25, inverse=False):
    population = curve(SIZE, gamma)
    values = np.interp(norm.ppf(population.levels), norm.ppf(U), log_h)
    return functionals(population, values[None], np.array([index]), gamma, inverse)


def test_functionals_are_those_of_the_list():
    log_h = 0.5 + 0.7 * norm.ppf(U)
    have = found(log_h, index=0.5)
    h = np.exp(log_h)
    np.testing.assert_allclose(have["correlation"], log_h.std(), rtol=3e-3)
    np.testing.assert_allclose(have["mean"], h.mean(), rtol=3e-3)
    np.testing.assert_allclose(have["participation_ratio"], h.mean() ** 2 / np.mean(h**2), rtol=6e-3)
    np.testing.assert_allclose(have["kappa"], 100.0)
    np.testing.assert_allclose(have["temperature"], 2 * 0.25 / 100 * np.exp(log_h.mean()), rtol=1e-3)


@pytest.mark.parametrize("exponent", [1.5, 3.0, 8.0])
def test_exponents_are_those_of_power_laws(exponent):
    have = found(logit(U) / exponent)
    np.testing.assert_allclose(have["tail_index"] - 1, exponent, rtol=0.06)
    np.testing.assert_allclose(have["lower_tail_index"] + 1, exponent, rtol=0.06)
    other = found(logit(U) / exponent, inverse=True)
    np.testing.assert_allclose(other["tail_index"], have["lower_tail_index"] + 2)
    assert "mean" not in other


@pytest.mark.parametrize("number", [1, 3, 12])
def test_spikes_are_counted_and_their_tail_is_that_of_the_bulk(number):
    log_h = 0.05 * norm.ppf(U)
    log_h[-number:] = np.log(np.linspace(5.0, 30.0, number))
    have = found(log_h)
    assert abs(int(have["n_spikes"][0]) - number) <= (number > 6)
    assert have["tail_index"][0] > 10
    assert have["n_low_spikes"][0] == 0


@pytest.mark.parametrize(
    "log_h", [0.0 * U + 1e-4 * norm.ppf(U), 0.8 * norm.ppf(U), 0.5 * logit(U), np.where(U < 0.5, 0.0, 1.4)]
)
def test_populations_without_spikes_have_none(log_h):
    have = found(log_h)
    assert have["n_spikes"][0] == 0
    assert have["n_low_spikes"][0] == 0


def test_density_has_the_mass_of_its_range():
    population = curve(SIZE, 0.25)
    values = np.stack([0.4 * logit(population.levels), 0.1 + 0.4 * logit(population.levels)])
    log_h, density = population_density(population, values)
    assert density.shape == (2, len(log_h))
    mass = density.sum(axis=1) * (log_h[1] - log_h[0])
    assert np.all((mass > 0.98) & (mass <= 1.0 + 1e-12))
    at = np.argmin(np.abs(log_h))
    np.testing.assert_allclose(density[0, at], 0.25 / 0.4, rtol=0.05)
