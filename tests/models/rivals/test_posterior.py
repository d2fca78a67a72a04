"""The laws HTMP competes with: their densities against SciPy's, their moments by simulation, and their posteriors."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.integrate import cumulative_trapezoid

from htmp_bayes import sample_ensemble
from htmp_bayes.models.layer.data import average_counts, layer_data
from htmp_bayes.models.layer.likelihood import precision
from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.stand_in import sample_stand_in
from htmp_bayes.models.rivals.posterior import RIVALS, HTMPContender, RivalPosterior

EIGENVALUES = np.exp(np.random.default_rng(1).normal(-1.0, 0.8, size=100))
DATA = layer_data(EIGENVALUES, 0.25)
PARAMETERS = {
    "gamma": [{"shape": 0.5, "mean": 2.0}, {"shape": 3.0, "mean": 0.3}],
    "inverse-gamma": [{"shape": 0.5, "mean": 2.0}, {"shape": 3.0, "mean": 0.3}],
    "log-normal": [{"mu": -1.0, "sigma": 0.3}, {"mu": 0.5, "sigma": 1.5}],
    "power-law-tail": [
        {"mu": -1.0, "sigma": 0.7, "tail_index": 2.2},
        {"mu": -1.0, "sigma": 0.4, "tail_index": 40.0},
    ],
}
SCIPY = {
    "gamma": lambda shape, mean: stats.gamma(shape, scale=mean / shape),
    "inverse-gamma": lambda shape, mean: stats.invgamma(shape, scale=shape / mean),
    "log-normal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
}
CASES = [(name, at) for name in RIVALS for at in PARAMETERS[name]]


@pytest.mark.parametrize(("name", "at"), CASES)
def test_the_probabilities_are_the_integral_of_the_density(name, at):
    u = np.linspace(-60, 60, 100_001)
    found = RIVALS[name].columns(u, at)
    assert_allclose(found.below + found.above, 1, atol=1e-12)
    assert_allclose(cumulative_trapezoid(found.density, u, initial=0), found.below, atol=1e-6)


@pytest.mark.parametrize(("name", "at"), [case for case in CASES if case[0] in SCIPY])
def test_agreement_with_scipy(name, at):
    u, law = np.linspace(-6, 4, 50), SCIPY[name](**at)
    found = RIVALS[name].columns(u, at)
    assert_allclose(found.density, law.pdf(np.exp(u)) * np.exp(u), rtol=1e-9)
    assert_allclose(found.below, law.cdf(np.exp(u)), rtol=1e-9)
    assert_allclose(found.above, law.sf(np.exp(u)), rtol=1e-9)


def test_the_power_law_is_that_of_scipy_and_its_tail_a_power():
    at = PARAMETERS["power-law-tail"][0]
    law = stats.exponnorm(1 / (0.7 * 1.2), loc=-1.0, scale=0.7)
    u = np.linspace(-3, 3, 30)
    assert_allclose(RIVALS["power-law-tail"].columns(u, at).density, law.pdf(u), rtol=1e-9)
    far = RIVALS["power-law-tail"].columns(np.array([20.0, 21.0]), at)
    assert np.log(far.density[0] / far.density[1]) == pytest.approx(at["tail_index"] - 1, rel=1e-9)


@pytest.mark.parametrize("name", RIVALS)
def test_in_the_middle_of_the_prior_a_law_matches_the_data(name):
    law = RIVALS[name]
    at = RivalPosterior(DATA, law).parameters(np.zeros(len(law.coordinates)))
    u = np.linspace(-30, 30, 60_001)
    weight = law.columns(u, at).density * (u[1] - u[0])
    assert weight @ u == pytest.approx(DATA.log_mean, abs=1e-6)
    assert np.sqrt(weight @ u**2 - (weight @ u) ** 2) == pytest.approx(DATA.log_sd, rel=1e-6)


@pytest.mark.parametrize("name", RIVALS)
def test_scaling_the_eigenvalues_changes_nothing(name):
    law, point = RIVALS[name], np.full(len(RIVALS[name].coordinates), 0.3)
    away = np.log(1e-5)
    scaled = replace(
        DATA, log_mean=DATA.log_mean + away, knots=DATA.knots + away, cell_middles=DATA.cell_middles + away
    )
    first, second = (RivalPosterior(data, law).whitened(point) for data in (DATA, scaled))
    assert_allclose(first.residual, second.residual, rtol=1e-6, atol=1e-7)
    assert first.constant == pytest.approx(second.constant, abs=1e-6)


def test_a_density_of_htmp_has_the_covariance_of_htmp():
    # the law of a matrix, given as nothing but a density, scatters as the matrix does
    values = sample_ensemble(200, 200.0, 0.25, 0.01, 0.6, "log-normal", random_state=3)
    data = layer_data(values, 0.25, "log-normal")
    own = HTMPContender(data, free=False)
    moments, kappa = own.moments(own.mode)
    factor = precision(data, moments, kappa).factor
    rival = RivalPosterior(data, RIVALS["log-normal"])
    other, _ = rival.moments(rival.mode)
    covariance = np.linalg.inv(precision(data, other, kappa).factor @ precision(data, other, kappa).factor.T)
    # both describe the spectrum, so that their covariances are near
    assert np.trace(factor @ factor.T @ covariance) / len(covariance) == pytest.approx(1, abs=0.15)


def test_counts_of_real_matrices_scatter_as_a_rival_says():
    # W = S^(1/2) Z with a population so wide that log-eigenvalues are nearly normal with the population's spread
    rng = np.random.default_rng(5)
    roots = np.exp(0.5 * 1.0 * stats.norm.ppf((np.arange(64) + 0.5) / 64))[:, None]
    matrices = (roots * rng.normal(size=(64, 640)) for _ in range(150))
    spectra = [np.linalg.eigvalsh(matrix @ matrix.T) / 640 for matrix in matrices]
    data = layer_data(spectra[0], 0.1)
    posterior = RivalPosterior(data, RIVALS["log-normal"])
    moments, kappa = posterior.moments(posterior.mode)
    factor = precision(data, moments, kappa).factor
    counts = average_counts(np.sort(np.log(spectra)), data.knots)
    residual = (counts - counts.mean(axis=0)) @ factor
    assert np.mean(residual**2) == pytest.approx(1, abs=0.12)


def test_marchenko_pastur_is_htmp_at_a_kappa_of_n():
    data = layer_data(EIGENVALUES, 0.25, "log-normal")
    free, fixed = HTMPContender(data), HTMPContender(data, free=False)
    point = np.array([0.4, 0.1])
    at_n = free.whitened(np.array([np.log(100.0), *point]))
    assert_allclose(fixed.whitened(point).residual, at_n.residual)
    assert fixed.names == ("correlation", "location")
    assert fixed.folded(np.array([-0.4, 0.1]))[0] == pytest.approx(0.4)


def test_the_scatter_does_not_follow_kappa():
    data = layer_data(EIGENVALUES, 0.25, "log-normal")
    point = np.array([np.log(2.0), 0.5, 0.0])
    own, fair = (
        precision(data, *posterior.moments(point)).log_determinant / len(data.counts)
        for posterior in (LayerPosterior(data), HTMPContender(data))
    )
    # standard deviations of a count at a kappa of 2 and at one of 100
    assert np.exp((fair - own) / 2) > 1.5


def test_recovers_a_log_normal_and_repeats_itself():
    # the eigenvalues of a real matrix say more than independent ones: they lie at quantiles, or nearly
    values = np.exp(stats.norm.ppf((np.arange(100) + 0.5) / 100, -1.0, 0.8))
    posterior = RivalPosterior(layer_data(values, 0.25), RIVALS["log-normal"])
    settings = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 3}
    points = sample_stand_in(posterior, **settings).points
    at = posterior.parameters(points)
    assert at["mu"].mean() == pytest.approx(-1.0, abs=0.03)
    assert at["sigma"].mean() == pytest.approx(0.8, abs=0.03)
    assert at["sigma"].std() < 0.8 / np.sqrt(200)  # of independent draws
    assert np.array_equal(sample_stand_in(posterior, **settings, cores=1).points, points)
