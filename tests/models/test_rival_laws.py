"""The laws HTMP competes with: their densities against SciPy's and against quadrature, and their fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from htmp_bayes.laws import MarchenkoPastur
from htmp_bayes.models.rival_laws import (
    LARGEST_OUTLIER_SHARE,
    RIVALS,
    rival_data,
    rival_log_density,
    rival_model,
    sample_rival,
)

EIGENVALUES = np.exp(np.random.default_rng(1).normal(-1.0, 0.8, size=100))
PARAMETERS = {
    "marchenko-pastur": {"scale": [0.4, 1.3], "outlier_share": [0.001, 0.04]},
    "gamma": {"shape": [0.5, 3.0], "mean": [2.0, 0.3]},
    "log-normal": {"mu": [-1.0, 0.5], "sigma": [0.3, 1.5]},
    "power-law-tail": {
        "mu": [-1.0, -1.0],
        "sigma": [0.7, 0.7],
        "threshold": [0.8, 0.1],
        "tail_index": [2.2, 6.0],
    },
}


def log_density(name, log_x, eigenvalues=EIGENVALUES, gamma=0.25):
    data = {**rival_data(name, eigenvalues, gamma), "log_eigenvalues": np.asarray(log_x)}
    return rival_log_density(name, data, {key: np.array(v) for key, v in PARAMETERS[name].items()})


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("gamma", [0.25, 1.0])
def test_the_density_integrates_to_one(name, gamma):
    log_x = np.linspace(-60, 60, 400_001)
    mass = np.trapezoid(np.exp(log_density(name, log_x, gamma=gamma) + log_x), log_x, axis=1)
    # at gamma = 1 about 2 / (N |log x|) of the mass of noise lies below x: some of it below every table
    assert_allclose(mass, 1, atol=1e-3 if (name, gamma) == ("marchenko-pastur", 1.0) else 1e-7)


def test_agreement_with_scipy():
    log_x = np.linspace(-6, 4, 50)
    shape, mean = np.array(list(PARAMETERS["gamma"].values()))[..., None]
    assert_allclose(log_density("gamma", log_x), stats.gamma.logpdf(np.exp(log_x), shape, scale=mean / shape))
    mu, sigma = np.array(list(PARAMETERS["log-normal"].values()))[..., None]
    expected = stats.lognorm.logpdf(np.exp(log_x), sigma, scale=np.exp(mu))
    assert_allclose(log_density("log-normal", log_x), expected)


def test_the_power_law_continues_the_body():
    for row, threshold, index in zip(range(2), [0.8, 0.1], [2.2, 6.0], strict=True):
        log_x = np.log(threshold) + np.array([-1e-9, 1e-9, 1.0, 2.0])
        below, at, one, two = log_density("power-law-tail", log_x)[row]
        assert below == pytest.approx(at, abs=1e-6)
        assert one - two == pytest.approx(index, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0])
def test_noise_is_marchenko_pasturs_in_the_bulk(gamma):
    noise = np.random.default_rng(2).normal(size=(400, round(400 / gamma)))
    eigenvalues = np.linalg.svd(noise, compute_uv=False) ** 2 / noise.shape[1]
    data = rival_data("marchenko-pastur", eigenvalues, gamma)
    share = 1e-12
    fitted = rival_log_density(
        "marchenko-pastur", data, {"scale": np.ones(1), "outlier_share": np.array([share])}
    )[0]
    reference = MarchenkoPastur(gamma).logpdf(eigenvalues)
    inside = np.isfinite(reference)
    assert inside.sum() >= 399
    assert abs(np.sum(fitted - reference, where=inside)) < 2  # of 400 log-densities
    assert np.all(np.isfinite(fitted))


def test_an_outlier_costs_nats_and_not_everything():
    log_x = np.log(np.append(EIGENVALUES, 1e3))
    assert log_density("marchenko-pastur", log_x)[1, -1] > -30


def test_scaling_the_eigenvalues_scales_the_prior():
    for name in RIVALS:
        data, scaled = (rival_data(name, scale * EIGENVALUES, 0.25) for scale in (1.0, 1e-5))
        for key in data:
            shift = np.log(1e-5) if key.startswith(("log_eigen", "log_mean", "matched_log")) else 0.0
            factor = 1e-5 if key == "matched_mean" else 1.0
            assert_allclose(scaled[key], factor * np.array(data[key]) + shift, rtol=1e-6, atol=1e-8)


def test_the_likelihood_of_the_model_is_the_density():
    data = rival_data("log-normal", EIGENVALUES, 0.25)
    model = rival_model("log-normal", data)
    at_zero = model.compile_logp()(model.initial_point())
    prior = 2 * stats.norm.logpdf(0)
    mu, sigma = data["log_mean"], data["log_sd"]
    expected = stats.lognorm.logpdf(EIGENVALUES, sigma, scale=np.exp(mu)).sum()
    assert at_zero == pytest.approx(prior + expected)


def test_recovers_a_log_normal_and_repeats_itself():
    settings = {"draws": 500, "tune": 500, "chains": 2, "random_seed": 3}
    data = rival_data("log-normal", EIGENVALUES, 0.25)
    posterior = sample_rival("log-normal", data, **settings)["posterior"]
    # three standard errors of 100 draws
    assert abs(posterior["mu"].mean() + 1.0) < 3 * 0.8 / 10
    assert abs(posterior["sigma"].mean() - 0.8) < 3 * 0.8 / np.sqrt(200)
    again = sample_rival("log-normal", data, **settings, cores=1)["posterior"]
    assert again.to_dataset().equals(posterior.to_dataset())


@pytest.mark.slow
def test_noise_with_planted_outliers_keeps_its_scale():
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(256, 1024))
    eigenvalues = np.linalg.svd(noise, compute_uv=False) ** 2 / 1024
    spiked = np.append(eigenvalues[5:], [6.0, 8.0, 10.0, 15.0, 20.0])
    data = rival_data("marchenko-pastur", spiked, 0.25)
    tree = sample_rival("marchenko-pastur", data, draws=1000, tune=1000, chains=4, random_seed=1)
    assert float(tree["posterior"]["scale"].mean()) == pytest.approx(1.0, abs=0.06)
    assert 0.5 * 5 / 256 < float(tree["posterior"]["outlier_share"].mean()) < LARGEST_OUTLIER_SHARE
