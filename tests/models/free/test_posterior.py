"""Posterior, stand-in and draws of the open population: slopes, sizes, prior, and real and planted populations."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import kstest, norm

import htmp_bayes as hb
from htmp_bayes._settings import FitError
from htmp_bayes.models import layer_data, layer_model
from htmp_bayes.models.free import prior
from htmp_bayes.models.free.curve import KNOTS, PARAMETERS, curve
from htmp_bayes.models.free.draws import sample_free
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.free.stand_in import (
    TEMPER,
    Centre,
    compiled_model,
    log_likelihood,
    packed,
    stand_in_data,
)
from htmp_bayes.models.layer.data import interval_knots
from htmp_bayes.models.layer.sampling import Sampling
from htmp_bayes.models.nuts import sample_compiled
from tests.models.free.matrices import spectrum_of

SIZE, N_LONG = 100, 400
LEVELS = (np.arange(SIZE) + 0.5) / SIZE


@pytest.fixture(scope="module")
def posterior():
    log_normal = np.exp(0.8 * norm.ppf(LEVELS))
    return FreePosterior(layer_data(spectrum_of(log_normal), SIZE / N_LONG, "free"))


def test_slopes_are_those_of_the_mean_counts(posterior):
    theta = posterior.mode.theta
    moments = posterior.moments(theta)
    slopes = posterior.slopes(moments, posterior.curve.log_values(theta))
    slopes = slopes @ posterior.curve.derivatives(theta)
    step = 1e-4
    for k in (0, 1, 2, 12, PARAMETERS - 1):
        above, below = (posterior.moments(theta + sign * step * np.eye(PARAMETERS)[k]) for sign in (1, -1))
        expected = (above.at_infinity - below.at_infinity) / (2 * step)
        np.testing.assert_allclose(slopes[:, k], expected, atol=2e-3)


def test_the_mode_is_a_top(posterior):
    mode = posterior.mode
    here = posterior.log_density(mode.theta, mode.log_roughness, mode.log_index)
    rng, spread = np.random.default_rng(2), np.linalg.cholesky(np.linalg.inv(mode.precision))
    away = [mode.theta + 2 * spread @ rng.standard_normal(PARAMETERS) for _ in range(20)]
    assert all(posterior.log_density(theta, mode.log_roughness, mode.log_index) < here for theta in away)


def test_what_stands_for_it_is_it_at_the_centre():
    eigenvalues = spectrum_of(np.exp(0.8 * norm.ppf(LEVELS)))
    # without the interval above all eigenvalues, whose variance, a blur alone, is that at the centre's repulsion
    knots = interval_knots(np.log(eigenvalues), SIZE / N_LONG)
    posterior = FreePosterior(layer_data(eigenvalues, SIZE / N_LONG, "free", knots))
    mode = posterior.mode
    # of curves so near to it that the mean of their covariances is its own
    near = 1e-8 * np.linalg.inv(mode.precision)
    centre = Centre(mode.theta, mode.log_roughness, mode.log_index, near)
    given = stand_in_data(posterior, centre)
    for log_index in (mode.log_index, mode.log_index - 0.3):
        stand_in = log_likelihood(given, mode.theta[None], np.array([log_index]))[0]
        differences = stand_in - posterior.whitened(mode.theta, log_index).log_density
        expected = log_likelihood(given, mode.theta[None], np.array([mode.log_index]))[0]
        expected -= posterior.whitened(mode.theta, mode.log_index).log_density
        np.testing.assert_allclose(differences, expected, atol=0.05)


def test_the_graph_is_the_function(posterior):
    mode = posterior.mode
    centre = Centre(mode.theta, mode.log_roughness, mode.log_index, np.linalg.inv(mode.precision))
    given = stand_in_data(posterior, centre)
    model = compiled_model().with_data(**packed(given))
    drawn = sample_compiled(model, draws=5, tune=5, chains=1, random_seed=1)["posterior"]
    theta, log_index = drawn["theta"].to_numpy()[0], drawn["log_index"].to_numpy()[0]
    whole = TEMPER * log_likelihood(given, theta, log_index) + posterior.log_density_of_gaps(log_index)
    whole += posterior.log_prior(theta, drawn["log_roughness"].to_numpy()[0], log_index)
    np.testing.assert_allclose(np.diff(drawn["log_density"].to_numpy()[0] - whole), 0.0, atol=1e-3)


def test_draws_hold_the_population_and_repeat(posterior):
    sampling = Sampling(draws=300, tune=200, chains=2, random_seed=3)
    first, again = sample_free(posterior, sampling), sample_free(posterior, sampling)
    np.testing.assert_array_equal(first.theta, again.theta)
    values = posterior.curve.log_values(first.theta)
    spread = np.sqrt((values - (values @ posterior.curve.shares)[..., None]) ** 2 @ posterior.curve.shares)
    low, high = np.quantile(spread, [0.01, 0.99])
    assert low < 0.8 * np.std(norm.ppf(LEVELS)) < high
    assert high - low < 0.2
    low, high = np.quantile(np.exp(first.log_index), [0.01, 0.99])
    assert low < 1 < high
    assert first.attributes["accepted"] > 0.4
    assert not first.sample_stats["diverging"].any()


def test_prior_draws_have_the_prior():
    data = layer_data(spectrum_of(np.ones(SIZE)), SIZE / N_LONG, "free")
    population = curve(SIZE, 0.25)
    theta, log_roughness, log_index = prior.prior_draws(data, population, 2000, np.random.default_rng(1))
    centre, sd = prior.location(data)
    assert kstest((theta[:, 0] - centre) / sd, norm.cdf).pvalue > 1e-3
    assert kstest((theta[:, 1] - prior.LEVEL) / prior.LEVEL_SD, norm.cdf).pvalue > 1e-3
    low, high = prior.log_index_range(SIZE)
    assert np.all((log_index > low) & (log_index < high))
    # by importance: the mean of d^2 under walks without the bound, weighted by it
    rng = np.random.default_rng(2)
    tau = np.exp(prior.LOG_ROUGHNESS + prior.LOG_ROUGHNESS_SD * rng.standard_normal(40_000))
    steps = rng.standard_t(prior.DEGREES_OF_FREEDOM, (40_000, KNOTS - 1)) * np.sqrt(np.diff(population.knots))
    start = prior.BOUND_SD * rng.standard_normal((40_000, 1))
    d = np.cumsum(np.column_stack([start, tau[:, None] * steps]), axis=1)
    weights = np.exp(-0.5 * np.sum((d[:, 1:] / prior.BOUND_SD) ** 2, axis=1))
    expected = weights @ d[:, -1] ** 2 / weights.sum()
    spread = np.mean(theta[:, -1] ** 2)
    error = np.hypot(np.std(theta[:, -1] ** 2) / 2000**0.5, expected * weights.std() / weights.mean() / 200)
    assert abs(spread - expected) < 4 * error
    assert abs(np.log(tau).mean() - log_roughness.mean()) < 1.0


def test_a_narrow_matrix_is_taken():
    """A convolution of 128 x 65536 was refused once."""
    rng = np.random.default_rng(4)
    h = np.exp(0.5 * rng.normal(size=64))
    data = layer_data(spectrum_of(h, n=64 * 512), 1 / 512, "free")
    mode = FreePosterior(data).mode
    values = curve(64, 1 / 512).log_values(mode.theta)
    np.testing.assert_allclose(np.mean(values), np.mean(np.log(h)), atol=0.03)


def test_reciprocals_and_settings_have_their_sentences():
    with pytest.raises(FitError, match="no meaning for the open population"):
        hb.estimate(spectrum_of(np.ones(SIZE)), n=N_LONG, maximise="likelihood")
    tiny = hb.Spectrum(np.linspace(0.9, 1.1, 40), 100_000)
    with pytest.raises(FitError, match=r"below 0\.0005"):
        hb.fit(tiny, population="free")


def test_model_has_the_posterior_s_density(posterior):
    """But for a constant, and that of the variables' own scale."""
    logp = layer_model(posterior.data).compile_logp(jacobian=False)
    low, high = prior.log_index_range(SIZE)
    rng = np.random.default_rng(1)
    differences = []
    for _ in range(6):
        theta = posterior.mode.theta + 0.3 * rng.standard_normal(PARAMETERS)
        log_roughness, log_index = rng.normal(-1.0, 0.4), rng.uniform(-1.5, 1.0)
        place = (log_index - low) / (high - low)
        point = {"median": theta[0], "level": theta[1], "d": theta[2:], "log_roughness": log_roughness}
        value = logp(point | {"log_index_interval__": np.log(place / (1 - place))})
        differences.append(value - posterior.log_density(theta, log_roughness, log_index))
    np.testing.assert_allclose(differences, differences[0], atol=1e-6)


