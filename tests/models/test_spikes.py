"""The number of spikes: its densities are densities, its evidence is an integral, planted spikes are found."""

import numpy as np
import pytest
from htmp_bayes.models.surrogate import SurrogateError, build_surrogate, find_box, log_integral
from numpy.testing import assert_allclose
from scipy.integrate import dblquad
from scipy.stats import multivariate_t

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior
from htmp_bayes.models.spikes import (
    SpikedSpectrum,
    laplace,
    largest_number,
    log_density_of_spikes,
    weigh_numbers,
)


def spiked(eigenvalues, inverse=False):
    eigenvalues = np.sort(eigenvalues)
    followed = (
        (1 / eigenvalues, -2 * np.log(eigenvalues)) if inverse else (eigenvalues, np.zeros(eigenvalues.size))
    )
    return SpikedSpectrum(eigenvalues, *followed, 0.25, "inverse-gamma")


def bulk(kappa=4.0, correlation=0.4, size=60, seed=1):
    return np.sort(sample_ensemble(size, kappa, 0.25, 0.2, correlation, random_state=seed))


def planted(eigenvalues, *factors):
    return np.append(eigenvalues, eigenvalues.max() * np.array(factors))


def test_densities_of_spikes_are_those_of_order_statistics():
    """Three eigenvalues, two of them spikes: 3! times the density, over all that lie in order, is the bulk's alone."""

    def density(log_upper, log_lower):
        spikes = 1.7 * np.exp([log_lower, log_lower + log_upper])
        jacobian = spikes.prod()
        return 6 * jacobian * np.exp(log_density_of_spikes(np.append(1.7, spikes), 2))

    assert dblquad(density, 0, 40, 0, 40)[0] == pytest.approx(1, abs=1e-6)


def test_no_spikes_cost_nothing():
    assert log_density_of_spikes(bulk(), 0) == 0


def test_an_eigenvalue_beside_the_bulk_is_no_spike():
    near, far = (log_density_of_spikes(np.array([1.0, 2.0, 2.0 * factor]), 1) for factor in (1.001, 2.0))
    assert near < far - 4
    assert log_density_of_spikes(np.array([1.0, 2.0, 2.0]), 1) == -np.inf


def test_fewer_are_looked_for_in_small_matrices():
    assert [largest_number(size) for size in (5, 32, 64, 100, 1000)] == [0, 3, 6, 10, 10]


@pytest.mark.parametrize(("kappa", "correlation"), [(4.0, 0.5), (100.0, 0.0)], ids=["inside", "at the ends"])
def test_the_polynomials_integral_is_the_posteriors(kappa, correlation):
    """Beside importance sampling of the exact posterior, within four standard errors of it."""
    posterior = LayerPosterior(layer_data(bulk(kappa, correlation, 60), gamma=0.25))
    found = log_integral(posterior, build_surrogate(posterior, find_box(posterior)))
    proposal = multivariate_t(posterior.mode, 1.5 * posterior.covariance, df=5, seed=1)
    points = proposal.rvs(600)
    inside = np.all(points == posterior.inside(points), axis=1)
    top = posterior.log_density(posterior.mode)[0]
    weights = np.zeros(len(points))
    values = np.array([posterior.log_density(point)[0] for point in points[inside]])
    weights[inside] = np.exp(values - top - proposal.logpdf(points[inside]))
    error = weights.std() / np.sqrt(len(weights)) / weights.mean()
    assert error < 0.1
    assert abs(found - top - np.log(weights.mean())) < 4 * error + 0.02


def test_laplace_is_near_where_the_posterior_is_nearly_normal():
    posterior = LayerPosterior(layer_data(bulk(3.0, 0.8, 200), gamma=0.25))
    integral = log_integral(posterior, build_surrogate(posterior, find_box(posterior)))
    assert_allclose(laplace(posterior), integral, atol=0.3)


@pytest.mark.parametrize("factors", [(), (3.0,), (2.0, 3.0, 3.5)], ids=len)
def test_planted_spikes_are_found(factors):
    numbers = weigh_numbers(spiked(planted(bulk(20.0, 0.2), *factors)), adjust_seed=None)
    assert numbers.probability[len(factors)] > 0.9
    assert numbers.probability.sum() == pytest.approx(1)
    assert set(numbers.posteriors) == set(np.flatnonzero(numbers.probability))


@pytest.mark.parametrize("inverse", [False, True])
def test_given_their_number_the_posterior_is_that_without_them(inverse):
    """The same function to the last bit, so that no parameter of the law is biased."""
    eigenvalues = 1 / bulk(8.0, 0.3) if inverse else bulk(8.0, 0.3)
    found = weigh_numbers(spiked(planted(eigenvalues, 6.0, 8.0), inverse), adjust_seed=3).posteriors[2]
    alone = adjusted_posterior(spiked(eigenvalues, inverse).posterior(0).data, random_seed=3)
    for point in ([1.0, 0.5, 0.0], [3.0, 0.2, 0.3]):
        value, gradient = found.log_density(np.array(point))
        expected, expected_gradient = alone.log_density(np.array(point))
        assert value == expected
        np.testing.assert_array_equal(gradient, expected_gradient)


def test_spikes_of_kernels_are_the_largest_eigenvalues_too():
    kernel = 1 / bulk(size=30)
    assert weigh_numbers(spiked(planted(kernel, 8.0, 9.0), inverse=True), None).most_probable == 2


def test_units_do_not_matter():
    eigenvalues = planted(bulk(20.0, 0.2, size=30), 1.3)
    first, second = (weigh_numbers(spiked(scale * eigenvalues), None).probability for scale in (1, 1e4))
    assert_allclose(first, second, atol=1e-3)


def test_without_a_polynomial_laplaces_method_decides(monkeypatch):
    def none(*_):
        raise SurrogateError("the log-posterior is not smooth enough")

    eigenvalues = planted(bulk(20.0, 0.2), 1.4)
    integrated = weigh_numbers(spiked(eigenvalues), None).probability
    monkeypatch.setattr("htmp_bayes.models.spikes.whole_surrogate", none)
    assert_allclose(weigh_numbers(spiked(eigenvalues), None).probability, integrated, atol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("factors", [(), (4.0,), (3.0, 4.0, 6.0)], ids=len)
def test_planted_spikes_are_counted(factors):
    """Far above the edge of bulks of light tail: the planted number is the most probable one in every draw."""
    for number, (kappa, correlation) in enumerate([(100.0, 0.0), (20.0, 0.2), (8.0, 0.3)]):
        eigenvalues = bulk(kappa, correlation, 200 - len(factors), seed=10 + number)
        probability = weigh_numbers(spiked(planted(eigenvalues, *factors)), None).probability
        assert probability.argmax() == len(factors), probability


@pytest.mark.slow
def test_a_heavy_tail_is_no_spike():
    """A law of tail index 2.4 has eigenvalues as far out as spikes: that leaves it open, and seldom says otherwise.

    Under a law without spikes the odds on them are 9 or more with a probability of at most 1/9 (Markov's inequality for
    the Bayes factor, whose expectation is 1): in more than one of four draws, at most 0.06.
    """
    found = [weigh_numbers(spiked(bulk(5.0, 1.0, 150, seed)), None) for seed in range(4)]
    assert sum(numbers.probability[0] < 0.1 for numbers in found) <= 1
    assert max(numbers.most_probable for numbers in found) <= 1
