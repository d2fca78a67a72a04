"""The number of spikes: its densities are densities, its evidence is an integral, planted spikes are found."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import dblquad
from scipy.stats import multivariate_t

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.layer import layer_data
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.spikes import (
    Spectra,
    laplace,
    largest_number,
    log_density_of_spikes,
    weigh_numbers,
)
from htmp_bayes.models.surrogate import build_surrogate, find_box


def spectra_of(eigenvalues, gamma=0.25, inverse=False):
    eigenvalues = np.sort(eigenvalues)
    if inverse:
        return Spectra(eigenvalues, 1 / eigenvalues, -2 * np.log(eigenvalues), gamma, "inverse-gamma")
    return Spectra(eigenvalues, eigenvalues, np.zeros(eigenvalues.size), gamma, "inverse-gamma")


def bulk(kappa=4.0, correlation=0.4, size=60, seed=1):
    return np.sort(sample_ensemble(size, kappa, 0.25, 0.2, correlation, random_state=seed))


def planted(eigenvalues, *factors):
    return np.append(eigenvalues, eigenvalues.max() * np.array(factors))


def test_densities_of_spikes_are_those_of_order_statistics():
    """Three eigenvalues, two of them spikes: 3! times the density, over all that lie in order, is the bulk's alone."""

    def density(log_upper, log_lower):
        spikes = 1.7 * np.exp([log_lower, log_lower + log_upper])
        jacobian = spikes.prod()
        return 6 * jacobian * np.exp(log_density_of_spikes(np.append(1.7, spikes), 2).sum())

    assert dblquad(density, 0, 40, 0, 40)[0] == pytest.approx(1, abs=1e-6)


def test_no_spikes_cost_nothing():
    assert log_density_of_spikes(bulk(), 0).shape == (0,)


def test_fewer_are_looked_for_in_small_matrices():
    assert [largest_number(size) for size in (5, 32, 64, 100, 1000)] == [0, 3, 6, 10, 10]


@pytest.mark.parametrize(("kappa", "correlation"), [(4.0, 0.5), (100.0, 0.0)], ids=["inside", "at the ends"])
def test_the_polynomials_integral_is_the_posteriors(kappa, correlation):
    """Beside importance sampling of the exact posterior, within four standard errors of it."""
    posterior = LayerPosterior(layer_data(bulk(kappa, correlation, 60), gamma=0.25))
    found = build_surrogate(posterior, find_box(posterior)).log_integral()
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
    integral = build_surrogate(posterior, find_box(posterior)).log_integral()
    assert_allclose(laplace(posterior), integral, atol=0.3)


@pytest.mark.parametrize("factors", [(), (3.0,), (2.0, 3.0, 3.5)], ids=len)
def test_planted_spikes_are_found_and_the_bulk_is_what_it_was(factors):
    eigenvalues = bulk(20.0, 0.2)
    numbers = weigh_numbers(spectra_of(planted(eigenvalues, *factors)), adjust_seed=None)
    assert numbers.most_probable == len(factors)
    assert numbers.probability.sum() == pytest.approx(1)
    assert set(numbers.posteriors) == set(np.flatnonzero(numbers.probability))
    alone = LayerPosterior(layer_data(eigenvalues, 0.25))
    assert_allclose(numbers.posteriors[len(factors)].mode[:2], alone.mode[:2], atol=0.05)


def test_spikes_of_kernels_are_the_largest_eigenvalues_too():
    kernel = 1 / bulk(size=30)
    numbers = weigh_numbers(spectra_of(planted(kernel, 8.0, 9.0), inverse=True), adjust_seed=None)
    assert numbers.most_probable == 2


def test_units_do_not_matter():
    eigenvalues = planted(bulk(size=30), 1.6)
    first, second = (weigh_numbers(spectra_of(scale * eigenvalues), None).probability for scale in (1, 1e4))
    assert_allclose(first, second, atol=1e-3)


@pytest.mark.slow
def test_a_heavy_tail_is_no_spike():
    """A law of tail index 2.4 has eigenvalues as far out as spikes; their number stays small."""
    few = [
        weigh_numbers(spectra_of(bulk(5.0, 1.0, 150, seed)), adjust_seed=None).most_probable
        for seed in range(4)
    ]
    assert few == [0, 0, 0, 0]