def test_the_law_of_a_point_is_found_by_its_spectrum_alone():
    """What is fitted does not depend on the scale of the matrix."""
    first = FreePosterior(layer_data(spectrum_of(np.ones(SIZE)), 0.25, "free")).mode
    second = FreePosterior(layer_data(100 * spectrum_of(np.ones(SIZE)), 0.25, "free")).mode
    moved = dataclasses.replace(second, theta=second.theta - np.log(100) * np.eye(PARAMETERS)[0])
    np.testing.assert_allclose(moved.theta, first.theta, atol=0.05)


def test_what_stands_for_it_follows_a_spike(posterior):
    """Linear counts go wrong by one, where the largest value moves beyond the others."""
    from htmp_bayes.models.free import stand_in

    theta = posterior.mode.theta
    log_h, moments = posterior.curve.log_values(theta), posterior.moments(theta)
    last = np.array([len(log_h) - 1])
    moved = stand_in._moved(posterior, moments.transform, log_h, last)[0]
    linear = posterior.slopes(moments, log_h)[:, -1]
    for move in (0.5, 1.5, 3.0):
        there = np.append(log_h[:-1], log_h[-1] + move)
        expected = posterior._moments_of(there, posterior._no_guesses).at_infinity - moments.at_infinity
        row = round((move - stand_in._LEAST_MOVE) / stand_in._MOVE_STEP)
        np.testing.assert_allclose(moved[row], expected, atol=0.02)
    assert np.abs(linear * move - expected).max() > 0.3


def test_spikes_are_no_trouble():
    """Two directions far from the others, as in layer.5.output.dense: the draws were those of a few points once."""
    h = np.exp(0.5 * norm.ppf(LEVELS))
    h[-2:] *= 3.0, 9.0
    posterior = FreePosterior(layer_data(spectrum_of(h, n=SIZE * 4, seed=5), SIZE / N_LONG, "free"))
    drawn = sample_free(posterior, Sampling(draws=300, tune=300, chains=2, random_seed=1))
    assert drawn.attributes["accepted"] > 0.3
    top = posterior.curve.log_values(drawn.theta)[..., -1]
    low, high = np.quantile(top, [0.01, 0.99])
    assert low < np.log(h[-1]) < high
    assert high - low < 1.0  # without an interval above all eigenvalues it lay anywhere beyond them
